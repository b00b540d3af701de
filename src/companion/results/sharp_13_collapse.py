"""Fact 13, beyond the paper: below a KL weight, normalised training has nowhere to stop."""

from typing import Any

import numpy as np
import sympy
from scipy.optimize import brentq, minimize_scalar
from scipy.special import expit

from companion.results import sharp_12_advantage_normalisation as normalised
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    cited,
    identity,
)
from companion.results.elementary import exp, log
from companion.theory import collapse_threshold, softmax_policy

ITEM = "Fact 13"
TITLE = "The collapse threshold of normalised training"
CHAPTER = 11
uses: tuple[str, ...] = ("sharp_12_advantage_normalisation",)

TIES = (2, 3, 4, 8, 64, 1000)

STATEMENT = r"""
In the setting of fact 12 with $c = 0$ ($m \ge 2$ answers of mass $1/m$ under $\pi_{\mathrm{ref}}$,
equal rewards but for a bonus $\varepsilon > 0$ on one, advantages divided by their deviation, a
penalty $\beta\, \mathrm{KL}$) a rest point with full support exists **if and only if**
$$\beta \ge \beta_c(m) = \sinh u^*, \qquad \coth u^* = u^* + \tfrac12 \log(m - 1) .$$
Above the threshold there are two (at it, one), and training from $\pi_{\mathrm{ref}}$ goes to the
first. Below it the log-odds of the favoured answer rise for ever, **however small $\varepsilon$
is**: the policy collapses onto it. The threshold falls with $m$.

Rest points of normalised training on binary rewards were found before (Mroueh 2025), and so was
the collapse of KL-regularised targets onto one of several equal answers at low regularisation
(GX-Chen et al. 2025); what is added here is when there is none.
"""


def cosh(x: Any) -> Any:
    """Hyperbolic cosine of a number, an array or a SymPy expression."""
    return (exp(x) + exp(-x)) / 2


def threshold(u: Any) -> Any:
    """The KL weight at which the line touches at ``u``: the hyperbolic sine."""
    return (exp(u) - exp(-u)) / 2


def offset(ties: Any) -> Any:
    """Half the log-odds against the favoured answer under the reference."""
    return log(ties - 1) / 2


def pull(u: Any, beta: Any, ties: Any) -> Any:
    """Half the difference of the drifts of the favoured and another answer at log-odds 2u."""
    return cosh(u) - beta * (u + offset(ties))


def speed(u: Any, beta: Any, ties: Any) -> Any:
    """Rate of u in the exact gradient flow of the logits."""
    return ties * pull(u, beta, ties) / (4 * (ties - 1) * cosh(u) ** 2)


def symbolic() -> Derivation:
    """The equation in log-odds, its minimum, the sign at the minimum, and the flow."""
    u, beta, m = sympy.symbols("u beta m", positive=True)
    p = 1 / (1 + sympy.exp(-2 * u))
    spread = identity(p * (1 - p), 1 / (4 * cosh(u) ** 2))
    bonus = normalised.effective_bonus(1, 1 / (2 * cosh(u)), 0)  # σ = ε √(p(1−p)), ε cancels
    odds = sympy.log(p / (1 - p))
    log_odds = identity(sympy.expand_log(sympy.simplify(odds), force=True), 2 * u)
    drift = identity(bonus - beta * (2 * u + sympy.log(m - 1)), 2 * pull(u, beta, m))
    convex = identity(sympy.diff(pull(u, beta, m), u, 2), cosh(u))
    flat = identity(sympy.diff(pull(u, beta, m), u), threshold(u) - beta)
    level = sympy.Symbol("L", nonnegative=True)
    coth = sympy.cosh(u) / sympy.sinh(u)
    lowest = identity(
        (pull(u, threshold(u), m).subs(offset(m), level)).rewrite(sympy.cosh),
        (sympy.sinh(u) * (coth - u - level)).rewrite(sympy.exp),
    )
    sign = identity(sympy.diff(coth - u - level, u), -1 / sympy.sinh(u) ** 2 - 1)
    # θ moves by π (g − ḡ): with g = 2·pull for the favoured answer and 0 for the others.
    gain = 2 * pull(u, beta, m)
    favoured, other = p * (gain - p * gain), (1 - p) / (m - 1) * (0 - p * gain)
    flow = identity((favoured - other) / 2, speed(u, beta, m))
    at_start = identity(pull(-level, beta, m).subs(offset(m), level), cosh(level))
    return Derivation(
        steps=(
            Step(
                "Let $2u$ be the log-odds of the favoured answer, of mass $p$. Then "
                "$\\sqrt{p(1-p)} = 1/(2\\cosh u)$, the normalised bonus is $2\\cosh u$ whatever "
                "$\\varepsilon$ is, and fact 12's equation for a rest point reads",
                r"2 \cosh u = \beta\,\bigl(2u + \log(m-1)\bigr)",
                (spread, log_odds, drift),
            ),
            Step(
                "The difference of the two sides, halved, is convex in $u$ and lowest where "
                "$\\sinh u = \\beta$.",
                r"f(u) = \cosh u - \beta\,\bigl(u + \tfrac12 \log(m-1)\bigr), \quad "
                r"f'(u) = \sinh u - \beta, \quad f''(u) = \cosh u > 0",
                (convex, flat),
            ),
            Step(
                "There it is, with $\\ell = \\tfrac12\\log(m-1)$,",
                r"f = \sinh u\,\bigl(\coth u - u - \ell\bigr)",
                lowest,
            ),
            Step(
                "and the bracket falls from $\\infty$ to $-\\infty$: it has one zero $u^*$. The "
                "lowest value is at most zero exactly if $u \\ge u^*$, that is "
                "$\\beta \\ge \\sinh u^*$. A convex function whose least value is negative has two "
                "zeros, one at zero, and none above.",
                r"\frac{d}{du}(\coth u - u - \ell) = -\frac{1}{\sinh^2 u} - 1 < 0",
                (sign, cited("monotone and convex functions; intermediate value theorem")),
            ),
            Step(
                "In the gradient flow of the logits $u$ moves at the rate",
                r"\dot u = \frac{m\, f(u)}{4\,(m-1) \cosh^2 u}",
                flow,
            ),
            Step(
                "It starts at the reference, $u = -\\ell$, with $f = \\cosh \\ell > 0$, so it "
                "rises to the first zero of $f$ and stops there. If $f$ has none, it rises for "
                "ever: a bounded solution would tend to a zero of its rate.",
                r"f(-\ell) = \cosh \ell > 0",
                (at_start, cited("a bounded solution of a scalar flow tends to a rest point")),
            ),
        ),
        scope="all of it for any number of ties and all reals (identities and derivatives by "
        "SymPy). Exact gradients stand for large groups, as in fact 12.",
    )


