"""Lemma C.2: the softmax is 1/α-Lipschitz from the sup norm to the L1 norm."""

from typing import Any

import numpy as np
import sympy
import z3

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
from companion.results.elementary import absolute
from companion.theory import greedy_policy, softmax_policy

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
step of finite size the sharp bound is the hyperbolic tangent of fact 5 (ours).
"""


def bound(distance: Any, temperature: Any) -> Any:
    """Bound on the L1 distance of two softmax policies; ``distance`` is that of the logits."""
    return distance / temperature


def jacobian_norm(mass: Any, temperature: Any) -> Any:
    """L1 size of the Jacobian times a ±1 vector whose +1 entries have the given total mass."""
    return 4 * mass * (1 - mass) / temperature


def symbolic() -> Derivation:
    """Jacobian by differentiation, its norm split at the mean, and the maximum 1/α."""
    alpha, t = sympy.symbols("alpha t", positive=True)
    x, direction, mean = sympy.symbols(r"x_i v_i \bar{v}", real=True)
    partition = sympy.Function("Z")(t)
    weight = sympy.exp((x + t * direction) / alpha)
    term = identity(sympy.diff(weight, t), weight * direction / alpha)
    rate = sympy.diff(weight / partition, t).subs(
        sympy.Derivative(partition, t), partition * mean / alpha
    )
    jacobian = identity(rate, weight / partition * (direction - mean) / alpha)

    p = sympy.Symbol("p", nonnegative=True)
    up, down = 1 - (2 * p - 1), (2 * p - 1) + 1
    corners = identity((p * up + (1 - p) * down) / alpha, jacobian_norm(p, alpha))
    slack = identity(bound(1, alpha) - jacobian_norm(p, alpha), (1 - 2 * p) ** 2 / alpha)

    mass, temperature, above, below = z3.Reals("mass temperature above below")
    norm = (above - mass * (above + below)) + ((1 - mass) * (above + below) - below)
    unit = (mass >= 0, mass <= 1, temperature > 0)
    largest = prove(
        norm / temperature <= jacobian_norm(mass, temperature),
        absolute(above) <= mass,
        absolute(below) <= 1 - mass,
        *unit,
    )
    at_most = prove(jacobian_norm(mass, temperature) <= bound(1, temperature), *unit)
    pi = sympy.Symbol("pi_i", positive=True)
    return Derivation(
        steps=(
            Step(
                "Along a direction $v$ every weight $e^{x_i/\\alpha}$ grows at the rate "
                "$v_i/\\alpha$ and their sum $Z$ at the rate $\\bar v/\\alpha$, where $\\bar v = "
                "\\sum_j \\pi_j v_j$. So the softmax changes at the rate",
                rf"(J v)_i = {tex(pi * (direction - mean) / alpha)}",
                (term, jacobian),
            ),
            Step(
                "Split the actions, as many as there are, into those with $v_i > \\bar v$, of mass "
                "$p$, and the others. With $a$ and $b$ the two parts of $\\bar v = a + b$,",
                r"\sum_i \pi_i |v_i - \bar v| = (a - p \bar v) + ((1 - p) \bar v - b), \qquad "
                r"|a| \le p,\ |b| \le 1 - p",
                _split_at_the_mean(),
            ),
            Step(
                "This is largest at a corner of the cube $\\lVert v \\rVert_\\infty \\le 1$, where "
                "$v$ is $1$ on the first set and $-1$ on the second and the mean is $2p - 1$:",
                corners,
                largest,
            ),
            Step(
                "This never exceeds $1/\\alpha$; what is missing is a square.",
                slack,
                at_most,
            ),
            Step(
                "Integrating along the segment from $y$ to $x$ gives the bound.",
                r"\lVert \pi(x) - \pi(y) \rVert_1 \le \int_0^1 \lVert J\,(x - y) \rVert_1\, dt \le "
                + tex(bound(sympy.Symbol(r"\lVert{x - y}\rVert_\infty"), alpha)),
                cited("fundamental theorem of calculus"),
            ),
        ),
        scope="the Jacobian by differentiation with $Z$ as a function, so for any number of "
        "actions (SymPy); its norm for any number of actions and all reals (z3, sums by "
        "induction). Cited: the integral along the segment.",
    )


def _split_at_the_mean() -> Proof:
    """The parts above and below a number: masses, sums, and the sum of absolute deviations."""
    pi, v, mean = z3.Reals("pi v mean")
    up = v > mean

    def parts(*so_far: z3.ArithRef) -> tuple[z3.ArithRef, ...]:
        new = (
            z3.If(up, pi, 0),
            z3.If(up, pi * v, 0),
            z3.If(up, 0, pi),
            z3.If(up, 0, pi * v),
            pi * absolute(v - mean),
        )
        return tuple(old + more for old, more in zip(so_far, new, strict=True))

    return induct(
        parts(*[z3.RealVal(0)] * 5),
        parts,
        lambda p, a, q, b, total: z3.And(
            total == (a - p * mean) + (q * mean - b), absolute(a) <= p, absolute(b) <= q
        ),
        pi >= 0,
        absolute(v) <= 1,
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
    """Temperature zero: the maximum instead of the softmax, which no constant bounds."""
    step = 1e-9
    x = np.array([[step, 0.0]])
    jump = float(np.abs(greedy_policy(x) - greedy_policy(-x)).sum())
    ratio = {
        alpha: float(
            np.abs(softmax_policy(x, alpha) - softmax_policy(-x, alpha)).sum() / (2 * step)
        )
        for alpha in (1.0, 1e-4, 1e-8)
    }
    return Counterexample(
        dropped="α > 0",
        text="Two logits a billionth apart, exchanged: at temperature 0 all mass moves. At "
        "temperatures that fall to 0 the ratio of L1 move to sup-norm step grows without bound.",
        evidence={"step": 2 * step, "L1 move at α = 0": jump}
        | {f"ratio at α = {alpha:g}": value for alpha, value in ratio.items()},
        fails=jump == 2 and ratio[1e-8] > 1e6 * bound(1.0, 1.0),
    )
