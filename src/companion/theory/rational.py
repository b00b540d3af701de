"""Policy evaluation and policy iteration in exact rational arithmetic: here a tie is a tie."""

from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse as sp
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from companion.theory._checks import Array, indicator, to_fraction
from companion.theory.mdp import FiniteMDP


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


def exact_optimal_q(mdp: FiniteMDP, guess: Array) -> Array:
    """Q* of an exact MDP as Fractions (S, A); policy iteration from the greedy policy of `guess`.

    `guess` only saves steps: with exact arithmetic policy iteration stops at Q* from anywhere.
    """
    states, actions = np.arange(mdp.n_states), np.arange(mdp.n_actions)
    choice = np.argmax(guess, axis=1)
    while True:
        policy = indicator(choice[:, None] == actions, exact=True)
        values = exact_values(mdp, policy)
        q = mdp.rewards + mdp.discount * mdp.next_values(values)
        best = q.argmax(axis=1)
        improved = q[states, best] > values
        if not improved.any():
            return q
        choice = np.where(improved, best, choice)


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