def rest_points(beta: float, ties: int) -> list[float]:
    """All u at which the drift vanishes, by the sign of the pull on a grid and bisection."""
    # Beyond this cosh u exceeds β (u + offset): cosh u ≥ 1 + u²/2.
    end = 2 * beta * (1 + offset(ties)) + 2 * np.sqrt(beta * offset(ties)) + 2
    touching = np.arcsinh(beta)
    grid = np.unique(np.r_[np.linspace(-offset(ties), end, 4001), touching])
    values = pull(grid, beta, ties)
    changes = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    return [float(brentq(pull, grid[i], grid[i + 1], args=(beta, ties))) for i in changes]


def train(beta: float, ties: int, epsilon: float, steps: int, rate: float = 0.5) -> np.ndarray:
    """Mass of the favoured answer ``(steps,)`` under exact normalised gradients, c = 0."""
    reward = np.r_[epsilon, np.zeros(ties - 1)]
    logits, mass = np.zeros(ties), np.empty(steps)
    for step in range(steps):
        policy = softmax_policy(logits[None], 1.0)[0]
        centred = reward - policy @ reward
        ratio = np.log(policy * ties)
        drift = centred / np.sqrt(policy @ centred**2) - beta * (ratio - policy @ ratio)
        logits = logits + rate * policy * drift
        mass[step] = policy[0]
    return mass


def numeric(rng: np.random.Generator, ties: tuple[int, ...] = TIES) -> tuple[Check, ...]:
    """The threshold by minimising the pull, rest points on both sides, and training itself."""
    claimed = np.array([collapse_threshold(m) for m in ties])
    found = np.array([_smallest_beta(m) for m in ties])
    at_touch = np.array([threshold(brentq(_bracket, 1e-3, 2.0, args=(m,))) for m in ties])
    columns = {"ties": np.array(ties)}
    sides = [
        (m, f, len(rest_points(f * collapse_threshold(m), m)), 2.0 * (f > 1))
        for m in ties
        for f in (0.5, 0.999, 1.001, 2.0)
    ]
    m, factor, count, expected = np.array(sides, dtype=float).T
    return (
        Check("smallest β with a rest point", "==", found, claimed, columns),
        Check("sinh u*", "==", at_touch, claimed, columns),
        Check(
            "rest points", "==", count, expected, {"ties": m, "multiple of the threshold": factor}
        ),
        *_training(),
    )


def _bracket(u: float, ties: int) -> float:
    return float(cosh(u) / threshold(u) - u - offset(ties))


def _smallest_beta(ties: int) -> float:
    """Least β at which the lowest pull is not positive: the least of cosh u / (u + offset)."""

    def needed(u: float) -> float:
        return float(cosh(u) / (u + offset(ties)))

    solved = minimize_scalar(needed, bounds=(1e-6, 3.0), method="bounded", options={"xatol": 1e-12})
    return float(solved.fun)


def _training() -> tuple[Check, ...]:
    """m = 4: below the threshold the mass rises to the end, above it stops at the rest point."""
    ties, steps = 4, 4000
    epsilons = np.array([1e-9, 1e-3, 1.0])
    below, above = (
        np.array([train(f * collapse_threshold(ties), ties, e, steps) for e in epsilons])
        for f in (0.9, 1.1)
    )
    first = min(rest_points(1.1 * collapse_threshold(ties), ties), default=np.inf)
    stop = float(expit(2 * first))
    columns = {"epsilon": epsilons}
    rise = np.diff(below, axis=1).min(axis=1)
    return (
        Check("least rise of the mass, below", ">=", rise, np.zeros(3), columns),
        Check("mass at the end, below", ">=", below[:, -1], np.full(3, 0.99), columns),
        Check("mass at the end, above", "==", above[:, -1], np.full(3, stop), columns, False, 1e-6),
    )


def counterexample() -> Counterexample:
    """A guard as large as the bonus: a rest point below the threshold."""
    ties, guard = 4, 1e-4
    beta = 0.5 * collapse_threshold(ties)
    mass = normalised.rest_point(guard, beta, ties, guard)
    return Counterexample(
        dropped="c = 0",
        text="At half the threshold, four ties, a bonus of 1e-4 and a guard of the same size: the "
        "normalised bonus is bounded, and training stops with mass left on the other answers.",
        evidence={"β": beta, "β_c": collapse_threshold(ties), "mass at the rest point": mass},
        fails=mass < 0.99 and not rest_points(beta, ties),
    )
