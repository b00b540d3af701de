"""Lemma 2.5: the optimal actions are an upper hemi-continuous correspondence of the reward."""

from functools import partial
from typing import Any

import numpy as np
import sympy
import z3

from companion.results import prop_2_4
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    cited,
    identity,
    prove,
    require,
    tex,
)
from companion.results.elementary import absolute, maximum
from companion.results.samples import (
    DISCOUNTS,
    at_the_radius,
    smallest_size,
    tilt,
    two_branches,
)
from companion.theory import FiniteMDP, optimal_actions, optimal_q

ITEM = "Lemma 2.5"
TITLE = "Optimal sets may shrink at once, never grow at once"
CHAPTER = 2
uses: tuple[str, ...] = ("prop_2_4",)

ATOL = 1e-12

STATEMENT = r"""
Let $S$, $A$ be compact metric, $P$ Feller, $\gamma \in [0, 1)$. For every state $s$ the
correspondence $R \mapsto A^*(s; R)$ has non-empty compact values, a closed graph, and is upper
hemi-continuous: for every neighbourhood $U$ of $A^*(s; R_0)$ all rewards close to $R_0$ have
$A^*(s; R) \subset U$.

*Quantitative form (ours).* If every action outside $U$ loses at least $\Delta > 0$ at $R_0$, then
$A^*(s; R) \subset U$ for all $R$ with
$$\lVert R - R_0 \rVert_\infty < \frac{(1-\gamma)\,\Delta}{2},$$
and no larger radius will do in general. With finite $A$, taking $U = A^*(s; R_0)$: no action enters
the optimal set.

*One side only.* Lemma 2.5 of the paper gives the compact sets the topology of the Hausdorff metric.
What it claims in it, and proves, is the upper half. Remark 2.6 adds that the lower half need not
hold. (Were both to hold, which is continuity in the Hausdorff metric, there would be no cliff.)
"""


def radius(gap: Any, discount: Any) -> Any:
    """Rewards closer than this let no action in that trailed by ``gap``."""
    return (1 - discount) * gap / 2


def symbolic() -> Derivation:
    """The radius from Proposition 2.4, the closed graph, and that the radius is attained."""
    q, q0, best, best0, size, gap, gamma = z3.Reals("q q0 best best0 size gap gamma")
    discounted = (gamma >= 0, gamma < 1)
    moved = prop_2_4.bound(size, gamma)
    still_trails = prove(
        q < best,
        absolute(q - q0) <= moved,
        absolute(best - best0) <= moved,
        q0 <= best0 - gap,
        size < radius(gap, gamma),
        size >= 0,
        *discounted,
    )
    near, limit, other, other0, margin = z3.Reals("near limit other other0 margin")
    overtaken = prove(
        near < other,
        absolute(near - limit) < margin / 2,
        absolute(other - other0) < margin / 2,
        limit == other0 - margin,
        margin > 0,
    )
    there, between = z3.Reals("there between")
    triangle = prove(absolute(near - there) <= absolute(near - between) + absolute(between - there))
    delta, discount = sympy.symbols("Delta gamma", positive=True)
    rho = sympy.Symbol("rho", positive=True)
    lead = delta - 2 * prop_2_4.bound(rho, discount)
    lost = identity(sympy.solve(lead, rho)[0], radius(delta, discount))
    return Derivation(
        steps=(
            Step(
                "$Q^*$ is continuous, so it attains its maximum on the compact $A$: the optimal "
                "set is non-empty. It is the zero set of a continuous function, hence closed and "
                "compact.",
                r"A^*(s; R) = \{a : \max_b Q^*_R(s, b) - Q^*_R(s, a) = 0\} \ne \emptyset",
                cited("a continuous function on a compact set attains its maximum"),
            ),
            Step(
                "Closed graph: let $R_n \\to R_0$, $a_n \\to a$, $a_n$ optimal for $R_n$. If some "
                "$b$ beat $a$ at $R_0$ by $\\mu > 0$, then as soon as both errors are below "
                "$\\mu/2$ it would beat $a_n$ at $R_n$.",
                r"|Q_n(a_n) - Q_0(a)| < \tfrac{\mu}{2},\ |Q_n(b) - Q_0(b)| < \tfrac{\mu}{2},\ "
                r"Q_0(b) = Q_0(a) + \mu \implies Q_n(b) > Q_n(a_n)",
                overtaken,
            ),
            Step(
                "The first error vanishes because $Q_n \\to Q_0$ uniformly (Proposition 2.4) and "
                "$Q_0(s, \\cdot)$ is continuous. A closed graph in a compact range is upper "
                "hemi-continuity.",
                r"|Q_n(a_n) - Q_0(a)| \le \lVert Q_n - Q_0 \rVert_\infty "
                r"+ |Q_0(a_n) - Q_0(a)| \to 0",
                (triangle, cited("a closed graph in a compact range is upper hemi-continuous")),
            ),
            Step(
                "With numbers: an action that loses $\\Delta$ at $R_0$ still loses at $R$ while "
                "both values move by less than $\\Delta/2$, that is while",
                r"\lVert R - R_0 \rVert_\infty < " + tex(radius(delta, discount)),
                still_trails,
            ),
            Step(
                "At the radius itself the worst case, two branches tilted by $\\rho$ against each "
                "other for ever, has lost its whole lead.",
                rf"{tex(lead)} = 0 \iff \rho = {tex(lost.rhs)}",
                lost,
            ),
        ),
        scope="the two inequalities for all reals (z3), the attaining case as an identity (SymPy). "
        "Cited: a continuous function attains its maximum on a compact set; in a compact Hausdorff "
        "range a closed graph is the same as upper hemi-continuity with closed values.",
    )


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """An action enters at 1.001 of the radius and none at 0.999; and the threshold itself."""
    gaps, threshold, claimed, discount = np.array(_thresholds()).T
    return (
        at_the_radius("an action enters", rng, radius, _enters, tied=(False, True)),
        Check(
            "size at which an action enters, two branches",
            "==",
            threshold,
            claimed,
            {"gap": gaps, "discount": discount},
        ),
    )


