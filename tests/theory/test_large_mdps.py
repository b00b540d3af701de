"""The four ways of evaluating a policy in large MDPs, against plain policy iteration."""

import numpy as np
import pytest
import scipy.sparse as sp
from mdps import random_mdp
from scipy.special import entr

from companion.theory import FiniteMDP, linear, optimal_q, soft_optimal_q, softmax_policy

STATES = 800


def sparse_random(states, seed, actions=3, successors=4):
    rng = np.random.default_rng(seed)
    rows = states * actions
    columns = rng.integers(states, size=rows * successors)
    weights = rng.dirichlet(np.ones(successors), size=rows).ravel()
    starts = np.arange(0, rows * successors + 1, successors)
    matrix = sp.csr_array((weights, columns, starts), shape=(rows, states))
    return matrix, rng.normal(size=(states, actions))


def separate_halves():
    """Two closed classes, so that the chain never forgets in which one it started."""
    first, rewards = sparse_random(STATES // 2, 1)
    second, more = sparse_random(STATES // 2, 2)
    return sp.csr_array(sp.block_diag([first, second])), np.concatenate([rewards, more + 1])


def queue():
    """A queue whose service rate is chosen: it diffuses, hence mixes slowly."""
    length, service = np.arange(STATES), np.array([0.2, 0.5, 0.8])
    up, down = 0.45 * (1 - service), service * 0.55
    matrix = np.zeros((STATES, 3, STATES))
    for step, chance in ((1, up), (-1, down), (0, 1 - up - down)):
        matrix[length, :, np.clip(length + step, 0, STATES - 1)] += chance
    rewards = -length[:, None] / 50 - np.array([0, 0.3, 1.0])
    return sp.csr_array(matrix.reshape(-1, STATES)), rewards


def shuffled_queue():
    """The same under other names: no band, but an order of elimination that keeps LU thin."""
    matrix, rewards = queue()
    order = np.random.default_rng(3).permutation(STATES)
    rows = (order[:, None] * 3 + np.arange(3)).ravel()
    return matrix[rows][:, order], rewards[order]


def policy_iteration(mdp):
    states = np.arange(mdp.n_states)
    choice = np.zeros(mdp.n_states, dtype=int)
    while True:
        chosen = mdp.transitions[states * mdp.n_actions + choice].toarray()
        system = np.eye(mdp.n_states) - mdp.discount * chosen
        values = np.linalg.solve(system, mdp.rewards[states, choice])
        q = mdp.rewards + mdp.discount * mdp.next_values(values)
        better = q.max(axis=1) > values + 1e-9
        if not better.any():
            return q
        choice = np.where(better, q.argmax(axis=1), choice)


def soft_policy_iteration(mdp, alpha):
    dense = mdp.transitions.toarray().reshape(*mdp.rewards.shape, mdp.n_states)
    q = mdp.rewards
    for _ in range(100):
        policy = softmax_policy(q, alpha)
        entropy = entr(policy).sum(axis=1)
        chosen = np.einsum("sa,sat->st", policy, dense)
        rewards = (policy * mdp.rewards).sum(axis=1) + alpha * entropy
        values = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * chosen, rewards)
        before, q = q, mdp.rewards + mdp.discount * mdp.next_values(values)
        # Newton's method: when it hardly moves any more, it has arrived.
        if np.abs(q - before).max() <= 1e-8:
            return q
    raise AssertionError("soft policy iteration did not converge")


PROBLEMS = {
    "sweeps": lambda: sparse_random(STATES, 0),
    "gmres": separate_halves,
    "band": queue,
    "lu": shuffled_queue,
}


@pytest.mark.parametrize("means", PROBLEMS)
@pytest.mark.parametrize("discount", [0.9, 0.9999])
def test_large_sparse_mdps_are_solved_to_the_bound(means, discount, monkeypatch):
    used = set()
    for name in ("_gmres", "_band_solver", "splu"):
        original = getattr(linear, name)

        def spy(*args, name=name, original=original):
            used.add(name)
            return original(*args)

        monkeypatch.setattr(linear, name, spy)
    mdp = FiniteMDP(*PROBLEMS[means](), discount)
    assert np.abs(optimal_q(mdp, 1e-6) - policy_iteration(mdp)).max() <= 1e-6 + 1e-8
    expected = {"sweeps": set(), "gmres": {"_gmres"}, "band": {"_band_solver"}, "lu": {"splu"}}
    if discount == 0.9999 or means == "band":
        assert used == expected[means]


@pytest.mark.parametrize("means", PROBLEMS)
def test_large_sparse_soft_mdps_are_solved_to_the_bound(means):
    mdp, alpha = FiniteMDP(*PROBLEMS[means](), 0.9999), 0.2
    error = np.abs(soft_optimal_q(mdp, alpha, 1e-6) - soft_policy_iteration(mdp, alpha)).max()
    assert error <= 1e-6 + 1e-8


def test_dense_and_sparse_agree_when_large():
    mdp = random_mdp(0, states=400, discount=0.9999)
    sparse = FiniteMDP(sp.csr_array(mdp.transitions.reshape(-1, 400)), mdp.rewards, 0.9999)
    assert np.abs(optimal_q(mdp, 1e-6) - optimal_q(sparse, 1e-6)).max() <= 2e-6
