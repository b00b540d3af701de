"""Fact 5, beyond the paper: the sharp bound on how far a softmax moves."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_c_2, prop_4_3, prop_4_7
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.elementary import absolute, tanh
from companion.results.induction import average_stays_within
from companion.results.samples import DISCOUNTS, tilt, two_branches
from companion.theory import soft_optimal_q, softmax_policy, total_variation

ITEM = "Fact 5"
TITLE = "The sharp softmax bound"
CHAPTER = 8
uses: tuple[str, ...] = ("prop_4_3",)
implies: tuple[str, ...] = ("lemma_c_2", "prop_4_7")

STATEMENT = r"""
Let $p \propto \rho\, e^{x/\alpha}$ and $q \propto \rho\, e^{y/\alpha}$ be distributions on finitely
many actions with **the same** positive reference $\rho$ (the softmax is $\rho \equiv 1$), and
$\mathrm{span}(z) = \max_i z_i - \min_i z_i$. Then
$$d_{TV}(p, q) \le \tanh\frac{\mathrm{span}(x - y)}{4\alpha},$$
with equality for two actions whose log-odds just change sign, from $-\mathrm{span}/2\alpha$ to
$\mathrm{span}/2\alpha$. Constants added to $x$ or $y$ do not count, the bound is never above 1,
and it implies Lemma C.2 and Proposition 4.7, the latter in the sharper form
$\tanh\bigl(\lVert \mathbf{R}_1 - \mathbf{R}_2 \rVert / (2\alpha(1-\gamma))\bigr)$.
"""


def bound(span: Any, temperature: Any) -> Any:
    """Sharp bound on the total variation; ``span`` is that of the difference of the logits."""
    return tanh(span / (4 * temperature))


def soft_policy_bound(reward_distance: Any, temperature: Any, discount: Any) -> Any:
    """Proposition 4.7 made sharp: bound on the move of the soft optimal policy in any state."""
    return tanh(reward_distance / (2 * temperature * (1 - discount)))


def moved_mass(mass: Any, k: Any) -> Any:
    """Largest mass of a set after its odds were multiplied by at most ``k ** 2``."""
    return k**2 * mass / (1 + (k**2 - 1) * mass)


def symbolic() -> Derivation:
    """Odds of a set, the best set, a perfect square, and both corollaries."""
    odds, mass_bound = _odds_of_a_set()
    k, mass, alpha, z = sympy.symbols("k P alpha z", positive=True)
    largest = bound(2 * alpha * sympy.log(k), alpha)
    in_k = identity(largest.rewrite(sympy.exp), (k - 1) / (k + 1))
    square = (k - 1) * (1 - (k + 1) * mass) ** 2 / ((k + 1) * (1 + (k**2 - 1) * mass))
    slack = identity(in_k.rhs - (moved_mass(mass, k) - mass), square)
    balanced = 1 / (k + 1)
    attained = identity(moved_mass(balanced, k) - balanced, in_k.rhs)
    below = identity(sympy.diff(z - sympy.tanh(z), z), sympy.tanh(z) ** 2)

    x, y = sympy.symbols("x y", positive=True)
    lemma = identity(2 * (2 * x) / (4 * alpha), lemma_c_2.bound(x, alpha))
    gamma = sympy.Symbol("gamma", positive=True)
    soft = identity(bound(2 * prop_4_3.bound(y, gamma), alpha), soft_policy_bound(y, alpha, gamma))
    argument = soft_policy_bound(y, alpha, gamma).args[0]
    straight = identity(argument, prop_4_7.bound(y, alpha, gamma))
    return Derivation(
        steps=(
            Step(
                "From $p$ to $q$ every weight is multiplied by a factor, and the largest factor is "
                "$k^2 = e^{\\mathrm{span}/\\alpha}$ times the smallest. So the odds of any set $B$ "
                "of actions rise at most $k^2$-fold, and its mass $P$ becomes at most",
                r"q(B) \le " + tex(moved_mass(mass, k)),
                (average_stays_within(), odds, mass_bound),
            ),
            Step(
                "In terms of $k$ the bound reads",
                rf"{tex(largest)} = {tex(in_k.rhs)}",
                in_k,
            ),
            Step(
                "What the bound leaves over the rise $q(B) - P$ is a perfect square, so it holds "
                "for every $P$; total variation is the rise for the best $B$, the actions that "
                "gain.",
                slack,
                _total_variation_is_the_best_rise(),
            ),
            Step("It is attained where the square vanishes, at $P = 1/(k+1)$.", attained),
            Step(
                "Since $z - \\tanh z$ vanishes at 0 and increases, $\\tanh z \\le z$.",
                rf"\frac{{d}}{{dz}} (z - \tanh z) = {tex(below.rhs)} \ge 0",
                below,
            ),
            Step(
                "The span is at most twice the sup norm $x$, and L1 is twice total variation: "
                "this is Lemma C.2.",
                r"\lVert p - q \rVert_1 = 2\, d_{TV} \le 2 \cdot \frac{2x}{4\alpha} = "
                + tex(lemma.rhs),
                lemma,
            ),
            Step(
                "With $\\lVert Q_1 - Q_2 \\rVert_\\infty \\le y/(1-\\gamma)$ it is Proposition "
                "4.7, in a sharper form.",
                rf"d_{{TV}} \le {tex(soft.rhs)} \le {tex(argument)}",
                (soft, straight),
            ),
        ),
        scope="all of it, for any number of actions: the odds of a set for all reals (z3, sums by "
        "induction on the number of actions), everything else as identities (SymPy).",
    )


def _total_variation_is_the_best_rise() -> Proof:
    """Σ |q − p| = 2 (q(B) − p(B)) − (Σ q − Σ p), where B holds the actions that gain."""
    p, q = z3.Reals("p q")

    def add(*so_far: z3.ArithRef) -> tuple[z3.ArithRef, ...]:
        new = (q - p, absolute(q - p), z3.If(q > p, q - p, 0))
        return tuple(old + more for old, more in zip(so_far, new, strict=True))

    return induct(
        add(*[z3.RealVal(0)] * 3), add, lambda total, size, rise: size == 2 * rise - total
    )


def _odds_of_a_set() -> tuple[Proof, Proof]:
    inside, outside, mass, low, k = z3.Reals("inside outside mass low k")
    setting = (
        mass > 0,
        mass < 1,
        low > 0,
        k >= 1,
        inside <= k * k * low * mass,  # the weights of B after the change: factors at most k² low
        inside > 0,
        outside >= low * (1 - mass),  # and of its complement: factors at least low
    )
    odds = prove(inside * (1 - mass) <= k * k * mass * outside, *setting)
    share, total, odds_factor = z3.Reals("share total odds_factor")
    mass_bound = prove(
        share * (1 + (odds_factor - 1) * mass) <= odds_factor * mass,
        mass > 0,
        mass < 1,
        odds_factor >= 1,
        total > 0,
        share >= 0,
        share <= 1,
        share * (1 - mass) <= odds_factor * mass * (1 - share),
    )
    return odds, mass_bound


def numeric(rng: np.random.Generator, pairs: int = 400) -> tuple[Check, ...]:
    """Random references and logits, two actions that attain it, and two branches for ever."""
    rows: list[tuple[Any, ...]] = []
    attaining: list[tuple[Any, ...]] = []
    branches = []
    for temperature in (0.05, 0.3, 1.0, 4.0):
        for size in 10.0 ** np.linspace(-4, 1.5, 12):
            span = temperature * size
            rows.append((temperature, span, _worst_random(rng, temperature, span, pairs)))
            x = np.array([[span / 4, -span / 4]])
            moved = total_variation(softmax_policy(x, temperature), softmax_policy(-x, temperature))
            attaining.append((temperature, span, moved[0]))
        for discount in DISCOUNTS:
            for size in temperature * (1 - discount) * 10.0 ** np.arange(-3.0, 2.0):
                branches.append((temperature, discount, size, _move(temperature, discount, size)))
    checks = [
        _check("move of a tilted reference, random", "<=", rows),
        _check("move of the softmax, two actions", "==", attaining),
    ]
    temperatures, discounts, sizes, moved = np.array(branches).T
    columns = {"temperature": temperatures, "discount": discounts, "reward_distance": sizes}
    claimed = soft_policy_bound(sizes, temperatures, discounts)
    return (*checks, Check("move of the soft policy, branches", "==", moved, claimed, columns))


def _check(name: str, relation: Any, rows: list[tuple[Any, ...]]) -> Check:
    temperature, span, moved = np.array(rows).T
    columns = {
        "temperature": temperature,
        "span": span,
        "lemma_c_2": lemma_c_2.bound(span / 2, temperature) / 2,
    }
    return Check(name, relation, moved, bound(span, temperature), columns)


def _worst_random(rng: np.random.Generator, temperature: float, span: float, count: int) -> float:
    actions = int(rng.integers(2, 8))
    x = temperature * rng.normal(scale=2.0, size=(count, actions))  # log ρ is taken into x
    change = rng.uniform(0.0, span, size=x.shape)
    corners = rng.random((count, 1)) < 0.5
    change = np.where(corners, span * (change > span / 2), change)
    moved = softmax_policy(x + change, temperature)
    return float(total_variation(softmax_policy(x, temperature), moved).max())


def _move(temperature: float, discount: float, size: float) -> float:
    tied = two_branches(gap=0.0, discount=discount)
    before, after = (
        softmax_policy(soft_optimal_q(tilt(tied, s), temperature, tol=1e-12), temperature)[0]
        for s in (-size / 2, size / 2)
    )
    return float(total_variation(before, after))


def counterexample() -> Counterexample:
    """Another reference: the distributions differ although the logits agree."""
    logits = np.zeros(3)
    first, second = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    moved = float(total_variation(first, second))
    return Counterexample(
        dropped="the same reference for both",
        text="Equal logits, so the span of their difference is 0, but two reference "
        "distributions: the tilted distributions are the references themselves.",
        evidence={"bound": float(bound(np.ptp(logits), 1.0)), "total variation": moved},
        fails=bool(moved > bound(np.ptp(logits), 1.0)),
    )