def _enters(mdp: FiniteMDP, change: np.ndarray) -> bool:
    return newcomers(mdp, mdp.with_rewards(mdp.rewards + change)) > 0


def newcomers(before: FiniteMDP, after: FiniteMDP) -> int:
    """Number of optimal state-action pairs of ``after`` that are not optimal before."""
    old, new = (optimal_actions(optimal_q(m, tol=ATOL), atol=100 * ATOL) for m in (before, after))
    return int((new & ~old).sum())


def _thresholds() -> list[tuple[Any, ...]]:
    rows = []
    for discount in DISCOUNTS:
        for gap in (0.01, 0.3, 1.0, 5.0):
            mdp = two_branches(gap, discount)
            threshold = smallest_size(partial(_overtaken, mdp), 3 * gap)
            rows.append((gap, threshold, radius(gap, discount), discount))
    return rows


def _overtaken(mdp: FiniteMDP, size: float) -> bool:
    lead = np.diff(optimal_q(tilt(mdp, size), tol=ATOL)[0])
    return bool(lead >= 0)


def counterexample() -> Counterexample:
    """Actions [0, ∞): a small reward bump far out takes the optimum to infinity."""
    a = sympy.Symbol("a", nonnegative=True)
    flat = -a / (1 + a) ** 2
    require(sympy.limit(flat, a, sympy.oo) == 0, "the reward tends to its supremum at infinity")
    far, sizes = [], []
    for n in (10, 100, 1000):
        bump = sympy.Rational(2, n) * maximum(sympy.Integer(0), 1 - sympy.Abs(a - n))
        require((flat + bump).subs(a, n) > 0, "the far action beats every action outside the bump")
        far.append(n - 1)
        sizes.append(2 / n)
    return Counterexample(
        dropped="A compact",
        text="One state, actions [0, ∞), R0(a) = -a/(1 + a)², whose only optimum is a = 0. A tent "
        "of height 2/n at a = n makes R(n) > 0, while R ≤ 0 outside the tent: the rewards "
        "converge, the optimal actions go to infinity. (The graph is still closed.)",
        evidence={
            "size of the last reward change": sizes[-1],
            "distance of its optimal action from 0, at least": float(far[-1]),
        },
        fails=sizes[-1] < sizes[0] and far[-1] > far[0],
    )


def without_feller() -> Counterexample:
    """The next state jumps with the action: no action is optimal."""
    discount, actions = 0.5, 1 - 10.0 ** -np.arange(1.0, 7.0)
    worth = discount * actions / (1 - discount)  # action a < 1 leads to state a, action 1 to 0
    return Counterexample(
        dropped="P Feller",
        text="States and actions in [0, 1]; a state x is absorbing and pays x, continuous, but "
        "from the start action a < 1 leads to state a and action 1 to state 0. The worth of an "
        "action rises towards its supremum and is never there: the optimal set is empty.",
        evidence={
            "supremum": discount / (1 - discount),
            "worth of the best action tried": float(worth[-1]),
            "worth of action 1": 0.0,
        },
        fails=bool((np.diff(worth) > 0).all() and worth[-1] < discount / (1 - discount)),
    )


def without_continuous_reward() -> Counterexample:
    """The reward drops at its supremum: no action is optimal."""
    actions = 1 - 10.0 ** -np.arange(1.0, 7.0)
    rewards = np.where(actions < 1, actions, 0.0)
    return Counterexample(
        dropped="R continuous",
        text="One state, actions in [0, 1], R(a) = a for a < 1 and R(1) = 0: every action is "
        "beaten by one nearer to 1, so the optimal set is empty.",
        evidence={
            "supremum": 1.0,
            "reward of the best action tried": float(rewards[-1]),
            "reward of action 1": 0.0,
        },
        fails=bool((np.diff(rewards) > 0).all() and rewards[-1] < 1),
    )


also_dropped = (without_feller, without_continuous_reward)
