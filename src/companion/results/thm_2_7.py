"""Theorem 2.7: with unique optimal actions the deterministic reward-policy map is continuous."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_2_5
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Relation,
    Step,
    cited,
    identity,
    prove,
    tex,
)
from companion.results.elementary import absolute, sqrt
from companion.results.samples import (
    DISCOUNTS,
    at_the_radius,
    smallest_size,
    tilt,
    two_branches,
)
from companion.theory import FiniteMDP, greedy_policy, optimal_q

ITEM = "Theorem 2.7"
TITLE = "Where the optimum is unique the policy moves continuously"
CHAPTER = 3
uses: tuple[str, ...] = ("lemma_2_5",)

STATEMENT = r"""
Let $S$, $A$ be compact metric, $P$ Feller, $\gamma \in [0, 1)$, and let $A^*(s; R_0) = \{a^*(s)\}$
in every state. Then every map $M$ with $M(R)(s) \in A^*(s; R)$ is continuous at $R_0$ in the
topology of pointwise convergence.

*Weaker hypothesis (ours).* Theorem 2.7 of the paper asks for uniqueness at all rewards near $R_0$
and concludes continuity at $R_0$. Uniqueness at $R_0$ alone gives that conclusion, for every
selection. With finite $S$ and $A$ it gives the neighbourhood as well, and more: the policy is
*constant* within $(1-\gamma)\Delta/2$ of $R_0$, where $\Delta$ is the smallest action gap (fact 1).

