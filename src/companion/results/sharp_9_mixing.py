"""Fact 9, beyond the paper: no 1/(1 − γ) where every policy's chain mixes."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import sharp_5_softmax
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.elementary import tanh
from companion.results.induction import maximum_rises_within
from companion.results.samples import random_transitions, tilt, two_branches
from companion.theory import (
    FiniteMDP,
    mixing_coefficient,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
    total_variation,
)

ITEM = "Fact 9"
TITLE = "Where the chain mixes, the discount does not matter"
CHAPTER = 8
uses: tuple[str, ...] = ("prop_2_4", "prop_4_7", "sharp_5_softmax")

DISCOUNTS = (0.0, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-6)

STATEMENT = r"""
Let $S$, $A$ be finite and $\tau$ the largest total variation between two rows
$P(\cdot \mid s, a)$, $P(\cdot \mid s', a')$ of the transitions (Dobrushin's coefficient): 0 if the
next state never depends on what was done, 1 if two pairs have no next state in common. For any two
rewards, with and without entropy,
$$\mathrm{span}(\Delta Q) \le \frac{\mathrm{span}(\Delta R)}{1 - \gamma\tau}, \qquad
d_{TV} \le \tanh\frac{\mathrm{span}(\Delta R)}{4 \alpha (1 - \gamma\tau)}$$
for the optimal $Q$ and, at temperature $\alpha > 0$, for the policy in every state. With
$\tau < 1$ the bounds stay finite as $\gamma \to 1$; Proposition 4.7's does not. They are attained
for every $\gamma$ and $\tau$. (With $\tau = 1$ they are fact 5's.)
"""


def q_bound(span: Any, discount: Any, mixing: Any) -> Any:
    """Bound on the span of the move of the optimal Q."""
    return span / (1 - discount * mixing)


def policy_bound(span: Any, temperature: Any, discount: Any, mixing: Any) -> Any:
    """Bound on the total variation between the two soft optimal policies in any state."""
    return tanh(span / (4 * temperature * (1 - discount * mixing)))


def symbolic() -> Derivation:
    """Rows that differ by τ pass on a fraction τ of a span; values span no more than Q."""
    span_q, reward, next_move, span_r, gamma, tau = z3.Reals(
        "span_q reward next_move span_r gamma tau"
    )
    mixing = (gamma >= 0, gamma < 1, tau >= 0, tau <= 1)
    contracts = prove(  # at the two pairs between which the span of ΔQ is taken
        span_q <= q_bound(span_r, gamma, tau),
        span_q == reward + gamma * next_move,
        reward <= span_r,
        next_move <= tau * span_q,
        span_q >= 0,
        *mixing,
    )
    x, alpha, discount, tau_symbol = sympy.symbols("x alpha gamma tau", positive=True)
    span = sympy.Symbol(r"\mathrm{span}(\Delta{R})")
    sharp = identity(
        sharp_5_softmax.bound(q_bound(x, discount, tau_symbol), alpha),
        policy_bound(x, alpha, discount, tau_symbol),
    )
    never_mixes = identity(
        policy_bound(2 * x, alpha, discount, 1),
        sharp_5_softmax.soft_policy_bound(x, alpha, discount),
    )
    limit = identity(
        sympy.limit(q_bound(x, discount, tau_symbol), discount, 1), x / (1 - tau_symbol)
    )
    solved = sympy.solve(sympy.Eq(span, x + discount * tau_symbol * span), span)[0]
    attained = identity(solved, q_bound(x, discount, tau_symbol))
    return Derivation(
        steps=(
            Step(
                "Two averages of the same numbers, which lie between $\\ell$ and $h$, differ by "
                "at most the total variation of their weights times $h - \\ell$, for any number "
                "of states.",
                r"\sum_{s'} (p - q)(s')\, v(s') \le d_{TV}(p, q)\, (h - \ell)",
                _averages_differ_by_total_variation(),
            ),
            Step(
                "The change of a state's value, a maximum or a soft maximum, lies between the "
                "least and the largest change of its $Q$: if no entry falls by more than one "
                "constant or rises by more than another, neither does the maximum. So",
                r"\mathrm{span}(\Delta V) \le \mathrm{span}(\Delta Q)",
                (maximum_rises_within(), cited("Proposition 4.7 (first two steps)")),
            ),
            Step(
                "Subtract the Bellman equations at the two pairs between which the span of "
                "$\\Delta Q$ is taken. What follows contributes at most $\\gamma\\tau$ of it.",
                r"\mathrm{span}(\Delta Q) \le \mathrm{span}(\Delta R) + "
                r"\gamma\tau\, \mathrm{span}(\Delta Q) \implies \mathrm{span}(\Delta Q) \le "
                + tex(q_bound(span, discount, tau_symbol)),
                contracts,
            ),
            Step(
                "Fact 5 turns the span in a state into a distance of policies.",
                r"d_{TV} \le " + tex(policy_bound(span, alpha, discount, tau_symbol)),
                (sharp, cited("fact 5")),
            ),
            Step(
                "If the chain mixes the bound stays as $\\gamma \\to 1$; with $\\tau = 1$ it is "
                "fact 5's. It is attained where two rows share mass $1 - \\tau$ and each keeps the "
                "rest for a branch that earns the most, or the least.",
                r"\lim_{\gamma \to 1} "
                rf"{tex(q_bound(x, discount, tau_symbol))} = {tex(limit.rhs)}",
                (limit, never_mixes, attained),
            ),
        ),
        scope="all of it for any number of states and actions and all reals (z3, sums by "
        "induction; limits by SymPy).",
    )


def _averages_differ_by_total_variation() -> Proof:
    """Σ (p − q) v ≤ h Σ (p − q)⁺ − ℓ Σ (p − q)⁻; both sums are the total variation."""
    p, q, v, low, high = z3.Reals("p q v low high")
    up, down = z3.If(p > q, p - q, 0), z3.If(p > q, 0, q - p)

    def add(*so_far: z3.ArithRef) -> tuple[z3.ArithRef, ...]:
        return tuple(old + new for old, new in zip(so_far, (up, down, (p - q) * v), strict=True))

    return induct(
        add(*[z3.RealVal(0)] * 3),
        add,
        lambda rise, fall, total: total <= high * rise - low * fall,
        low <= v,
        v <= high,
    )


def mixing_branches(mixing: float, discount: float, size: float) -> FiniteMDP:
    """``two_branches`` tilted by ``size``, where rows that led to different branches share mass.

    Each branch is left for the other with probability ``(1 - mixing) / 2``: the worst case.
    """
    tilted = tilt(two_branches(0.0, discount, margin=0.0), size)
    stay, leave = (1 + mixing) / 2, (1 - mixing) / 2
    transitions = tilted.transitions.copy()
    transitions[..., 1:] = tilted.transitions[..., 1:] @ np.array([[stay, leave], [leave, stay]])
    return FiniteMDP(transitions, tilted.rewards, discount)


def numeric(rng: np.random.Generator, repeats: int = 12) -> tuple[Check, ...]:
    """Random chains that mix more or less, and the worst case, with discounts up to 1 − 1e-6."""
    rows = [_random(rng, d) for d in DISCOUNTS for _ in range(repeats)]
    alpha, discount, mixing, span, hard, soft, moved = np.array(rows).T
    columns = {"discount": discount, "mixing": mixing, "temperature": alpha}
    worst = [_worst(t, d, x) for t in (0.0, 0.5, 0.9) for d in DISCOUNTS for x in (0.01, 1.0)]
    w_discount, w_mixing, w_span, w_hard, w_moved = np.array(worst).T
    extreme = {"discount": w_discount, "mixing": w_mixing}
    claimed = q_bound(span, discount, mixing)
    w_claimed = q_bound(w_span, w_discount, w_mixing)
    w_policy = policy_bound(w_span, 1.0, w_discount, w_mixing)
    most = policy_bound(span, alpha, discount, mixing)
    return (
        Check("span of the move of Q", "<=", hard, claimed, columns, tolerance=1e-7),
        Check("span of the move of soft Q", "<=", soft, claimed, columns, tolerance=1e-7),
        Check("move of the soft policy", "<=", moved, most, columns, tolerance=1e-7),
        Check("span, worst case", "==", w_hard, w_claimed, extreme, tolerance=1e-7),
        Check("policy, worst case", "==", w_moved, w_policy, extreme, tolerance=1e-7),
    )


def _random(rng: np.random.Generator, discount: float) -> tuple[float, ...]:
    states, actions = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    shared = rng.dirichlet(np.ones(states))
    weight = rng.uniform()
    kernel = weight * shared + (1 - weight) * random_transitions(rng, states, actions)
    mdp = FiniteMDP(kernel, rng.normal(size=(states, actions)), discount)
    change = rng.choice([-1.0, 1.0], size=mdp.rewards.shape)
    change[0, :2] = 1.0, -1.0  # a constant change would have span 0
    other = mdp.with_rewards(mdp.rewards + change)
    alpha = 10.0 ** rng.uniform(-1, 1)
    spans = [
        np.ptp(solve(other) - solve(mdp))
        for solve in (_hard, lambda m: soft_optimal_q(m, alpha, tol=1e-11))
    ]
    return (
        alpha,
        discount,
        mixing_coefficient(kernel),
        np.ptp(change),
        *spans,
        _move(mdp, other, alpha),
    )


def _hard(mdp: FiniteMDP) -> np.ndarray:
    return optimal_q(mdp, tol=1e-11)


def _move(mdp: FiniteMDP, other: FiniteMDP, alpha: float) -> float:
    before, after = (
        softmax_policy(soft_optimal_q(m, alpha, tol=1e-11), alpha) for m in (mdp, other)
    )
    return float(total_variation(before, after).max())


def _worst(mixing: float, discount: float, size: float) -> tuple[float, ...]:
    below, above = (mixing_branches(mixing, discount, s) for s in (-size / 2, size / 2))
    return (
        discount,
        mixing_coefficient(below.transitions),
        np.ptp(above.rewards - below.rewards),
        np.ptp(_hard(above) - _hard(below)),
        _move(below, above, 1.0),
    )


def counterexample() -> Counterexample:
    """Two branches that never meet: the span of ΔQ grows with the horizon."""
    spans = {}
    for discount in (0.9, 0.999, 1 - 1e-5):
        below, above = (tilt(two_branches(0.0, discount), s) for s in (-0.5, 0.5))
        spans[discount] = float(np.ptp(_hard(above) - _hard(below)))
    mixed = q_bound(2.0, 1.0, 0.9)
    return Counterexample(
        dropped="τ < 1",
        text="Two branches for ever, τ = 1, the same change of the reward with span 2: as γ → 1 "
        "the span of ΔQ grows without bound, past what τ = 0.9 would allow for any γ.",
        evidence={f"span of ΔQ at γ = {d:g}": span for d, span in spans.items()}
        | {"bound at τ = 0.9 and any γ": mixed},
        fails=max(spans.values()) > 100 * mixed,
    )
