"""Lemma 4.2: the effective reward is 1-Lipschitz in the tuple of rewards."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    induct,
    prove,
    tex,
)
from companion.results.elementary import absolute
from companion.results.induction import average_of_a_difference, average_stays_within
from companion.results.samples import mixtures
from companion.theory import effective_reward

ITEM = "Lemma 4.2"
TITLE = "The effective reward is 1-Lipschitz in the rewards"
CHAPTER = 7
uses: tuple[str, ...] = ()

STATEMENT = r"""
Let $w_1, \dots, w_K$ be continuous functions on $S$ with $w_k(s) \ge 0$ and
$\sum_k w_k(s) = 1$, not depending on the rewards, and
$R_{\mathrm{eff}}(s, a) = \sum_k w_k(s) R_k(s, a)$. Then $R_{\mathrm{eff}}$ is continuous if every
$R_k$ is, and
$$\lVert R_{\mathrm{eff}} - R'_{\mathrm{eff}} \rVert_\infty
\le \max_k \lVert R_k - R'_k \rVert_\infty .$$

*Sharpness (ours).* Equality holds if all $R_k$ move by the same function.
"""


def bound(tuple_distance: Any) -> Any:
    """Bound on the sup distance of the effective rewards."""
    return tuple_distance


def symbolic() -> Derivation:
    """A convex combination of any number of terms is no larger than its largest term."""
    largest, mixed, value = z3.Reals("largest mixed value")
    within = prove(
        value <= bound(largest), value == absolute(mixed), -largest <= mixed, mixed <= largest
    )
    w, total, shared = z3.Reals("w total shared")
    weights_times_one = induct(
        (w, w * shared),
        lambda mass, total: (mass + w, total + w * shared),
        lambda mass, total: total == mass * shared,
    )
    attained = prove(total == bound(shared), total == 1 * shared)
    delta = sympy.Symbol("Delta", real=True)
    return Derivation(
        steps=(
            Step(
                "At one state and action, the change of the effective reward is a convex "
                "combination of the changes of the rewards.",
                r"R_{\mathrm{eff}} - R'_{\mathrm{eff}} = \sum_k w_k(s)\,(R_k - R'_k)",
                average_of_a_difference(),
            ),
            Step(
                "A convex combination lies between its extremes, so it is no larger in absolute "
                "value than its largest term, whatever their number.",
                r"\Bigl|\sum_k w_k d_k\Bigr| \le \max_k |d_k|",
                (average_stays_within(), within),
            ),
            Step(
                "Taking the supremum over states and actions gives the bound. It is attained: if "
                "all rewards move by the same $\\Delta$, so does the effective reward.",
                r"\sum_k w_k \Delta = \Bigl(\sum_k w_k\Bigr) \Delta = " + tex(bound(delta)),
                (weights_times_one, attained),
            ),
        ),
        scope="all of it for any number of rewards, and all real weights and changes (z3, by "
        "induction on the number of rewards).",
    )


def numeric(rng: np.random.Generator, repeats: int = 50) -> tuple[Check, ...]:
    """Random tuples and weights; the same change in all rewards attains the bound."""
    rows = []
    for _, rewards, weights in mixtures(rng, repeats):
        size = 10.0 ** rng.uniform(-3, 1)
        each = size * rng.uniform(-1, 1, size=rewards.shape)
        same = size * rng.uniform(-1, 1, size=rewards.shape[1:])
        before = effective_reward(rewards, weights)
        moved = [
            np.abs(effective_reward(rewards + c, weights) - before).max() for c in (each, same)
        ]
        rows.append((len(rewards), *moved, np.abs(each).max(), np.abs(same).max()))
    count, moved_each, moved_same, distance_each, distance_same = np.array(rows).T
    columns = {"rewards": count}
    return (
        Check("effective move, independent", "<=", moved_each, bound(distance_each), columns),
        Check("effective move, same change", "==", moved_same, bound(distance_same), columns),
    )


def counterexample() -> Counterexample:
    """Weights that sum to more than one: the effective reward moves further than any reward."""
    weights, change = np.array([1.0, 1.0]), np.array([1.0, 1.0])
    moved = float(weights @ change)
    return Counterexample(
        dropped="Σ_k w_k(s) = 1",
        text="Two rewards simply added (weights 1 and 1), both moved by 1: the sum moves by 2.",
        evidence={"largest move of a reward": 1.0, "move of the effective reward": moved},
        fails=moved > bound(1.0),
    )


def with_a_negative_weight() -> Counterexample:
    """Weights 2 and −1: they sum to one, and the effective reward moves further than any reward."""
    weights, change = np.array([2.0, -1.0]), np.array([1.0, -1.0])
    moved = float(weights @ change)
    return Counterexample(
        dropped="w_k(s) ≥ 0",
        text="Twice the first reward less the second, both moved by 1, against each other: the "
        "effective reward moves by 3.",
        evidence={
            "sum of the weights": float(weights.sum()),
            "largest move of a reward": 1.0,
            "move of the effective reward": moved,
        },
        fails=moved > bound(1.0),
    )


also_dropped = (with_a_negative_weight,)
