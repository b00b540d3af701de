"""The MDPs that benchmarks/theory_solvers.py solves: random and structured, dense and sparse."""

import numpy as np
import scipy.sparse as sp


def dense_random(states, actions=5):
    """Every state leads everywhere: mixes at once."""
    rng = np.random.default_rng(0)
    transitions = rng.exponential(size=(states, actions, states))
    transitions /= transitions.sum(axis=-1, keepdims=True)
    return transitions, rng.normal(size=(states, actions))


def sparse_random(states, actions=4, successors=5):
    """A random graph, five successors for every action: mixes within tens of steps."""
    rng = np.random.default_rng(0)
    rows = states * actions
    columns = rng.integers(states, size=rows * successors)
    weights = rng.dirichlet(np.ones(successors), size=rows).ravel()
    starts = np.arange(0, rows * successors + 1, successors)
    matrix = sp.csr_array((weights, columns, starts), shape=(rows, states))
    return matrix, rng.normal(size=(states, actions))


def grid(side, slip=0.1):
    """A slippery grid with rough terrain and an absorbing goal in one corner: a long way to go."""
    rng = np.random.default_rng(0)
    states = side * side
    here = np.arange(states)
    x, y = here % side, here // side
    moves = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    to = [np.clip(x + i, 0, side - 1) + side * np.clip(y + j, 0, side - 1) for i, j in moves]
    chances = [(a, b, 1 - slip if a == b else slip / 3) for a in range(4) for b in range(4)]
    rows = np.concatenate([here * 4 + a for a, _, _ in chances])
    columns = np.concatenate([to[b] for _, b, _ in chances])
    weights = np.concatenate([np.full(states, p) for _, _, p in chances])
    columns[rows >= (states - 1) * 4] = states - 1
    rewards = -np.repeat((0.5 + rng.random(states))[:, None], 4, axis=1)
    rewards[-1] = 0
    return _matrix(rows, columns, weights, states), rewards


def queue(states):
    """The service rate of a queue, dearer when faster: diffuses, so that it hardly mixes."""
    length = np.arange(states)
    rows, columns, weights = [], [], []
    for action, service in enumerate((0.2, 0.4, 0.6, 0.8)):
        up, down = 0.45 * (1 - service), service * 0.55
        for step, chance in ((1, up), (-1, down), (0, 1 - up - down)):
            rows.append(length * 4 + action)
            columns.append(np.clip(length + step, 0, states - 1))
            weights.append(np.full(states, chance))
    rewards = -length[:, None] / 100 - np.array([0, 0.05, 0.2, 0.5])
    return _matrix(*map(np.concatenate, (rows, columns, weights)), states), rewards


def _matrix(rows, columns, weights, states):
    return sp.csr_array((weights, (rows, columns)), shape=(states * 4, states))


PROBLEMS = {
    "random, dense": (dense_random, (200, 2000)),
    "grid, dense": (lambda states: densified(grid(int(states**0.5))), (196, 961)),
    "queue, dense": (lambda states: densified(queue(states)), (200, 2000)),
    "random, sparse": (sparse_random, (10_000, 100_000)),
    "grid, sparse": (lambda states: grid(int(states**0.5)), (10_000, 99_856)),
    "queue, sparse": (queue, (10_000, 100_000)),
}


def densified(problem):
    matrix, rewards = problem
    return matrix.toarray().reshape(*rewards.shape, -1), rewards
