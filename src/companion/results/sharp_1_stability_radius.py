"""Fact 1, beyond the paper: how far rewards may move before the policy changes, exactly."""

from functools import partial
from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_2_5, prop_2_4, thm_2_7
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
from companion.results.elementary import absolute
from companion.results.induction import maximum_is_nonexpansive
from companion.results.samples import (
    DISCOUNTS,
    at_the_radius,
    smallest_size,
    tilt,
    two_branches,
    worst_direction,
)
from companion.theory import (
    FiniteMDP,
    TokenTree,
    optimal_q,
    policy_breakpoints,
    stability_radius,
)

ITEM = "Fact 1"
TITLE = "The stability radius"
CHAPTER = 3
uses: tuple[str, ...] = ("prop_2_4", "lemma_2_5", "thm_2_7")

STATEMENT = r"""
Let $S$ and $A$ be finite, let every state have one optimal action at $R_0$, and let $\Delta > 0$ be
the smallest action gap of $Q^*_{R_0}$ over all states. While
$$\lVert R - R_0 \rVert_\infty < \frac{(1-\gamma)\,\Delta}{2}$$
the optimal policy of $R$ is that of $R_0$, in every state (a corollary of Lemma 2.5). So uniqueness
at $R_0$ gives a whole neighbourhood of unique optima. Two branches that never meet again attain the
radius.

*Token trees.* With at most $H$ tokens the sum replaces the series and the radius is
$\Delta / (2 \sum_{t<H} \gamma^t)$: exact where the smallest gap $\Delta$ is that of the first token
and the best completions after it and after its rival have $H$ tokens each, otherwise a guarantee.
If only rewards at the end of a completion change and $\gamma = 1$, the radius is **always** exactly
$\Delta/2$, wherever the smallest gap is and however long the completions are.
"""


def guaranteed(gap: Any, discount: Any) -> Any:
    """Radius in any MDP whose smallest action gap is ``gap``."""
    return (1 - discount) * gap / 2


def tree_radius(gap: Any, discount: Any, depth: int) -> Any:
    """Radius in a token tree of the given depth, all rewards moving."""
    return gap / (2 * sum(discount**t for t in range(depth)))


def terminal_radius(gap: Any) -> Any:
    """Radius in a token tree with discount 1 when only the rewards that end a string move."""
    return gap / 2


