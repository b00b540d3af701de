"""Bellman operators and their fixed points, solved to a stated error bound."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, logsumexp

from companion.theory._checks import (
    LARGEST,
    Array,
    bounded,
    distributions,
    floats,
    fractions,
    is_exact,
    positive,
    real_array,
)
from companion.theory.linear import (
    UNIT_ROUNDOFF,
    PolicySolver,
    PolicySystem,
    centred,
    policy_mean,
    rounding,
)
from companion.theory.mdp import FiniteMDP, require_mdp
from companion.theory.policies import softmax_policy
from companion.theory.rational import (
    Backup,
    exact_optimal_q,
    refined_fixed_point,
    solve_policy,
    whole_rows,
)

MAX_NEWTON_STEPS = 500
# Where the float solver, which only suggests a policy to the exact one, is sure to be quick.
LIKELY_DISCOUNT = 1 - 1e-5
# Up to so many transitions residuals may be had exactly, and are where rounding would cost more
# than this share of the largest |Q|.
EXACT_RESIDUALS, RELATIVE_ERROR = 100_000, 1e-9


def optimal_q(mdp: FiniteMDP, tol: float = 1e-9) -> Array:
    """Q*_R, the fixed point of T_R Q(s, a) = R(s, a) + γ E[max_a' Q(s', a')], shape (S, A).

    For an exact MDP the result is exact (Fractions). Otherwise policy iteration, whose linear
    equations are solved only as well as it pays, ends with ‖Q − Q*‖∞ ≤ tol + ρ. Here
    ρ = 4 γ (k + 4) u (max|R| + span(V*)/2) / (1 − γ) + 4 u (max|R| + span(V*)/2 + max|Q*|) is what
    double precision cannot certify: u = 2⁻⁵³, and k is `mdp.max_successors`. Where the first term
    exceeds both tol and 1e-9 max|Q*| (1 − γ is tiny, and not all states can reach the best), an
    MDP of up to 100,000 transitions S·A·k is solved with exact residuals, which makes it
    ρ = 8 A u max|R| / (1 − γ) + u max|Q*|, once rows that miss one by rounding are made whole.

    Proof of the bound: let V be any function of the state, Q = R + γPV, δ = max_a Q − V. The
    Bellman operator is monotone and T(V + c) = TV + γc, so V* − V lies between min δ / (1 − γ) and
    max δ / (1 − γ), hence Q* − Q between γ min δ / (1 − γ) and γ max δ / (1 − γ) (Puterman 1994,
    section 6.6.3). The midpoint is added to Q; half the width, γ (max δ − min δ) / (2 (1 − γ)),
    bounds the error and is the stopping rule: it must reach (1 − γ) tol, or twice the rounding of
    δ, at most γ (k + 4) u (max|R| + max|V|), where V may be centred; the rest of ρ is the rounding
    of Q and of what is added to it. Row sums that miss one by η add up to η max|V| / (1 − γ).
    Raises ArithmeticError in the (unseen) case that 500 policies do not suffice.

    Stay for 1 a step, or leave for 3 at once; exact, because the rewards are Fractions:

    >>> from fractions import Fraction
    >>> from companion.theory import FiniteMDP
    >>> move = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]  # state 1 is left for good
    >>> rewards = [[Fraction(1), Fraction(3)], [Fraction(0), Fraction(0)]]
    >>> q = optimal_q(FiniteMDP(move, rewards, Fraction(1, 2)))
    >>> [str(value) for value in q[0]]
    ['5/2', '3']
    """
    require_mdp(mdp)
    allowed = positive("tol", tol)
    if mdp.exact:
        return exact_optimal_q(mdp, _likely_policy(mdp))
    return _fixed_point(mdp, _maximum(mdp), allowed, entropy=0.0)


def soft_optimal_q(mdp: FiniteMDP, temperature: float, tol: float = 1e-9) -> Array:
    """The fixed point of Q(s, a) = R(s, a) + γ E[α log Σ_a' exp(Q(s', a') / α)], (S, A) (Prop 4.7).

    Soft policy iteration, which is Newton's method on this equation. In `mdp.terminal` states the
    episode is over and no entropy is earned: there V = max_a Q. Floats also for an exact MDP, with
    a ValueError where its numbers do not fit. The error bound is `optimal_q`'s, with
    max|R| + α log A in place of max|R|: its proof needs only that the operator is monotone and
    moves by γc when V moves by a constant c, and α log Σ exp(· / α) has both properties.
    """
    require_mdp(mdp)
    alpha = positive("temperature", temperature)
    numbers = mdp.as_floats()
    entropy = alpha * float(np.log(mdp.n_actions))
    size = np.abs(numbers.rewards).max() + entropy
    bounded("rewards and entropy", size, (1 - numbers.discount) * LARGEST)
    return _fixed_point(numbers, _soft_maximum(numbers, alpha), positive("tol", tol), entropy)


def evaluate_policy(mdp: FiniteMDP, policy: ArrayLike, tol: float = 1e-9) -> Array:
    """V^π, the solution of V = R_π + γ P_π V, shape (S,); exact for an exact MDP.

    policy: (S, A), rows in the simplex. In floats the error bound is `optimal_q`'s, as averaging
    over π is as monotone as the maximum.
    """
    require_mdp(mdp)
    allowed = positive("tol", tol)
    weights = distributions("policy", real_array("policy", policy, ndim=2))
    if weights.shape != mdp.rewards.shape:
        raise ValueError(f"policy must have shape {mdp.rewards.shape}, got {weights.shape}")
    if mdp.exact:
        weights = distributions("policy", fractions("policy", weights))
        return discounted_sums(mdp, weights, (weights * mdp.rewards).sum(axis=1)[:, None])[:, 0]
    weights = floats("policy", weights)

    def values(q: Array) -> tuple[Array, Array]:
        return policy_mean(whole_rows("policy", weights) if is_exact(q) else weights, q), weights

    mean = Backup(values, _rewards_under(mdp))
    return policy_mean(weights, _fixed_point(mdp, mean, allowed, entropy=0.0))


def inverse_bellman(q: ArrayLike, transitions: Any, discount: Any) -> Array:
    """The reward R = Q − γ E[max_a' Q(s', a')], (S, A), whose optimal Q is `q` (Prop 2.9).

    transitions: as in `FiniteMDP`; exact when `q` holds rationals.
    """
    values = real_array("q", q, ndim=2)
    mdp = FiniteMDP(transitions, values, discount)
    return mdp.rewards - mdp.discount * mdp.next_values(mdp.rewards.max(axis=1))


def discounted_sums(mdp: FiniteMDP, policy: Array, per_state: Array) -> Array:
    """(I − γP_π)⁻¹ x for x of shape (S,) or (S, K), in the MDP's arithmetic.

    policy: (S, A). Column k is the expected discounted sum of x[:, k] from each state.
    """
    if mdp.exact:
        return solve_policy(mdp, policy, per_state)
    system = PolicySystem(mdp, policy)
    sums = system.solve(per_state)
    return sums + system.solve(per_state + system.discounted @ sums - sums)


def error_bound(mdp: FiniteMDP, q: Array, tol: float) -> float:
    """tol + ρ: how far `q` from `optimal_q` may be from Q*, in the sup norm; 0 if it is exact."""
    if mdp.exact:
        return 0.0
    size = np.abs(mdp.rewards).max() + np.ptp(q.max(axis=1)) / 2
    largest = np.abs(q).max()
    leverage = mdp.discount / (1 - mdp.discount)
    left = 2 * leverage * rounding(mdp, size)
    if _exactly(mdp):
        exact = 8 * mdp.n_actions * UNIT_ROUNDOFF * np.abs(mdp.rewards).max() / (1 - mdp.discount)
        limit = max(tol, RELATIVE_ERROR * largest)
        if left > limit:  # just above it, the solver may have judged otherwise
            left = exact if left > 1.1 * limit else max(left, exact)
    return float(tol + left + 4 * UNIT_ROUNDOFF * (size + largest))


def _exactly(mdp: FiniteMDP) -> bool:
    """Whether it is small enough for exact residuals."""
    return mdp.rewards.size * mdp.max_successors <= EXACT_RESIDUALS


def _likely_policy(mdp: FiniteMDP) -> NDArray[np.intp]:
    """A good policy for an exact MDP to start from, (S,): optimal in floats of a fitting size."""
    scale = np.abs(mdp.rewards).max() or 1
    discount = min(float(mdp.discount), LIKELY_DISCOUNT)
    likely = FiniteMDP(mdp.float_transitions, floats("rewards", mdp.rewards / scale), discount)
    try:
        return optimal_q(likely).argmax(axis=1)
    except ArithmeticError:
        return mdp.rewards.argmax(axis=1)


def _maximum(mdp: FiniteMDP) -> Backup:
    def backup(q: Array) -> tuple[Array, Array]:
        best = q.argmax(axis=1)
        return policy_mean(best, q), best

    return Backup(backup, _rewards_under(mdp))


def _rewards_under(mdp: FiniteMDP) -> Callable[[Array], Array]:
    return lambda policy: policy_mean(policy, mdp.rewards)


def _soft_maximum(mdp: FiniteMDP, alpha: float) -> Backup:
    """α log Σ exp(Q/α), and the largest Q itself where the episode is over."""
    over = np.zeros(mdp.n_states, dtype=bool) if mdp.terminal is None else mdp.terminal

    def backup(q: Array) -> tuple[Array, Array]:
        q = q.astype(np.float64, copy=False)
        best = q.max(axis=1)
        policy = softmax_policy(q, alpha)
        policy[over] = q[over].argmax(axis=1)[:, None] == np.arange(mdp.n_actions)
        with np.errstate(over="ignore"):
            spread = np.where(over, 0, logsumexp((q - best[:, None]) / alpha, axis=1))
        return best + alpha * spread, policy

    def rewards(policy: Array) -> Array:
        return policy_mean(policy, mdp.rewards) + alpha * entr(policy).sum(axis=1)

    return Backup(backup, rewards)


def _fixed_point(mdp: FiniteMDP, backup: Backup, tol: float, entropy: float) -> Array:
    """Newton's method on backup(R + γPV) = V; each step is one step of policy iteration.

    The certificate holds for any V, so the Newton equations may be solved as roughly, and V moved
    by any constant, as is good for speed and for rounding.
    """
    gamma = mdp.discount
    evaluate = PolicySolver(mdp, 2 * (1 - gamma) * tol)
    values, q = np.zeros(mdp.n_states), mdp.rewards
    reward_size = np.abs(mdp.rewards).max() + entropy
    small = _exactly(mdp)
    for _ in range(MAX_NEWTON_STEPS):
        backed_up, policy = backup.values(q)
        residual = backed_up - values
        middle, width = _midrange(residual), gamma * np.ptp(residual) / 2
        noise = gamma * rounding(mdp, reward_size + np.abs(values).max())
        if width <= max((1 - gamma) * tol, noise):
            q = q + gamma / (1 - gamma) * middle
            if small and 2 * noise > (1 - gamma) * max(tol, RELATIVE_ERROR * np.abs(q).max()):
                break
            return q
        if evaluate.direct and np.ptp(residual) > 2 * reward_size:
            values = evaluate.afresh(policy, backup.rewards(policy))
        else:
            values = centred(values + evaluate(policy, residual - middle))
        q = mdp.rewards + gamma * mdp.next_values(values)
    if small:
        return refined_fixed_point(mdp, backup, tol, reward_size)
    raise ArithmeticError(f"no convergence after {MAX_NEWTON_STEPS} policy iterations")


def _midrange(x: Array) -> Any:
    return (x.min() + x.max()) / 2
