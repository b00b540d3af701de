"""Policy evaluation and policy iteration in exact rational arithmetic: here a tie is a tie."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from companion.theory._checks import Array, fractions, indicator, to_fraction
from companion.theory.linear import UNIT_ROUNDOFF, PolicySystem, policy_mean
from companion.theory.mdp import FiniteMDP

# The policies and the corrections of one policy's values after which it is hopeless.
MAX_POLICIES, MAX_CORRECTIONS = 500, 60
# Policies that differ by less than this share of the rewards count as alike.
RESOLUTION = Fraction(1, 10**20)


class Backup(NamedTuple):
    """What a Bellman operator makes of Q, and what its policies earn."""

    # Q (S, A) ↦ the state values (S,) and the policy that attains them, as in `PolicySystem`. For
    # a Q of Fractions the values may be floats only if they are close to max Q: differences of Q
    # may be so large that the rounding of their mean would drown what is sought.
    values: Callable[[Array], tuple[Array, Array]]
    # policy ↦ R_π, (S,), entropy included.
    rewards: Callable[[Array], Array]


def exact_values(mdp: FiniteMDP, policy: Array) -> Array:
    """V^π of an exact MDP as Fractions, shape (S,), for a policy (S, A) of Fractions."""
    return solve_policy(mdp, policy, (policy * mdp.rewards).sum(axis=1)[:, None])[:, 0]


def solve_policy(mdp: FiniteMDP, policy: Array, right: Array) -> Array:
    """(I − γP_π)⁻¹ B as Fractions, for B of shape (S, K): a fraction-free elimination."""
    states = right.shape[0]
    system = DomainMatrix(_system(mdp, policy), (states, states), QQ)
    rows = {
        s: {k: QQ(b.numerator, b.denominator) for k, b in enumerate(right[s]) if b}
        for s in range(states)
    }
    numerator, denominator = system.solve_den(DomainMatrix(rows, right.shape, QQ))
    solution = np.full(right.shape, Fraction(0), dtype=object)
    for s, row in (numerator / denominator).to_dod().items():
        for k, value in row.items():
            solution[s, k] = Fraction(int(value.numerator), int(value.denominator))
    return solution


def exact_optimal_q(mdp: FiniteMDP, choice: NDArray[np.intp]) -> Array:
    """Q* of an exact MDP as Fractions (S, A): policy iteration from the actions `choice`, (S,).

    With exact arithmetic it stops at Q* from anywhere; a good policy only saves steps.
    """
    states, actions = np.arange(mdp.n_states), np.arange(mdp.n_actions)
    while True:
        policy = indicator(choice[:, None] == actions, exact=True)
        values = exact_values(mdp, policy)
        q = mdp.rewards + mdp.discount * mdp.next_values(values)
        best = q.argmax(axis=1)
        improved = q[states, best] > values
        if not improved.any():
            return q
        choice = np.where(improved, best, choice)


def refined_fixed_point(mdp: FiniteMDP, backup: Backup, tol: float, reward_size: float) -> Array:
    """Q of a float MDP by Newton's method whose residuals are exact, rounded at the end, (S, A).

    Where 1 − γ is tiny and recurrent classes earn differently, V^π is far larger than what decides
    between policies, and rounding alone makes policy iteration go round in circles. Here each
    policy's values are refined until they satisfy its equation to `RESOLUTION`: floats solve for a
    correction, Fractions say what is left. Differences of Q are exact before they are rounded.
    """
    gamma = Fraction(mdp.discount)
    chances, rewards = _Chances(mdp), fractions("rewards", mdp.rewards)
    values = np.full(mdp.n_states, Fraction(0))
    noise = 4 * mdp.n_actions * UNIT_ROUNDOFF * reward_size
    for _ in range(MAX_POLICIES):
        q = rewards + gamma * chances.next_values(values)
        best = q.max(axis=1)
        spread, policy = backup.values(q - best[:, None])
        residual = best + fractions("spread", spread) - values
        middle, width = (residual.max() + residual.min()) / 2, residual.max() - residual.min()
        if gamma * width <= 2 * max((1 - gamma) * tol, noise):
            return (q + gamma / (1 - gamma) * middle).astype(np.float64)
        earned = fractions("rewards", backup.rewards(policy))
        values = _refined_values(chances, policy, earned)
    raise ArithmeticError(f"no convergence after {MAX_POLICIES} policy iterations")


class _Chances:
    """The transitions of a float MDP as Fractions; what a row misses to one, its largest gets."""

    def __init__(self, mdp: FiniteMDP) -> None:
        matrix = sp.csr_array(mdp.matrix)
        spans = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        rows = [slice(i, j) for i, j in spans]
        self.columns = [matrix.indices[row] for row in rows]
        self.weights = [_whole(fractions("transitions", matrix.data[row])) for row in rows]
        data = np.concatenate(self.weights).astype(np.float64)
        rounded = sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
        self.rounded = FiniteMDP(rounded, mdp.rewards, mdp.discount)

    def next_values(self, values: Array) -> Array:
        """E[values(s') | s, a], (S, A), exactly."""
        expected = np.empty(len(self.weights), dtype=object)
        pairs = zip(self.weights, self.columns, strict=True)
        expected[:] = [weights @ values[columns] for weights, columns in pairs]
        return expected.reshape(self.rounded.rewards.shape)


def whole_rows(name: str, rows: Array) -> Array:
    """Float distributions, (S, A), as Fractions that sum to one: the largest takes the rest."""
    return np.array([_whole(fractions(name, row)) for row in rows])


def _whole(row: Array) -> Array:
    row[row.argmax()] += 1 - row.sum()
    return row


def _refined_values(chances: _Chances, policy: Array, earned: Array) -> Array:
    """V^π but for a constant, as Fractions (S,), from the rewards (S,) under the policy."""
    mdp, gamma = chances.rounded, Fraction(chances.rounded.discount)
    solve = PolicySystem(mdp, policy).solve
    exact_policy = policy if policy.ndim == 1 else whole_rows("policy", policy)
    goal = (1 - gamma) * RESOLUTION * np.abs(earned).max()
    values = np.full(mdp.n_states, Fraction(0))
    for _ in range(MAX_CORRECTIONS):
        rest = earned + gamma * policy_mean(exact_policy, chances.next_values(values)) - values
        low, high = rest.min(), rest.max()
        if high - low <= goal:
            return values
        correction = solve((rest - (low + high) / 2).astype(np.float64))
        values = values + fractions("correction", correction)
    raise ArithmeticError(f"1 - discount = {1 - mdp.discount} is too small for floats")


def _system(mdp: FiniteMDP, policy: Array) -> dict[int, dict[int, Any]]:
    """I − γP_π as SymPy's dict of rows."""
    gamma = mdp.discount
    rows: dict[int, dict[int, Any]] = {}
    for s in range(mdp.n_states):
        row = {s: Fraction(1)}
        for a in np.flatnonzero(policy[s]):
            for t, probability in _successors(mdp, s, int(a)):
                row[t] = row.get(t, Fraction(0)) - gamma * policy[s, a] * probability
        rows[s] = {t: QQ(x.numerator, x.denominator) for t, x in row.items() if x}
    return rows


def _successors(mdp: FiniteMDP, state: int, action: int) -> list[tuple[int, Fraction]]:
    if sp.issparse(mdp.transitions):
        row = state * mdp.n_actions + action
        span = slice(mdp.transitions.indptr[row], mdp.transitions.indptr[row + 1])
        indices, data = mdp.transitions.indices[span], mdp.transitions.data[span]
        return [(int(t), to_fraction("transitions", p)) for t, p in zip(indices, data, strict=True)]
    row = mdp.transitions[state, action]
    return [(int(t), row[t]) for t in np.flatnonzero(row)]