def symbolic() -> Derivation:
    """The guarantee, the induction over the tree, both worst cases, and the limit of long trees."""
    q, q0, best, best0, size, gap, gamma = z3.Reals("q q0 best best0 size gap gamma")
    anywhere, in_tree, at_the_end = (
        prove(
            q < best,
            absolute(q - q0) <= move,
            absolute(best - best0) <= move,
            size < radius,
            size >= 0,
            gamma >= 0,
            gamma < 1,
            q0 <= best0 - gap,
            gap > 0,
        )
        for move, radius in (
            (prop_2_4.bound(size, gamma), guaranteed(gap, gamma)),
            (size * (1 + gamma + gamma * gamma), tree_radius(gap, gamma, 3)),
            (size, terminal_radius(gap)),
        )
    )
    delta, rho, total = sympy.symbols("Delta rho S_H", positive=True)
    discount = sympy.Symbol("gamma", positive=True)
    same = identity(guaranteed(delta, discount), lemma_2_5.radius(delta, discount))
    depth_symbol = sympy.Symbol("H", positive=True, integer=True)
    closed = (1 - discount**depth_symbol) / (1 - discount)
    sums = tuple(
        identity(closed.subs(depth_symbol, h), delta / (2 * tree_radius(delta, discount, h)))
        for h in range(1, 6)
    )
    worst = identity(sympy.solve(delta - 2 * rho * total, rho)[0], delta / (2 * total))
    terminal = identity(sympy.solve(delta - 2 * rho, rho)[0], terminal_radius(delta))
    below_one = 1 / (1 + total)  # a discount below one, whatever S_H > 0 is
    endless = identity(
        sympy.limit(delta / (2 * closed.subs(discount, below_one)), depth_symbol, sympy.oo),
        guaranteed(delta, below_one),
    )
    reaches, accumulates, closed_form = _sums_along_the_string()
    return Derivation(
        steps=(
            Step(
                "If rewards move by $\\rho$, every $Q$ moves by at most $\\rho/(1-\\gamma)$ "
                "(Proposition 2.4), a gap by at most twice that. It stays positive within "
                "Lemma 2.5's radius.",
                rf"\rho < {tex(same.rhs)} \implies \Delta - \frac{{2 \rho}}{{1 - \gamma}} > 0",
                (same, anywhere),
            ),
            Step(
                "In a tree the change of $Q$ with $h$ tokens to go is at most $\\rho S_h$, where "
                "one more token adds one more reward, whatever the number of tokens:",
                r"S_{h+1} = 1 + \gamma S_h, \qquad S_h = \sum_{t<h} \gamma^t = "
                + tex(closed.subs(depth_symbol, sympy.Symbol("h"))),
                (maximum_is_nonexpansive(), reaches, closed_form, *sums, in_tree),
            ),
            Step(
                "A worst case: lower every reward after the first token's best choice by $\\rho$ "
                "and raise every one after its rival. Over $H$ tokens each of the two moves by "
                "$\\rho S_H$, and at the radius the lead is gone.",
                rf"{tex(delta - 2 * rho * total)} = 0 \iff \rho = {tex(worst.rhs)}",
                (accumulates, worst),
            ),
            Step(
                "With rewards at the end only and $\\gamma = 1$ no $Q$ moves by more than $\\rho$, "
                "and at the prefix where the gap is smallest the best completion and its rival "
                "are two ends, each of which can move by $\\rho$:",
                rf"{tex(delta - 2 * rho)} = 0 \iff \rho = {tex(terminal.rhs)}",
                (maximum_is_nonexpansive(), at_the_end, terminal),
            ),
            Step(
                "For long completions the sum becomes the series, and the guarantee for any MDP.",
                r"\lim_{H \to \infty} \frac{\Delta}{2 S_H} = " + tex(guaranteed(delta, discount)),
                endless,
            ),
        ),
        scope="all of it for any number of states, actions and tokens (z3, by induction on the "
        "number of actions and of tokens; the closed form of the sum is compared with the stated "
        "radius up to five tokens). The first radius is a corollary of Lemma 2.5.",
    )


def _sums_along_the_string() -> tuple[Proof, Proof, Proof]:
    """|ΔQ| ≤ ρ S_h, with equality if every reward moves by ρ; and (1 − γ) S_h = 1 − γ^h."""
    reward, part, rho, gamma = z3.Reals("reward part rho gamma")
    at_most = induct(  # what follows is any part of the largest change so far
        (absolute(reward), z3.RealVal(1)),
        lambda change, total: (absolute(reward + gamma * part * change), 1 + gamma * total),
        lambda change, total: z3.And(change >= 0, change <= rho * total, total >= 0),
        absolute(reward) <= rho,
        absolute(part) <= 1,
        gamma >= 0,
    )
    exactly = induct(
        (rho, z3.RealVal(1)),
        lambda change, total: (rho + gamma * change, 1 + gamma * total),
        lambda change, total: change == rho * total,
    )
    closed = induct(
        (z3.RealVal(1), gamma),
        lambda total, power: (1 + gamma * total, power * gamma),
        lambda total, power: (1 - gamma) * total == 1 - power,
    )
    return at_most, exactly, closed


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """Bisection for the size at which the worst change flips the policy; random changes inside."""
    branches = [
        (gap, d, smallest_size(partial(_flipped, two_branches(gap, d)), 3 * gap))
        for gap in (0.1, 1.0, 4.0)
        for d in DISCOUNTS
    ]
    gaps, discounts, flips = np.array(branches).T
    along = [_first_breakpoint(gap, d) for gap, d, _ in branches]
    trees = [
        (gap, d, depth, _tree_flip(gap, d, depth, False), _tree_exact(gap, d, depth, False))
        for gap in (0.1, 2.0)
        for d in (0.5, 0.9, 1.0)
        for depth in (1, 2, 4, 6)
    ]
    gap, discount, depth, flip, exact = np.array(trees).T
    claimed = np.array([tree_radius(g, d, int(h)) for g, d, h, *_ in trees])
    terminal = [
        (g, h, _tree_flip(g, 1.0, h, True), _tree_exact(g, 1.0, h, True))
        for g in (0.1, 2.0)
        for h in (1, 2, 4, 6)
    ]
    end_gap, end_depth, end_flip, end_exact = np.array(terminal).T
    anywhere = [_random_terminal(rng) for _ in range(40)]
    any_gap, any_exact = np.array(anywhere).T
    wide = {"gap": gaps, "discount": discounts}
    tree = {"gap": gap, "discount": discount, "depth": depth}
    end = {"gap": end_gap, "depth": end_depth}
    return (
        Check("flip of two branches", "==", flips, guaranteed(gaps, discounts), wide),
        Check("first breakpoint", "==", np.array(along), guaranteed(gaps, discounts), wide),
        Check("flip of a tree", "==", flip, claimed, tree),
        Check("exact radius of a tree", "==", exact, claimed, tree),
        Check("flip of a tree, end rewards", "==", end_flip, terminal_radius(end_gap), end),
        Check("exact radius, end rewards", "==", end_exact, terminal_radius(end_gap), end),
        Check("exact radius, any end rewards", "==", any_exact, terminal_radius(any_gap)),
        at_the_radius("the policy moves", rng, guaranteed, thm_2_7.policy_moves),
    )


