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
    identity,
    prove,
    require,
    tex,
)
from companion.results.elementary import absolute, maximum
from companion.results.samples import (
    DISCOUNTS,
    optimal_gap,
    random_mdps,
    smallest_size,
    tied_mdp,
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
    prove(
        q < best,
        absolute(q - q0) <= moved,
        absolute(best - best0) <= moved,
        q0 <= best0 - gap,
        size < radius(gap, gamma),
        size >= 0,
        *discounted,
    )
    near, limit, other, other0, margin = z3.Reals("near limit other other0 margin")
    prove(
        near < other,
        absolute(near - limit) < margin / 2,
        absolute(other - other0) < margin / 2,
        limit == other0 - margin,
        margin > 0,
    )
    delta, discount = sympy.symbols("Delta gamma", positive=True)
    rho = sympy.Symbol("rho", positive=True)
    lead = delta - 2 * prop_2_4.bound(rho, discount)
    lost = identity(sympy.solve(lead, rho)[0], radius(delta, discount)).rhs
    return Derivation(
        steps=(
            Step(
                "$Q^*$ is continuous, so it attains its maximum on the compact $A$: the optimal "
                "set is non-empty. It is the zero set of a continuous function, hence closed and "
                "compact.",
                r"A^*(s; R) = \{a : \max_b Q^*_R(s, b) - Q^*_R(s, a) = 0\} \ne \emptyset",
            ),
            Step(
                "Closed graph: let $R_n \\to R_0$, $a_n \\to a$, $a_n$ optimal for $R_n$. If some "
                "$b$ beat $a$ at $R_0$ by $\\mu > 0$, then as soon as both errors are below "
                "$\\mu/2$ it would beat $a_n$ at $R_n$.",
                r"|Q_n(a_n) - Q_0(a)| < \tfrac{\mu}{2},\ |Q_n(b) - Q_0(b)| < \tfrac{\mu}{2},\ "
                r"Q_0(b) = Q_0(a) + \mu \implies Q_n(b) > Q_n(a_n)",
            ),
            Step(
                "The first error vanishes because $Q_n \\to Q_0$ uniformly (Proposition 2.4) and "
                "$Q_0(s, \\cdot)$ is continuous. A closed graph in a compact range is upper "
                "hemi-continuity.",
                r"|Q_n(a_n) - Q_0(a)| \le \lVert Q_n - Q_0 \rVert_\infty "
                r"+ |Q_0(a_n) - Q_0(a)| \to 0",
            ),
            Step(
                "With numbers: an action that loses $\\Delta$ at $R_0$ still loses at $R$ while "
                "both values move by less than $\\Delta/2$, that is while",
                r"\lVert R - R_0 \rVert_\infty < " + tex(radius(delta, discount)),
            ),
            Step(
                "At the radius itself the worst case, two branches tilted by $\\rho$ against each "
                "other for ever, has lost its whole lead.",
                rf"{tex(lead)} = 0 \iff \rho = {tex(lost)}",
            ),
        ),
        scope="the two inequalities for all reals (z3), the attaining case as an identity (SymPy). "
        "Cited: a continuous function attains its maximum on a compact set; in a compact Hausdorff "
        "range a closed graph is the same as upper hemi-continuity with closed values.",
    )


def numeric(rng: np.random.Generator, repeats: int = 25) -> tuple[Check, ...]:
    """No action enters inside the radius (random, tied, worst case); at the radius one does."""
    entered, discounts = [], []
    for mdp in _cases(rng, repeats):
        gap = optimal_gap(optimal_q(mdp, tol=ATOL))
        size = 0.999 * radius(gap if np.isfinite(gap) else 0.0, mdp.discount)
        for change in _changes(rng, mdp, size):
            entered.append(newcomers(mdp, change))
            discounts.append(mdp.discount)
    gaps, threshold, claimed, discount = np.array(_thresholds()).T
    return entry_checks(entered, discounts, threshold, claimed, {"gap": gaps, "discount": discount})


def entry_checks(
    entered: list[int],
    discounts: list[float],
    threshold: np.ndarray,
    claimed: np.ndarray,
    columns: dict[str, np.ndarray],
) -> tuple[Check, ...]:
    """That no action enters inside the radius, and that one enters exactly at it.

    Args:
        entered, discounts: (cases,) actions that entered inside the radius, and the discounts.
        threshold, claimed: (n,) measured and claimed size at which an action enters.
        columns: (n,) each, what the thresholds vary over.
    """
    counts = np.array(entered, dtype=float)
    return (
        Check(
            "actions that enter inside the radius",
            "==",
            counts,
            np.zeros_like(counts),
            {"discount": np.array(discounts)},
        ),
        Check(
            "size at which an action enters, two branches",
            "==",
            threshold,
            claimed,
            columns,
        ),
    )


def newcomers(before: FiniteMDP, after: FiniteMDP) -> int:
    """Number of optimal state-action pairs of ``after`` that are not optimal before."""
    old, new = (optimal_actions(optimal_q(m, tol=ATOL), atol=100 * ATOL) for m in (before, after))
    return int((new & ~old).sum())


def _cases(rng: np.random.Generator, repeats: int) -> list[FiniteMDP]:
    tied = [tied_mdp(rng, 4, 4, int(rng.integers(1, 5)), d)[0] for d in DISCOUNTS for _ in range(5)]
    worst = [two_branches(1.0, d) for d in DISCOUNTS]
    return [*random_mdps(rng, repeats), *tied, *worst]


def _changes(rng: np.random.Generator, mdp: FiniteMDP, size: float) -> list[FiniteMDP]:
    signs = [rng.choice([-size, size], size=mdp.rewards.shape) for _ in range(3)]
    worst = [tilt(mdp, size)] if mdp.rewards.shape == (3, 2) else []
    return [*(mdp.with_rewards(mdp.rewards + change) for change in signs), *worst]


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
