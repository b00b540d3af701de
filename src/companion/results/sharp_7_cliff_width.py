"""Fact 7, beyond the paper: the exact shape of the cliff under a KL penalty."""

from typing import Any

import numpy as np
import sympy

from companion.results import prop_2_10, sharp_5_softmax
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    identity,
    require,
    tex,
)
from companion.results.elementary import exp, log
from companion.theory import TokenTree, softmax_policy, total_variation

ITEM = "Fact 7"
TITLE = "The exact width of the cliff"
CHAPTER = 8
uses: tuple[str, ...] = ("prop_2_10", "sharp_5_softmax", "sharp_6_kl_sequence")

STATEMENT = r"""
Let $m \ge 2$ completions be equally rewarded, each of mass $1/m$ under the reference (nothing else
has mass), and let one of them get a bonus $\varepsilon > 0$. Under the penalty
$\beta\,\mathrm{KL}(\pi \Vert \pi_{\mathrm{ref}})$ the optimum moves by exactly
$$d_{TV} = \frac{(m-1)\,(e^{\varepsilon/\beta} - 1)}{m\,(e^{\varepsilon/\beta} + m - 1)} .$$
It depends on $\varepsilon/\beta$ only, increases, and tends to $(m-1)/m$, Proposition 2.10's jump,
as $\varepsilon/\beta \to \infty$. Half the height is reached at
$\varepsilon = \beta \log(m + 1)$: the cliff has width proportional to $\beta$. For $m \ge 3$ it
touches the bound of fact 5 at $\varepsilon = 2\beta\log(m-1)$ and nowhere else; for $m = 2$ it
stays below. (A corollary of fact 6: the optimum is known, so the distance can be written down.)
"""


def move(scaled_bonus: Any, ties: Any) -> Any:
    """Move in total variation as a function of ε/β and the number of tied completions."""
    growth = exp(scaled_bonus)
    return (ties - 1) * (growth - 1) / (ties * (growth + ties - 1))


def half_width(ties: Any) -> Any:
    """The ε/β at which half of the jump is reached."""
    return log(ties + 1)


def symbolic() -> Derivation:
    """From the closed form; limits, slope, half height, and where fact 5 is touched."""
    x, m, growth = sympy.symbols("x m g", positive=True)
    lifted = (sympy.exp(x) / m) / (sympy.exp(x) / m + (m - 1) / m)
    distance = identity(lifted - 1 / m, move(x, m))
    others = (m - 1) * (1 / m - (1 / m) / (sympy.exp(x) / m + (m - 1) / m))
    loss = identity(others, move(x, m))
    in_growth = move(sympy.log(growth), m)
    top = sympy.limit(in_growth, growth, sympy.oo)
    height = identity(top, prop_2_10.jump(m))
    slope = sympy.diff(in_growth, growth)
    rising = identity(slope, (m - 1) / (growth + m - 1) ** 2)
    start = identity(sympy.diff(move(x, m), x).subs(x, 0), (m - 1) / m**2)
    solved = sympy.solve(sympy.Eq(in_growth, prop_2_10.jump(m) / 2), growth)
    only_there = require(solved == [m + 1], "half of the height is reached at exp(x) = m + 1")
    half = identity(move(half_width(m), m), prop_2_10.jump(m) / 2)
    k = sympy.Symbol("k", positive=True)  # k = m - 1
    touching = identity(
        move(2 * sympy.log(k), k + 1),
        sympy.simplify(sharp_5_softmax.bound(2 * sympy.log(k), 1).rewrite(sympy.exp)),
    )
    # tanh(x/4) − w with g = s², x = 2 log s: a square over positive terms.
    root = sympy.Symbol("s", positive=True)
    below = identity(
        sharp_5_softmax.bound(2 * sympy.log(root), 1).rewrite(sympy.exp)
        - move(2 * sympy.log(root), m),
        (root - 1) * (root - m + 1) ** 2 / (m * (root + 1) * (root**2 + m - 1)),
    )
    return Derivation(
        steps=(
            Step(
                "With $x = \\varepsilon/\\beta$ (fact 6) the mass of the lifted completion rises "
                "by, and all others together lose,",
                distance,
                loss,
            ),
            Step(
                "Call it $w(x, m)$. In $g = e^x$ it increases,",
                rf"\frac{{d}}{{dg}}\, {tex(in_growth)} = {tex(rising.rhs)} > 0",
                rising,
            ),
            Step(
                "up to the jump of Proposition 2.10, reached as $\\beta \\to 0$.",
                rf"\lim_{{g \to \infty}} {tex(in_growth)} = {tex(height.rhs)}",
                height,
            ),
            Step(
                "Its slope in $x$ at zero is",
                rf"\left.\frac{{d}}{{dx}}\, w(x, m) \right|_{{x = 0}} = {tex(start.rhs)}",
                start,
            ),
            Step(
                "and half of the jump is reached there and nowhere else:",
                rf"w\bigl({tex(half_width(m))}, m\bigr) = {tex(half.rhs)}",
                (half, only_there),
            ),
            Step(
                "At $x = 2\\log(m-1)$, which is positive for $m \\ge 3$, it meets the sharp bound "
                "$\\tanh(x/4)$; with $k = m - 1$",
                rf"w(2 \log k, k + 1) = {tex(touching.rhs)} = \tanh\frac{{\log k}}{{2}}",
                touching,
            ),
            Step(
                "Elsewhere it stays below: with $s = e^{x/2} > 1$ what is missing is a square, "
                "zero at $s = m - 1$ only.",
                rf"\tanh\frac{{x}}{{4}} - w(x, m) = {tex(below.rhs)}",
                below,
            ),
        ),
        scope="all of it, as identities, limits and derivatives in $x$ and $m$ (SymPy).",
    )


