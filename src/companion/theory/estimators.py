"""What trainers divide rewards by before they follow them, with exact moments (ours).

A trainer that centres rewards, divides them by something and subtracts β ∇KL rests where
π ∝ ρ exp(A/β), with A what the division made of the reward. For one that divides by a number that
depends on the policy this is an equation, which ``settle`` solves.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from companion.theory._checks import distributions, positive, real_array

Scaling = Literal["none", "group", "batch", "each", "decoupled"]
"""Divide the sum of rewards by nothing (``none``), by its deviation within a prompt (``group``), by
that over all prompts (``batch``); or each reward by its own within a prompt (``each``), and then
their sum by its deviation over all prompts (``decoupled``)."""

_RATE, _STEPS, _CHECK = 0.02, 100_000, 100
_ERROR = 1e-9


def advantages(
    policy: ArrayLike, rewards: ArrayLike, weights: ArrayLike, scaling: Scaling, guard: float
) -> NDArray[np.float64]:
    """What is followed in place of the rewards, up to a constant per prompt.

    Args:
        policy: (S, n) probabilities of n answers to each of S prompts.
        rewards: (K, S, n).
        weights: (K,) of each reward in the sum.
        scaling: what is divided by.
        guard: added to every deviation before dividing.

    Returns:
        (S, n).
    """
    if scaling not in get_args(Scaling):
        raise ValueError(f"scaling must be one of {', '.join(get_args(Scaling))}, is {scaling!r}")
    pi = np.asarray(policy, dtype=float)
    parts = np.asarray(rewards, dtype=float)
    shares = np.asarray(weights, dtype=float)[:, None, None]
    if scaling in ("each", "decoupled"):
        total = (shares * parts / (_spread(pi, parts) + guard)).sum(axis=0)
        total = total - (pi * total).sum(axis=-1, keepdims=True)
        return total if scaling == "each" else total / (_spread_of_all(pi, total) + guard)
    total = (shares * parts).sum(axis=0)
    if scaling == "group":
        return total / (_spread(pi, total) + guard)
    return total / (_spread_of_all(pi, total) + guard) if scaling == "batch" else total


def settle(
    reference: ArrayLike,
    rewards: ArrayLike,
    weights: ArrayLike,
    beta: float,
    scaling: Scaling,
    guard: float,
) -> NDArray[np.float64]:
    """The rest point that training goes to from the reference: π ∝ ρ exp(A_π / β).

    Found by following log(π/ρ) towards A_π/β from zero. Where several policies are at rest (see
    ``collapse_threshold``), this is the one that is met first.

    Args:
        reference: (S, n) probabilities, each row > 0 somewhere.
        rewards, weights, scaling: as ``advantages`` has them.
        beta: > 0, weight of KL(π ‖ ρ).
        guard: > 0; without one there need be no rest point.

    Returns:
        (S, n).

    Raises ValueError if the policy does not come to rest in reasonable time.

    >>> tied = [[[0.001, 0.0, 0.0]]]  # a bonus on one of three answers
    >>> thirds = [[1 / 3, 1 / 3, 1 / 3]]
    >>> settle(thirds, tied, [1.0], 0.2, "none", 1e-4).round(3).tolist()
    [[0.334, 0.333, 0.333]]
    >>> settle(thirds, tied, [1.0], 0.2, "group", 1e-4).round(3).tolist()
    [[1.0, 0.0, 0.0]]
    """
    base = distributions("reference", real_array("reference", reference, ndim=2))
    parts = real_array("rewards", rewards, ndim=3)
    weight, guarded = positive("beta", beta), positive("guard", guard)
    with np.errstate(divide="ignore"):
        log_base = np.log(np.asarray(base, dtype=float))
    tilt = np.zeros(log_base.shape)
    for step in range(_STEPS):
        policy = softmax(log_base + tilt, axis=1)
        aim = advantages(policy, parts, weights, scaling, guarded) / weight
        if step % _CHECK == 0 and np.abs(softmax(log_base + aim, axis=1) - policy).max() < _ERROR:
            return policy
        tilt += _RATE * (aim - tilt)
    raise ValueError(f"the policy does not come to rest within {_STEPS} steps")


def _spread(policy: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., S, 1) deviation over the answers to a prompt."""
    mean = (policy * values).sum(axis=-1, keepdims=True)
    return np.sqrt((policy * (values - mean) ** 2).sum(axis=-1, keepdims=True))


def _spread_of_all(policy: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Deviation over all prompts, each weighing the same, and their answers."""
    mean = (policy * values).sum(axis=-1).mean()
    return float(np.sqrt((policy * (values - mean) ** 2).sum(axis=-1).mean()))
