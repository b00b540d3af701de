"""Lemma C.2: the softmax is 1/α-Lipschitz from the sup norm to the L1 norm."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    identity,
    prove,
    tex,
)
from companion.results.elementary import absolute
from companion.theory import softmax_policy

ITEM = "Lemma C.2"
TITLE = "The softmax is Lipschitz with constant 1/α"
CHAPTER = 8
uses: tuple[str, ...] = ()

STATEMENT = r"""
For finitely many actions, a temperature $\alpha > 0$ and $\pi(x) = \mathrm{softmax}(x/\alpha)$,
$$\lVert \pi(x) - \pi(y) \rVert_1 \le \frac{1}{\alpha} \lVert x - y \rVert_\infty
\qquad \text{for all } x, y \in \mathbb{R}^d .$$

*Sharpness.* The constant is the best one, as the paper's proof of Lemma C.2 says. It is approached
at points where some set of actions has mass exactly $1/2$, in the limit of a vanishing step. For a
step of finite size the sharp bound is the hyperbolic tangent of fact 1 (ours).
"""


def bound(distance: Any, temperature: Any) -> Any:
    """Bound on the L1 distance of two softmax policies; ``distance`` is that of the logits."""
    return distance / temperature


def jacobian_norm(mass: Any, temperature: Any) -> Any:
    """L1 size of the Jacobian times a ±1 vector whose +1 entries have the given total mass."""
    return 4 * mass * (1 - mass) / temperature


def symbolic() -> Derivation:
    """Jacobian by differentiation, its norm on the corners of the cube, and the maximum 1/α."""
    alpha = sympy.Symbol("alpha", positive=True)
    x, v = sympy.symbols("x1:4", real=True), sympy.symbols("v1:4", real=True)
    total = sum(sympy.exp(xi / alpha) for xi in x)
    policy = [sympy.exp(xi / alpha) / total for xi in x]
    mean = sum(p * vi for p, vi in zip(policy, v, strict=True))
    for p, vi in zip(policy, v, strict=True):
        derivative = sum(sympy.diff(p, xj) * vj for xj, vj in zip(x, v, strict=True))
        identity(derivative, p * (vi - mean) / alpha)

    p = sympy.Symbol("p", nonnegative=True)
    up, down = 1 - (2 * p - 1), (2 * p - 1) + 1
    corners = identity((p * up + (1 - p) * down) / alpha, jacobian_norm(p, alpha))
    slack = identity(bound(1, alpha) - jacobian_norm(p, alpha), (1 - 2 * p) ** 2 / alpha)

    mass, temperature, t, a, b, weight = z3.Reals("mass temperature t a b weight")
    prove(
        jacobian_norm(mass, temperature) <= bound(1, temperature),
        mass >= 0,
        mass <= 1,
        temperature > 0,
    )
    prove(
        weight * absolute(t * a + (1 - t) * b)
        <= t * weight * absolute(a) + (1 - t) * weight * absolute(b),
        t >= 0,
        t <= 1,
        weight >= 0,
    )
    direction, dot = sympy.symbols(r"v_i \bar{v}", real=True)
    pi = sympy.Symbol("pi_i", positive=True)
    return Derivation(
        steps=(
            Step(
                "Along a direction $v$ the softmax changes at the rate (differentiated here for "
                "three actions), where $\\bar v = \\sum_j \\pi_j v_j$:",
                rf"(J v)_i = {tex(pi * (direction - dot) / alpha)}",
            ),
            Step(
                "Its L1 norm is a sum of absolute values of functions linear in $v$, so it is "
                "convex in $v$ and largest at a corner of the cube $\\lVert v \\rVert_\\infty "
                "\\le 1$, where every $v_i$ is $1$ or $-1$.",
                r"\lVert J v \rVert_1 = \frac{1}{\alpha} \sum_i \pi_i\, |v_i - \bar v|",
            ),
            Step(
                "At a corner whose $+1$ entries have total mass $p$ the mean is $2p - 1$:", corners
            ),
            Step("This never exceeds $1/\\alpha$; what is missing is a square.", slack),
            Step(
                "Integrating along the segment from $y$ to $x$ gives the bound.",
                r"\lVert \pi(x) - \pi(y) \rVert_1 \le \int_0^1 \lVert J\,(x - y) \rVert_1\, dt \le "
                + tex(bound(sympy.Symbol(r"\lVert{x - y}\rVert_\infty"), alpha)),
            ),
        ),
        scope="the Jacobian by differentiation for three actions (for $d$ actions the entries have "
        "the same form); convexity term by term and the maximum over $p$ for all reals (z3); the "
        "corner formula as an identity for any number of actions, since only the mass $p$ enters. "
        "Left to the reader: a convex function on a cube is largest at a corner, and the integral.",
    )


def numeric(rng: np.random.Generator, pairs: int = 2000) -> tuple[Check, ...]:
    """Random pairs of logits, pairs whose difference is a corner, and the attaining limit."""
    rows = []
    for temperature in (0.05, 0.2, 1.0, 5.0):
        for size in 10.0 ** np.arange(-5, 2):
            rows.append(_worst_random(rng, temperature, temperature * size, pairs // 20))
            balanced = np.array([[0.0, 0.0]])
            step = temperature * size * np.array([[0.5, -0.5]])
            rows.append(_row(balanced + step, balanced - step, temperature, "two actions"))
    kind, temperatures, distance, moved = zip(*rows, strict=True)
    columns = {
        "temperature": np.array(temperatures),
        "distance": np.array(distance),
        "pair": np.array(kind),
    }
    claimed = bound(columns["distance"], columns["temperature"])
    return (Check("L1 move of the softmax", "<=", np.array(moved), claimed, columns, True),)


Row = tuple[str, float, float, float]


def _row(x: np.ndarray, y: np.ndarray, temperature: float, kind: str) -> Row:
    moved = np.abs(softmax_policy(x, temperature) - softmax_policy(y, temperature)).sum(axis=1)
    return kind, temperature, float(np.abs(x - y).max()), float(moved.max())


def _worst_random(rng: np.random.Generator, temperature: float, size: float, count: int) -> Row:
    actions = int(rng.integers(2, 9))
    x = temperature * rng.normal(scale=rng.choice([0.1, 1.0, 5.0]), size=(count, actions))
    corners = size * rng.choice([-1.0, 1.0], size=x.shape)
    inside = size * rng.uniform(-1.0, 1.0, size=x.shape)
    y = x + np.where(rng.random((count, 1)) < 0.5, corners, inside)
    return _row(x, y, temperature, f"random, {actions} actions")


def counterexample() -> Counterexample:
    """Temperature to zero: for any constant there is a temperature that breaks it."""
    step = 1e-3
    x = np.array([[step, 0.0]])
    ratio = {
        alpha: float(
            np.abs(softmax_policy(x, alpha) - softmax_policy(-x, alpha)).sum() / (2 * step)
        )
        for alpha in (1.0, 1e-2, 1e-4)
    }
    return Counterexample(
        dropped="a fixed temperature α > 0",
        text="The same two logits vectors at temperatures 1, 0.01, 0.0001: the ratio of L1 move to "
        "sup-norm step grows without bound towards the jump of the argmax.",
        evidence={f"ratio at α = {alpha:g}": value for alpha, value in ratio.items()},
        fails=ratio[1e-4] > 100 * bound(1.0, 1.0),
    )