def numeric(
    rng: np.random.Generator,
    betas: tuple[float, ...] = (0.01, 0.1, 0.5, 2.0),
    ties: tuple[int, ...] = (2, 3, 4, 8),
) -> tuple[Check, ...]:
    """Curves over ε for several β collapse onto one; whole completions of a token tree, too."""
    scaled = np.concatenate([10.0 ** np.linspace(-4, 1.5, 23), half_width(np.array(ties))])
    rows = [(x * b, b, m, _bandit_move(x * b, b, m)) for b in betas for m in ties for x in scaled]
    epsilon, beta, m, moved = np.array(rows).T
    trees = [
        (x * b, b, 2**d, _tree_move(x * b, b, d)) for b in betas for d in (1, 3) for x in scaled
    ]
    tree_epsilon, tree_beta, tree_m, tree_moved = np.array(trees).T
    many = np.arange(3, 40)
    touch = 2 * np.log(many - 1)
    others = np.concatenate([np.full_like(scaled, k) for k in (2, *ties)])
    grid = np.tile(scaled, 1 + len(ties))
    return (
        _check("move of the optimum, m answers", epsilon, beta, m, moved),
        _check("move over completions of a tree", tree_epsilon, tree_beta, tree_m, tree_moved),
        Check(
            "where the bound of fact 5 is touched",
            "==",
            move(touch, many),
            sharp_5_softmax.bound(touch, 1.0),
            {"ties": many},
        ),
        Check("below it elsewhere", "<=", move(grid, others), sharp_5_softmax.bound(grid, 1.0)),
    )


def _check(name: str, epsilon: Any, beta: Any, ties: Any, moved: np.ndarray) -> Check:
    columns = {"epsilon": epsilon, "beta": beta, "ties": ties, "scaled": epsilon / beta}
    return Check(name, "==", moved, move(epsilon / beta, ties), columns)


def _bandit_move(epsilon: float, beta: float, ties: int) -> float:
    bonus = np.zeros((1, ties))
    bonus[0, 0] = epsilon
    return float(total_variation(softmax_policy(bonus, beta), softmax_policy(0 * bonus, beta))[0])


def _tree_move(epsilon: float, beta: float, depth: int) -> float:
    """All 2^depth strings of a depth, one of them with the bonus; trained token by token."""
    reference = [np.full((2**t, 2), 0.5) for t in range(depth)]
    optimum = []
    for bonus in (0.0, epsilon):
        rewards = [np.zeros((2**t, 2)) for t in range(depth)]
        rewards[-1][0, 0] = bonus
        tree = TokenTree("ab", depth, rewards, end_of_sequence=None)
        optimum.append(tree.completion_probabilities(tree.soft_optimal_policy(beta, reference)))
    return float(total_variation(optimum[0], optimum[1]))


def counterexample() -> Counterexample:
    """A reference that prefers one of the tied answers: another curve."""
    prior, bonus, beta = np.array([0.9, 0.05, 0.05]), np.array([0.0, 0.5, 0.0]), 0.5
    tilted = prior * np.exp(bonus / beta)
    moved = float(total_variation(tilted / tilted.sum(), prior))
    claimed = float(move(0.5 / beta, 3))
    return Counterexample(
        dropped="mass 1/m on each tied completion",
        text="Three tied answers of reference mass 0.9, 0.05 and 0.05, the bonus on the second: "
        "the prior holds the policy back.",
        evidence={"move": moved, "move claimed for equal masses": claimed},
        fails=abs(moved - claimed) > 0.01,
    )
