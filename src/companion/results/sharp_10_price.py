"""Fact 10, beyond the paper: what continuity costs, and that the softmax pays a little more."""

from typing import Any

import numpy as np
import sympy
import z3
from scipy.optimize import minimize_scalar
from scipy.special import expit, lambertw

from companion.results import sharp_5_softmax
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    prove,
    require,
    tex,
)
from companion.results.elementary import absolute, maximum

ITEM = "Fact 10"
TITLE = "The price of continuity"
CHAPTER = 8
uses: tuple[str, ...] = ("sharp_5_softmax",)

STATEMENT = r"""
Let $M$ choose for every pair of rewards a distribution over two arms, with
$d_{TV}(M(R), M(R')) \le L\, \lVert R - R' \rVert_\infty$. Its *regret* at $R$ is what the better
arm earns more than $M(R)$ does on average. Whatever the rule,
$$\sup_R\ \mathrm{regret}(R) \ge \frac{1}{8 L} .$$
The clipped line $M(R) = \bigl(\tfrac12 + \tfrac{L}{2}(R_1 - R_2)\bigr)$, cut off at 0 and 1, which
is the sparsemax (Martins and Astudillo 2016) of $L R$, attains it. The softmax with the same
constant $L = 1/(2\alpha)$ pays
$$\frac{W(1/e)}{2 L} = \alpha\, W(1/e),$$
with $W$ Lambert's function: $4\, W(1/e)$ times as much, about 11 % more.
"""


def least_price(lipschitz: Any) -> Any:
    """The least worst regret of any rule with the given Lipschitz constant."""
    return 1 / (8 * lipschitz)


def softmax_price(lipschitz: Any) -> Any:
    """Worst regret of the softmax with the given Lipschitz constant."""
    return softmax_factor() / (2 * lipschitz)


def softmax_factor() -> float:
    """W(1/e), the solution of w e^w = 1/e."""
    return float(lambertw(np.exp(-1.0)).real)


def clipped_line(lead: Any, lipschitz: Any) -> Any:
    """Probability of the first arm when it leads by ``lead``, under the sparsemax rule."""
    return maximum(0, -maximum(-1, -(lipschitz * lead + 1) / 2))


def temperature(lipschitz: Any) -> Any:
    """Temperature at which the softmax has the given Lipschitz constant."""
    return 1 / (2 * lipschitz)


def symbolic() -> Derivation:
    """Both sides of a tie at the lead 1/(2L), the clipped line, and the softmax's worst lead."""
    lower, upper = _either_side()
    lead, slope, other, rho = z3.Reals("lead slope other rho")
    attains = prove(
        lead * (1 - clipped_line(lead, slope)) <= least_price(slope), lead >= 0, slope > 0
    )
    probability = prove(z3.And(clipped_line(lead, slope) >= 0, clipped_line(lead, slope) <= 1))
    lipschitz = prove(
        absolute(clipped_line(lead, slope) - clipped_line(other, slope)) <= slope * rho,
        absolute(lead - other) <= 2 * rho,
        slope > 0,
        rho >= 0,
    )
    constant, x, w = sympy.symbols("L x w", positive=True)
    best = 1 / (2 * constant)
    at_best = identity(best * (sympy.Rational(1, 2) - constant * best / 2), least_price(constant))
    # Rewards that move by ρ move the difference of the arms by at most a span of 2ρ.
    steepest = identity(
        sympy.diff(sharp_5_softmax.bound(2 * x, temperature(constant)), x).subs(x, 0), constant
    )
    regret = x / (1 + sympy.exp(x))
    stationary = identity(
        sympy.diff(regret, x), (1 - (x - 1) * sympy.exp(x)) / (1 + sympy.exp(x)) ** 2
    )
    falls = identity(sympy.diff((x - 1) * sympy.exp(x), x), x * sympy.exp(x))
    # With w e^w = 1/e: at x = 1 + w, e^x = e · e^w = 1/w.
    worst = regret.subs(sympy.exp(x), 1 / w).subs(x, 1 + w)
    value = identity(worst, w)
    zero = identity((x - 1).subs(x, 1 + w) * (1 / w), sympy.Integer(1))
    lambert = sympy.LambertW(sympy.exp(-1))
    is_w = require(
        abs(float(lambert) - softmax_factor()) < 1e-15
        and abs(float(lambert * sympy.exp(lambert) - sympy.exp(-1))) < 1e-15,
        "the factor is Lambert's W at 1/e",
    )
    price = identity(temperature(constant) * w, w / (2 * constant))
    return Derivation(
        steps=(
            Step(
                "Move along rewards whose sum is fixed; let $D$ be the lead of arm 1 and $p(D)$ "
                "its probability. A change of size $\\rho$ of both rewards changes $D$ by "
                "$2\\rho$, so $p$ has slope at most $L/2$ in $D$. If $p(0) \\le \\tfrac12$ arm 1 "
                "gets too little at $D$, else arm 2 at $-D$:",
                r"\max\{D\,(1 - p(D)),\ D\, p(-D)\} \ge D\,\Bigl(\frac12 - \frac{L D}{2}\Bigr)",
                lower,
            ),
            Step(
                "which is largest at $D = 1/(2L)$.",
                r"\max_D D\,\Bigl(\frac12 - \frac{L D}{2}\Bigr) = " + tex(at_best.rhs),
                (at_best, upper),
            ),
            Step(
                "The clipped line is a probability with Lipschitz constant $L$, and its regret is "
                "nowhere more.",
                r"D\,\bigl(1 - \min\{1, \tfrac12 + \tfrac{L}{2} D\}\bigr) \le "
                + tex(least_price(constant)),
                (probability, attains, lipschitz),
            ),
            Step(
                "The softmax moves by at most $\\tanh(\\rho/(2\\alpha))$ (fact 5, attained at a "
                "tie), whose slope is largest at zero:",
                rf"L = \frac{{1}}{{2\alpha}}, \qquad \alpha = {tex(temperature(constant))}",
                (steepest, cited("fact 5")),
            ),
            Step(
                "At the lead $D = \\alpha x$ its regret is $\\alpha x/(1 + e^x)$, which rises "
                "while $(x-1)e^x < 1$, and then falls: the worst lead is $x = 1 + w$ with "
                "$w e^w = 1/e$,",
                rf"\frac{{d}}{{dx}} {tex(regret)} = {tex(stationary.rhs)}",
                (stationary, falls, zero),
            ),
            Step(
                "where $e^x = 1/w$, so the worst regret is $\\alpha w$ with $w = W(1/e)$.",
                rf"\alpha\, {tex(worst)} = \alpha w = {tex(price.rhs)}",
                (value, is_w, price),
            ),
        ),
        scope="all of it, for every rule with a Lipschitz constant and all reals (z3 for the "
        "inequalities, SymPy for the softmax).",
    )