def _flipped(mdp: FiniteMDP, size: float) -> bool:
    q = optimal_q(tilt(mdp, size), tol=1e-12)
    return bool(q[0, 1] >= q[0, 0])


def _first_breakpoint(gap: float, discount: float) -> float:
    mdp = two_branches(gap, discount)
    direction = tilt(mdp, 1.0).rewards - mdp.rewards
    return float(policy_breakpoints(mdp, direction, (0.0, 3 * gap)).epsilons[0])


def _tree(gap: float, discount: float, depth: int, tilt_by: float, end_only: bool) -> TokenTree:
    """Two tokens; the first choice has the gap, every later one a larger gap."""
    rewards = []
    for t in range(depth):
        level = np.zeros((2**t, 2))
        level[:, 0] = gap if t == 0 else 4 * gap
        first_token = (np.arange(2**t) % 2)[:, None] if t else np.array([[0, 1]])
        if t == depth - 1 or not end_only:
            level = level + tilt_by * np.where(first_token == 0, -1.0, 1.0)
        rewards.append(level)
    return TokenTree("ab", depth, rewards, discount, end_of_sequence=None)


def _tree_flip(gap: float, discount: float, depth: int, end_only: bool) -> float:
    def flipped(size: float) -> bool:
        root = _tree(gap, discount, depth, size, end_only).optimal_q()[0][0]
        return bool(root[1] >= root[0])

    return smallest_size(flipped, 3 * gap)


def _tree_exact(gap: float, discount: float, depth: int, end_only: bool) -> float:
    tree = _tree(gap, discount, depth, 0.0, end_only)
    return float(np.float64(stability_radius(tree, tree.terminal() if end_only else None).exact))


def _random_terminal(rng: np.random.Generator) -> tuple[float, float]:
    """Smallest gap and exact radius of a tree whose completions have random rewards."""
    depth, tokens = int(rng.integers(1, 6)), "abc"[: int(rng.integers(1, 4))]
    tree = TokenTree.from_completions(tokens, depth, lambda _: rng.normal())
    radius, _ = worst_direction(tree, tree.terminal())
    return float(stability_radius(tree).gap), radius


def counterexample() -> Counterexample:
    """A tie in a single state: the radius is zero."""
    mdp = two_branches(gap=0.0, discount=0.5)
    flips = [_flipped(mdp, size) and not _flipped(mdp, -size) for size in (1e-3, 1e-6, 1e-9)]
    radius = float(stability_radius(mdp).guaranteed)
    return Counterexample(
        dropped="one optimal action in every state",
        text="Two branches of equal worth: tilts of $10^{-3}$, $10^{-6}$ and $10^{-9}$ all flip "
        "the policy, so no positive radius exists.",
        evidence={"smallest flip tried": 1e-9, "radius": radius},
        fails=all(flips) and radius == 0,
    )
