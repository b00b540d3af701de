"""Bellman operators and their fixed points, solved to a stated error bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from companion.theory._checks import (
    Array,
    distributions,
    fractions,
    is_exact,
    positive,
    real_array,
)
from companion.theory.evaluation import PolicyEvaluator, direct_solver, policy_transitions
from companion.theory.mdp import FiniteMDP
from companion.theory.policies import softmax_policy
from companion.theory.rational import exact_optimal_q, solve_policy

UNIT_ROUNDOFF = np.finfo(np.float64).eps / 2
MAX_NEWTON_STEPS = 1000

# A backup maps Q (S, A) to the state values (S,) and to the policy that attains them:
# action indices (S,) if it is deterministic, probabilities (S, A) otherwise.
Backup = Callable[[Array], tuple[Array, Array]]


def optimal_q(mdp: FiniteMDP, tol: float = 1e-9) -> Array:
    """Q*_R, the fixed point of T_R Q(s, a) = R(s, a) + γ E[max_a' Q(s', a')], shape (S, A).

    For an exact MDP the result is exact (Fractions). Otherwise policy iteration, whose linear
    equations are solved only as well as it pays, ends with ‖Q − Q*‖∞ ≤ tol + ρ. Here
    ρ = 3 γ (k + 4) u (max|R| + span(V*)/2) / (1 − γ) is what double precision cannot certify:
    u = 2⁻⁵³, and k is `mdp.max_successors`.

    Proof of the bound: let V be any function of the state, Q = R + γPV, δ = max_a Q − V. The
    Bellman operator is monotone and T(V + c) = TV + γc, so V* − V lies between min δ / (1 − γ) and
    max δ / (1 − γ), hence Q* − Q between γ min δ / (1 − γ) and γ max δ / (1 − γ) (Puterman 1994,
    section 6.6.3). The midpoint is added to Q; half the width, γ (max δ − min δ) / (2 (1 − γ)),
    bounds the error and is the stopping rule: it must reach (1 − γ) tol, or twice the rounding of
    δ, at most γ (k + 4) u (max|R| + max|V|), where V may be centred. Row sums that miss one by η
    add up to η max|V| / (1 − γ). Raises ArithmeticError in the (unseen) case that 1,000 policies
    do not suffice.
    """
    if mdp.exact:
        return exact_optimal_q(mdp, optimal_q(_as_float(mdp), tol))
    return _fixed_point(mdp, _maximum, positive("tol", tol), entropy=0.0)


def soft_optimal_q(mdp: FiniteMDP, temperature: float, tol: float = 1e-9) -> Array:
    """The fixed point of Q(s, a) = R(s, a) + γ E[α log Σ_a' exp(Q(s', a') / α)], (S, A) (Prop 4.7).

    Soft policy iteration, which is Newton's method on this equation. Floats also for an exact
    MDP. The error bound is `optimal_q`'s, with max|R| + α log A in place of max|R|: its proof needs
    only that the operator is monotone and moves by γc when V moves by a constant c, and
    α log Σ exp(· / α) has both properties.
    """
    alpha = positive("temperature", temperature)

    def backup(q: Array) -> tuple[Array, Array]:
        best = q.max(axis=1)
        with np.errstate(over="ignore"):
            spread = logsumexp((q - best[:, None]) / alpha, axis=1)
        return best + alpha * spread, softmax_policy(q, alpha)

    entropy = alpha * float(np.log(mdp.n_actions))
    return _fixed_point(_as_float(mdp), backup, positive("tol", tol), entropy)


def evaluate_policy(mdp: FiniteMDP, policy: ArrayLike, tol: float = 1e-9) -> Array:
    """V^π, the solution of V = R_π + γ P_π V, shape (S,); exact for an exact MDP.

    policy: (S, A), rows in the simplex. In floats the error bound is `optimal_q`'s, as averaging
    over π is as monotone as the maximum.
    """
    weights = distributions("policy", real_array("policy", policy, ndim=2))
    if weights.shape != mdp.rewards.shape:
        raise ValueError(f"policy must have shape {mdp.rewards.shape}, got {weights.shape}")
    if mdp.exact:
        weights = distributions("policy", fractions("policy", weights))
        return discounted_sums(mdp, weights, (weights * mdp.rewards).sum(axis=1)[:, None])[:, 0]
    weights = weights.astype(np.float64)

    def backup(q: Array) -> tuple[Array, Array]:
        return (weights * q).sum(axis=1), weights

    return backup(_fixed_point(mdp, backup, positive("tol", tol), entropy=0.0))[0]


def inverse_bellman(q: ArrayLike, transitions: Any, discount: Any) -> Array:
    """The reward R = Q − γ E[max_a' Q(s', a')], (S, A), whose optimal Q is `q` (Prop 2.9).

    transitions: as in `FiniteMDP`; exact when `q` holds rationals.
    """
    values = real_array("q", q, ndim=2)
    mdp = FiniteMDP(transitions, values, discount)
    return values - mdp.discount * mdp.next_values(values.max(axis=1))


def discounted_sums(mdp: FiniteMDP, policy: Array, per_state: Array) -> Array:
    """(I − γP_π)⁻¹ x for x of shape (S,) or (S, K), in the MDP's arithmetic.

    policy: (S, A). Column k is the expected discounted sum of x[:, k] from each state.
    """
    if mdp.exact:
        return solve_policy(mdp, policy, per_state)
    discounted = mdp.discount * policy_transitions(mdp, policy)
    solve = direct_solver(discounted)
    sums = solve(per_state)
    return sums + solve(per_state + discounted @ sums - sums)


def _maximum(q: Array) -> tuple[Array, Array]:
    best = q.argmax(axis=1)
    return q[np.arange(len(q)), best], best


def _fixed_point(mdp: FiniteMDP, backup: Backup, tol: float, entropy: float) -> Array:
    """Newton's method on backup(R + γPV) = V; each step is one step of policy iteration.

    The certificate holds for any V, so the Newton equations may be solved as roughly, and V moved
    by any constant, as is good for speed and for rounding.
    """
    gamma, evaluate = mdp.discount, PolicyEvaluator(mdp)
    values, q = np.zeros(mdp.n_states), mdp.rewards
    reward_size = np.abs(mdp.rewards).max() + entropy
    for _ in range(MAX_NEWTON_STEPS):
        backed_up, policy = backup(q)
        residual = backed_up - values
        middle, width = _midrange(residual), gamma * np.ptp(residual) / 2
        size = reward_size + np.abs(values).max()
        if width <= (1 - gamma) * tol or _is_rounding(width, gamma * size, mdp):
            return q + gamma / (1 - gamma) * middle
        values = values + evaluate(policy, residual - middle)
        values -= _midrange(values)
        q = mdp.rewards + gamma * mdp.next_values(values)
    raise ArithmeticError(f"no convergence after {MAX_NEWTON_STEPS} policy iterations")


def _midrange(x: Array) -> Any:
    return (x.min() + x.max()) / 2


def _is_rounding(width: float, size: float, mdp: FiniteMDP) -> bool:
    """Whether a residual may be nothing but the rounding of sums of numbers up to `size`."""
    return bool(width <= 2 * (mdp.max_successors + 4) * UNIT_ROUNDOFF * size)


def _as_float(mdp: FiniteMDP) -> FiniteMDP:
    if not mdp.exact:
        return mdp
    transitions = mdp.transitions
    if is_exact(transitions):
        transitions = transitions.astype(np.float64)
    return FiniteMDP(transitions, mdp.rewards.astype(np.float64), float(mdp.discount))