def _either_side() -> tuple[Proof, Proof]:
    at_tie, right, left, lead, slope = z3.Reals("at_tie right left lead slope")
    setting = (
        absolute(right - at_tie) <= slope * lead / 2,
        absolute(left - at_tie) <= slope * lead / 2,
        lead >= 0,
        slope > 0,
    )
    regret = maximum(lead * (1 - right), lead * left)
    half = prove(regret >= lead * (z3.Q(1, 2) - slope * lead / 2), *setting)
    best = prove(regret >= least_price(slope), *setting, lead == 1 / (2 * slope))
    return half, best


def softmax_rule(lead: Any, lipschitz: float) -> Any:
    """Probability of the first arm under the softmax."""
    return expit(lead / temperature(lipschitz))


def numeric(rng: np.random.Generator, rules: int = 60) -> tuple[Check, ...]:
    """Worst regrets and Lipschitz constants of both rules; random rules never pay less."""
    constants = 10.0 ** rng.uniform(-2, 3, size=20)
    checks = []
    for name, rule, price in (
        ("clipped line", clipped_line, least_price),
        ("softmax", softmax_rule, softmax_price),
    ):
        worst = np.array([_worst_regret(rule, constant) for constant in constants])
        steepness = np.array([_steepness(rng, rule, constant) for constant in constants])
        columns = {"lipschitz": constants}
        checks += [
            Check(f"worst regret, {name}", "==", worst, price(constants), columns, False, 1e-8),
            Check(f"Lipschitz constant, {name}", "<=", steepness, constants, columns, False, 1e-8),
        ]
    rows = np.array([_random_rule(rng) for _ in range(rules)])
    return (
        *checks,
        Check("worst regret, any rule", ">=", rows[:, 1], least_price(rows[:, 0])),
        Check(
            "softmax against the clipped line",
            "==",
            softmax_price(constants) / least_price(constants),
            np.full_like(constants, 4 * softmax_factor()),
        ),
    )


def _worst_regret(rule: Any, constant: float) -> float:
    """Largest regret over leads up to 2/L, of either arm (both rules treat the arms alike)."""
    solved = minimize_scalar(
        lambda lead: -lead * (1 - rule(lead, constant)),
        bounds=(0.0, 2 / constant),
        method="bounded",
        options={"xatol": 1e-12 / constant},
    )
    return -float(solved.fun)


def _steepness(rng: np.random.Generator, rule: Any, constant: float) -> float:
    """Largest move of the rule per change of the rewards, over pairs of rewards."""
    rewards = rng.normal(size=(400, 2)) / constant
    change = rng.choice([-1.0, 1.0], size=(400, 2)) * 10.0 ** rng.uniform(-6, 0, size=(400, 1))
    change = change / constant
    before, after = (rule(-np.diff(r)[:, 0], constant) for r in (rewards, rewards + change))
    return float((np.abs(after - before) / np.abs(change).max(axis=1)).max())


def _random_rule(rng: np.random.Generator) -> tuple[float, float]:
    """A random rule, linear between grid points, with its constant; its worst regret."""
    constant = 10.0 ** rng.uniform(-1, 1)
    grid = np.linspace(-2, 2, 161) / constant  # the leads ±1/(2L) are among them
    steps = rng.uniform(-1, 1) + rng.uniform(-1, 1, size=grid.size - 1)
    steps = np.clip(steps, -1, 1) * constant / 2 * np.diff(grid)
    share = np.clip(rng.uniform() + np.r_[0, np.cumsum(steps)] - steps[:80].sum(), 0, 1)
    regret = np.where(grid > 0, grid * (1 - share), -grid * share)
    return constant, float(regret.max())


def counterexample() -> Counterexample:
    """The greedy rule: no regret at all, and no Lipschitz constant."""
    leads = np.linspace(-1, 1, 2001)
    greedy = (leads > 0).astype(float)
    regret = float(np.where(leads > 0, leads * (1 - greedy), -leads * greedy).max())
    jump = float(np.abs(np.diff(greedy)).max() / (np.diff(leads).max() / 2))
    return Counterexample(
        dropped="a Lipschitz constant",
        text="Always take the better arm: the regret is zero, and the steepness on a grid is one "
        "over its width.",
        evidence={"worst regret": regret, "steepness on the grid": jump},
        fails=regret < least_price(1.0),
    )
