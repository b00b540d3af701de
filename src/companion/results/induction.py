"""Sums, maxima and recursions of any length: the inductions that several results share.

Each is one ``induct``: quantities built up one element at a time, and a property of them.
"""

from collections.abc import Callable

import z3

from companion.results.base import Proof, induct, prove
from companion.results.elementary import absolute, maximum

Bound = Callable[[z3.ArithRef, z3.ArithRef], z3.ArithRef]


def maximum_is_nonexpansive() -> Proof:
    """|max f − max g| ≤ max |f − g|, for any number of actions."""
    f, g = z3.Reals("f g")

    def step(f_max: z3.ArithRef, g_max: z3.ArithRef, most: z3.ArithRef) -> tuple:
        return maximum(f_max, f), maximum(g_max, g), maximum(most, absolute(f - g))

    return induct((f, g, absolute(f - g)), step, lambda F, G, D: absolute(F - G) <= D)


def maximum_rises_within() -> Proof:
    """0 ≤ max (q + b) − max q ≤ ε if 0 ≤ b ≤ ε everywhere, for any number of actions."""
    q, lift, eps = z3.Reals("q lift eps")

    def step(before: z3.ArithRef, after: z3.ArithRef) -> tuple:
        return maximum(before, q), maximum(after, q + lift)

    return induct(
        (q, q + lift),
        step,
        lambda before, after: z3.And(before <= after, after <= before + eps),
        lift >= 0,
        lift <= eps,
    )


def average_stays_within() -> Proof:
    """Σ p x between Σ p times the least and the largest x, for any number of weights p ≥ 0."""
    p, x, low, high = z3.Reals("p x low high")
    return induct(
        (p, p * x),
        lambda mass, total: (mass + p, total + p * x),
        lambda mass, total: z3.And(mass >= 0, low * mass <= total, total <= high * mass),
        p >= 0,
        low <= x,
        x <= high,
    )


def hoelder() -> Proof:
    """|Σ l r| ≤ ρ Σ |l| if every |r| ≤ ρ, for any number of terms."""
    weight, r, size = z3.Reals("weight r size")
    return induct(
        (absolute(weight), weight * r),
        lambda norm, total: (norm + absolute(weight), total + weight * r),
        lambda norm, total: z3.And(norm >= 0, absolute(total) <= size * norm),
        absolute(r) <= size,
    )


def hoelder_is_attained() -> Proof:
    """Σ l r = ρ Σ |l| for r = ρ sign(l), for any number of terms."""
    weight, size = z3.Reals("weight size")
    r = z3.If(weight >= 0, size, -size)
    return induct(
        (absolute(weight), weight * r),
        lambda norm, total: (norm + absolute(weight), total + weight * r),
        lambda norm, total: total == size * norm,
    )


def average_of_a_difference() -> Proof:
    """Σ p (x − c y) = Σ p x − c Σ p y, for any number of terms."""
    p, x, y, c = z3.Reals("p x y c")
    return induct(
        (p * x, p * y, p * (x - c * y)),
        lambda xs, ys, both: (xs + p * x, ys + p * y, both + p * (x - c * y)),
        lambda xs, ys, both: both == xs - c * ys,
    )


def fixed_point_moves_at_most(bound: Bound) -> Proof:
    """The Bellman step: if the largest difference D obeys D ≤ δ + γ D, then D ≤ bound(δ, γ).

    At the pair where it is attained the difference is that of the rewards, at most δ, plus γ times
    an average of differences of values, each at most D.
    """
    largest, reward, average, delta, gamma = z3.Reals("largest reward average delta gamma")
    return prove(
        largest <= bound(delta, gamma),
        largest == absolute(reward + gamma * average),
        absolute(reward) <= delta,
        absolute(average) <= largest,
        gamma >= 0,
        gamma < 1,
    )


def no_rise_without_reward() -> Proof:
    """D = 0 if D is at most γ times an average of numbers of size at most D: uniqueness."""
    largest, average, gamma = z3.Reals("largest average gamma")
    return prove(
        largest == 0,
        largest == absolute(gamma * average),
        absolute(average) <= largest,
        gamma >= 0,
        gamma < 1,
    )