*How fast (ours).* If every action at distance $t$ or more from $a^*(s)$ loses at least
$\kappa t^2$, the optimal action moves by at most $\sqrt{2 \lVert R - R_0 \rVert_\infty /
(\kappa (1-\gamma))}$: continuous, but not Lipschitz.
"""


def modulus(size: Any, curvature: Any, discount: Any) -> Any:
    """How far the optimal action can move when the rewards move by ``size``."""
    return sqrt(2 * size / (curvature * (1 - discount)))


def symbolic() -> Derivation:
    """Upper hemi-continuity at a single point is continuity; the modulus inverts the radius."""
    size, kappa, gamma, t = sympy.symbols("varepsilon kappa gamma t", positive=True)
    at_distance = lemma_2_5.radius(kappa * t**2, gamma)
    square = modulus(size, kappa, gamma) ** 2
    inverted = identity(at_distance.subs(t, modulus(size, kappa, gamma)), size)

    q_far, q_best, q0_far, q0_best, gap, move = z3.Reals("qf qb q0f q0b gap move")
    stays_near = prove(
        q_far < q_best,
        absolute(q_far - q0_far) <= move,
        absolute(q_best - q0_best) <= move,
        q0_far <= q0_best - gap,
        move < gap / 2,
    )
    distance, curvature, discount, change = z3.Reals("distance curvature discount change")
    loss = curvature * distance * distance
    as_far_as = prove(
        distance * distance * curvature * (1 - discount) <= 2 * change,
        z3.Not(change < lemma_2_5.radius(loss, discount)),
        curvature > 0,
        discount >= 0,
        discount < 1,
        distance >= 0,
    )
    return Derivation(
        steps=(
            Step(
                "Take a distance $t > 0$. The actions at distance $t$ or more from $a^*(s)$ form a "
                "compact set on which $Q_0(s, \\cdot)$ stays below its maximum, by",
                r"\Delta(t) = Q_0(s, a^*(s)) - \max_{d(a, a^*(s)) \ge t} Q_0(s, a) > 0",
                cited("a continuous function on a compact set attains its maximum"),
            ),
            Step(
                "If both values move by less than half of that, no action so far out is optimal.",
                r"\lVert Q - Q_0 \rVert_\infty < \tfrac{1}{2}\Delta(t) \implies "
                r"d\bigl(a, a^*(s)\bigr) < t \text{ for all } a \in A^*(s; R)",
                stays_near,
            ),
            Step(
                "By Lemma 2.5 the rewards may move by $(1-\\gamma)\\Delta(t)/2$. As $t$ was any "
                "distance and the optimal action of $R$ any of them, every selection is "
                "continuous at $R_0$; nothing was asked of other rewards.",
                r"\lVert R - R_0 \rVert_\infty < "
                + tex(lemma_2_5.radius(sympy.Function("Delta")(t), gamma)),
                cited("Lemma 2.5"),
            ),
            Step(
                "With a quadratic loss $\\Delta(t) = \\kappa t^2$ this radius is the size "
                "$\\varepsilon$ of the change exactly at",
                rf"{tex(at_distance)} = \varepsilon \iff t = \sqrt{{{tex(square)}}}",
                (inverted, as_far_as),
            ),
        ),
        scope="the inequality behind continuity and the one behind the modulus for all reals "
        "(z3), the modulus as the inverse of the radius (SymPy). Cited: a continuous function on "
        "a compact set attains its maximum, which makes $\\Delta(t)$ positive.",
    )


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """The policy on both sides of the radius; optimal actions that move as far as allowed."""
    bandits = np.array([_bandit(rng, size) for size in 10.0 ** rng.uniform(-6, -1, size=50)]).T
    branches = np.array(
        [_branches(size, d) for d in DISCOUNTS for size in 10.0 ** -np.arange(1, 6)]
    ).T
    return (
        at_the_radius("the policy moves", rng, lemma_2_5.radius, policy_moves),
        _distance_check("move of the optimal action, bandit", bandits),
        _distance_check("move of the optimal action, branches", branches, "=="),
    )


def policy_moves(mdp: FiniteMDP, change: np.ndarray) -> bool:
    """Whether another action is best in some state after a change ``(S, A)`` of the rewards."""
    before, after = (
        greedy_policy(optimal_q(m, tol=1e-12))
        for m in (mdp, mdp.with_rewards(mdp.rewards + change))
    )
    return bool((before != after).any())


def _bandit(rng: np.random.Generator, size: float) -> tuple[float, ...]:
    """One state, actions on a grid in [0, 1], reward −κ(a − ½)² and random changes."""
    actions, curvature = np.linspace(0.0, 1.0, 2001), 10.0 ** rng.uniform(-1, 1)
    reward = -curvature * (actions - 0.5) ** 2
    noisy = reward + size * rng.uniform(-1, 1, size=actions.size)
    return abs(actions[noisy.argmax()] - 0.5), size, curvature, 0.0


def _branches(size: float, discount: float) -> tuple[float, ...]:
    """The largest distance of two actions that a change of the given size still swaps."""
    curvature = 3.0

    def stays(distance: float) -> bool:
        q = optimal_q(tilt(two_branches(curvature * distance**2, discount), size), tol=1e-12)
        return bool(q[0, 0] > q[0, 1])

    return smallest_size(stays, 10.0), size, curvature, discount


def _distance_check(name: str, rows: np.ndarray, relation: Relation = "<=") -> Check:
    moved, size, curvature, discount = rows
    columns = {"reward_distance": size, "curvature": curvature, "discount": discount}
    return Check(name, relation, moved, modulus(size, curvature, discount), columns)


def counterexample() -> Counterexample:
    """A tie at R0: the optimal action moves by the same distance however small the change."""
    tied = two_branches(gap=0.0, discount=0.5)
    moves = []
    for size in (1e-2, 1e-4, 1e-8):
        below, above = (optimal_q(tilt(tied, s))[0].argmax() for s in (-size, size))
        moves.append(abs(int(above) - int(below)))
    return Counterexample(
        dropped="a unique optimal action at R0",
        text="Two branches of equal worth: the action changes with the sign of the tilt, at sizes "
        "$10^{-2}$, $10^{-4}$ and $10^{-8}$ alike.",
        evidence={"smallest change": 1e-8, "distance moved": float(moves[-1])},
        fails=moves == [1, 1, 1],
    )
