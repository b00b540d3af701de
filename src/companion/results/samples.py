"""Small MDPs that the numeric checks run on: random, degenerate, tied, and worst cases."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from companion.results.base import Check
from companion.theory import (
    FiniteMDP,
    TokenTree,
    effective_reward,
    inverse_bellman,
    stability_radius,
)

DISCOUNTS = (0.0, 0.5, 0.9, 0.99)


def random_transitions(rng: np.random.Generator, states: int, actions: int) -> np.ndarray:
    """Random kernel ``(S, A, S)`` in which about half of the rows are deterministic."""
    dense = rng.dirichlet(np.ones(states), size=(states, actions))
    sharp = np.eye(states)[rng.integers(states, size=(states, actions))]
    return np.where(rng.random((states, actions, 1)) < 0.5, sharp, dense)


def random_mdps(rng: np.random.Generator, repeats: int) -> Iterator[FiniteMDP]:
    """Random MDPs over all discounts, degenerate ones among them.

    Zero rewards, a single action, a single state, absorbing states and rewards on a coarse grid
    (many ties) all occur.
    """
    for discount in DISCOUNTS:
        for _ in range(repeats):
            states, actions = int(rng.integers(1, 6)), int(rng.integers(1, 5))
            transitions = random_transitions(rng, states, actions)
            absorbing = rng.random(states) < 0.2
            transitions[absorbing] = np.eye(states)[absorbing][:, None, :]
            rewards = rng.normal(size=(states, actions))
            kind = rng.integers(4)
            if kind == 0:
                rewards = np.zeros((states, actions))
            elif kind == 1:
                rewards = np.round(rewards)
            yield FiniteMDP(transitions, rewards, discount)


def tied_mdp(
    rng: np.random.Generator, states: int, actions: int, ties: int, discount: float
) -> tuple[FiniteMDP, np.ndarray]:
    """MDP and its optimal Q ``(S, A)`` with exactly ``ties`` optimal actions in state 0.

    Actions ``0, ..., ties - 1`` are tied; every other state has one optimal action. All gaps are
    at least 0.1. Q is chosen first, the reward is its inverse Bellman image.
    """
    q = rng.uniform(-1.0, 0.0, size=(states, actions))
    q[np.arange(states), rng.integers(actions, size=states)] = 0.1
    q[0] = rng.uniform(-1.0, 0.0, size=actions)
    q[0, :ties] = 0.1
    q += rng.normal(size=(states, 1))
    transitions = random_transitions(rng, states, actions)
    return FiniteMDP(transitions, inverse_bellman(q, transitions, discount), discount), q


def two_branches(gap: float, discount: float, margin: float | None = None) -> FiniteMDP:
    """The worst case for stability: state 0 chooses between two absorbing states for ever.

    Action 0 leads to state 1, action 1 to state 2; in state 0 the optimal Q of action 0 exceeds
    that of action 1 by ``gap``. In the absorbing states both actions do the same, and action 1
    earns ``margin`` less (default: their Q differs by ``max(gap, 1)``).
    """
    transitions = np.zeros((3, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1.0
    transitions[1, :, 1] = transitions[2, :, 2] = 1.0
    rewards = np.zeros((3, 2))
    rewards[0, 0] = gap
    rewards[1:, 1] = -(max(gap, 1.0) if margin is None else margin)
    return FiniteMDP(transitions, rewards, discount)


def tilt(mdp: FiniteMDP, size: float) -> FiniteMDP:
    """``two_branches`` with the first branch lowered and the second raised by ``size``."""
    shift = np.array([[-size, size], [-size, -size], [size, size]])
    return mdp.with_rewards(mdp.rewards + shift)


def hidden_branches(
    rng: np.random.Generator, gap: float, discount: float, tied: bool = False
) -> tuple[FiniteMDP, np.ndarray]:
    """``two_branches`` hidden in a larger MDP, and the change ``(S, A)`` of size 1 it minds most.

    Five states in random order and three actions. In one state the optimal Q of the first action
    leads by ``gap``, the smallest gap of all; with ``tied`` the third action is as good as it. The
    change lowers every reward of the better branch, raises every one of the other, and is random
    elsewhere.
    """
    margin = gap + 1
    q = rng.uniform(-2 * margin, -margin, size=(5, 3))
    q[:, 0] = 0.0
    q[0] = gap, 0.0, gap if tied else gap - margin
    transitions = random_transitions(rng, 5, 3)
    transitions[0] = np.eye(5)[[1, 2, 1]]
    transitions[1:3] = np.eye(5)[[1, 2]][:, None]
    change = rng.choice([-1.0, 1.0], size=q.shape)
    change[0] = -1.0, 1.0, -1.0
    change[1], change[2] = -1.0, 1.0
    order = rng.permutation(5)
    rewards = inverse_bellman(q, transitions, discount)[order]
    shuffled = transitions[order][:, :, order]
    return FiniteMDP(shuffled, rewards, discount), change[order]


def at_the_radius(
    name: str,
    rng: np.random.Generator,
    radius: Callable[[float, float], float],
    happens: Callable[[FiniteMDP, np.ndarray], bool],
    tied: tuple[bool, ...] = (False,),
) -> Check:
    """That nothing happens at 0.999 of a radius and something at 1.001, along the worst change.

    Args:
        name: of the check.
        rng: for the MDPs, ``hidden_branches``.
        radius: the claimed radius, of a gap and a discount.
        happens: whether it does when the rewards of an MDP change by ``(S, A)``.
        tied: whether the better action has an equal, one case for each.
    """
    rows = []
    for discount in DISCOUNTS:
        for gap in (0.1, 1.0, 4.0):
            for equal in tied:
                mdp, direction = hidden_branches(rng, gap, discount, equal)
                for multiple in (0.999, 1.001):
                    change = multiple * radius(gap, discount) * direction
                    rows.append((gap, discount, equal, multiple, happens(mdp, change)))
    gaps, discounts, ties, multiples, happened = np.array(rows, dtype=float).T
    columns = {"gap": gaps, "discount": discounts, "tied": ties, "multiple": multiples}
    return Check(name, "==", happened, (multiples > 1).astype(float), columns)


def worst_direction(mdp: FiniteMDP | TokenTree, perturbed: Any | None = None) -> tuple[float, Any]:
    """The exact stability radius, and the direction along which it is reached.

    The direction is shaped like the rewards (for a tree a list of levels), with entries in
    {-1, 0, 1}. ``perturbed`` as in ``stability_radius``.
    """
    radius = stability_radius(mdp, perturbed, tol=1e-12)
    return float(np.float64(radius.exact)), radius.direction


def optimal_gap(q: np.ndarray, atol: float = 1e-9) -> float:
    """Smallest gap between optimal and other actions over all states of Q ``(S, A)``.

    Infinite where every action is optimal in every state.
    """
    loss = q.max(axis=1, keepdims=True) - q
    return float(loss[loss > atol].min(initial=np.inf))


def mixtures(
    rng: np.random.Generator, repeats: int
) -> Iterator[tuple[FiniteMDP, np.ndarray, np.ndarray]]:
    """Random MDPs with ``(K, S, A)`` rewards and ``(S, K)`` weights, K from 1 to 4.

    The MDP carries the effective reward. About a quarter of the states listen to one reward only.
    """
    for mdp in random_mdps(rng, max(1, repeats // len(DISCOUNTS))):
        count = int(rng.integers(1, 5))
        rewards = mdp.rewards + rng.normal(size=(count, *mdp.rewards.shape))
        weights = rng.dirichlet(np.ones(count), size=mdp.n_states)
        alone = rng.random(mdp.n_states) < 0.25
        weights[alone] = np.eye(count)[rng.integers(count, size=mdp.n_states)][alone]
        yield mdp.with_rewards(effective_reward(rewards, weights)), rewards, weights


def smallest_size(happens: Callable[[float], bool], upper: float) -> float:
    """Smallest size in ``[0, upper]`` from which on something happens, by bisection."""
    lower = 0.0
    for _ in range(60):
        middle = (lower + upper) / 2
        lower, upper = (lower, middle) if happens(middle) else (middle, upper)
    return upper


def split_reward(
    rng: np.random.Generator, effective: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random rewards ``(K, S, A)`` and positive weights ``(S, K)`` that mix to ``effective``."""
    weights = rng.dirichlet(np.full(count, 2.0), size=effective.shape[0])
    rewards = rng.normal(size=(count, *effective.shape))
    return rewards + effective - effective_reward(rewards, weights), weights
