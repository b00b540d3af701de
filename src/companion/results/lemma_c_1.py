"""Lemma C.1: the bump function."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    prove,
    tex,
)
from companion.results.elementary import absolute, maximum

ITEM = "Lemma C.1"
TITLE = "The bump is continuous, in [0, 1], and 1 only at its centre"
CHAPTER = 4
uses: tuple[str, ...] = ()

STATEMENT = r"""
Let $S$ and $A$ be compact metric spaces, $d$ the larger of the two distances on $S \times A$,
$c = (s_0, a_2)$ a fixed pair and $\delta > 0$. The tent
$$\varphi_\delta(s, a) = \max\{0,\ 1 - d((s, a), c) / \delta\}$$
is continuous (Lipschitz with constant $1/\delta$), takes values in $[0, 1]$, is $1$ at $c$ and
**strictly** below $1$ everywhere else.

*Choosing $\delta$.* The lemma leaves it free. The tent vanishes at the other optimal pairs, which
the proof of Proposition 2.9 asks for, exactly when $\delta$ is at most their distance from $c$;
such a $\delta$ exists if there are finitely many of them. Strictness, which we add, needs no such
choice and is all that Propositions 2.9 and 3.2 really use.
"""


def bump(distance: Any, radius: Any) -> Any:
    """Height of the bump at ``distance`` from its centre; it is zero from ``radius`` on."""
    return maximum(0, 1 - distance / radius)


def lipschitz(radius: Any) -> Any:
    """Lipschitz constant of the bump."""
    return 1 / radius


def symbolic() -> Derivation:
    """Range, centre, support, strictness and Lipschitz constant, for all reals."""
    d, e, r, between = z3.Reals("d e r between")
    distances = (d >= 0, e >= 0, r > 0)
    in_range = prove(z3.And(bump(d, r) >= 0, bump(d, r) <= 1), *distances)
    centre = prove(bump(z3.RealVal(0), r) == 1, *distances)
    strict = prove(z3.Implies(d > 0, bump(d, r) < 1), *distances)
    support = prove((bump(d, r) == 0) == (d >= r), *distances)
    slope_bound = prove(
        absolute(bump(d, r) - bump(e, r)) <= lipschitz(r) * absolute(d - e), *distances
    )
    no_faster = prove(absolute(d - e) <= between, d <= between + e, e <= between + d)

    x, y, delta = sympy.symbols("d_x d_y delta", positive=True)
    phi = bump(x, delta)
    slope = sympy.Abs(phi - bump(y, delta))
    return Derivation(
        steps=(
            Step(
                "The bump depends on $(s, a)$ only through the distance $d_x \\ge 0$ from the "
                "centre; it lies between 0 and 1.",
                rf"0 \le {tex(phi)} \le 1",
                in_range,
            ),
            Step(
                "At the centre it is 1, and nowhere else.",
                rf"\varphi_\delta(0) = {tex(bump(sympy.Integer(0), delta))}, \qquad "
                r"d_x > 0 \implies \varphi_\delta(d_x) < 1",
                (centre, strict),
            ),
            Step(
                "It vanishes exactly outside the open ball of radius $\\delta$.",
                r"\varphi_\delta(d_x) = 0 \iff d_x \ge \delta",
                support,
            ),
            Step(
                "As a function of the distance it is Lipschitz with constant $1/\\delta$.",
                sympy.Le(slope, lipschitz(delta) * sympy.Abs(x - y), evaluate=False),
                slope_bound,
            ),
            Step(
                "The distance from a fixed point changes no faster than the point moves (triangle "
                "inequality), so the bump is continuous on $S \\times A$ with the same constant.",
                r"|d(x, c) - d(y, c)| \le d(x, y) \implies "
                r"|\varphi_\delta(x) - \varphi_\delta(y)| \le "
                rf"{tex(lipschitz(delta))}\, d(x, y)",
                (no_faster, slope_bound),
            ),
        ),
        scope="every step, for all real distances and every $\\delta > 0$ (z3). Metric spaces "
        "enter only through the triangle inequality.",
    )


def numeric(rng: np.random.Generator, pairs: int = 2000) -> tuple[Check, ...]:
    """Steepest slope of the bump between random pairs of points, and along a ray."""
    radii = np.array([0.05, 0.1, 0.25, 0.5, 1.0, 2.0])
    centre = np.array([0.5, 0.5])
    x, y = rng.random((2, pairs, 2))
    x[0], y[0] = centre, (0.52, 0.51)  # along a ray inside the ball: the steepest case
    from_centre = [np.abs(points - centre).max(axis=1) for points in (x, y)]
    between = np.abs(x - y).max(axis=1)
    heights = [bump(d, radii[:, None]) for d in from_centre]
    slopes = np.abs(heights[0] - heights[1]) / between
    return (
        Check(
            "steepest slope of the bump",
            "<=",
            slopes.max(axis=1),
            lipschitz(radii),
            {"radius": radii},
            attained=True,
        ),
        Check("largest height", "<=", heights[0].max(axis=1), np.ones(6), {"radius": radii}, True),
    )


def counterexample() -> Counterexample:
    """A radius beyond the distance between two optimal actions: the other one is lifted too."""
    distance, radius = 1.0, 2.0
    other = float(bump(distance, radius))
    return Counterexample(
        dropped="δ at most the distance from the centre to the other optimal pairs",
        text="Two tied actions at distance 1 and δ = 2: the bump is not zero at the other optimal "
        "action, as the proof of Proposition 2.9 has it. (It is still below 1.)",
        evidence={"distance": distance, "radius": radius, "bump at the other action": other},
        fails=other > 0,
    )
