"""Optimal actions, the selections the paper compares, and the distance between policies."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from companion.theory._checks import (
    Array,
    distributions,
    floats,
    indicator,
    is_exact,
    non_negative,
    plain,
    positive,
    real_array,
    shown,
    to_fraction,
    whole,
)

TieBreak = Literal["first", "last"] | Sequence[int]


def optimal_actions(q: ArrayLike, atol: Any = 0.0) -> NDArray[np.bool_]:
    """A*(s; R) = argmax_a Q(s, a) as a mask of shape (S, A), for q of shape (S, A).

    An action counts as optimal when it is within `atol` of the best. Zero, the default, is right
    for exact q; for a q solved in floats give an `atol` above its error bound.
    """
    values = real_array("q", q, ndim=2)
    slack = non_negative("atol", atol)
    slack = to_fraction("atol", slack) if is_exact(values) else float(slack)
    return values >= values.max(axis=1, keepdims=True) - slack


def greedy_policy(q: ArrayLike, tie_break: TieBreak = "first", atol: Any = 0.0) -> Array:
    """The deterministic selection of Prop 2.9: one optimal action per state, one-hot (S, A).

    The paper's M_RL *selects* from the optimal actions (`optimal_actions(q, atol)`), so the rule
    is explicit: "first" takes the lowest index, "last" the highest, and a sequence that lists all
    actions takes the one listed earliest.
    """
    values = real_array("q", q, ndim=2)
    optimal = optimal_actions(values, atol)
    order = _preference(tie_break, optimal.shape[1])
    chosen = order[np.argmax(optimal[:, order], axis=1)]
    return indicator(chosen[:, None] == np.arange(order.size), exact=is_exact(values))


def uniform_policy(q: ArrayLike, atol: Any = 0.0) -> Array:
    """The uniform selection of Prop 2.10: equal mass on `optimal_actions(q, atol)`, (S, A).

    >>> uniform_policy([[1.0, 1.0, 0.0]]).tolist()
    [[0.5, 0.5, 0.0]]
    """
    values = real_array("q", q, ndim=2)
    mass = indicator(optimal_actions(values, atol), exact=is_exact(values))
    return mass / mass.sum(axis=1, keepdims=True)


def softmax_policy(q: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """π(a | s) ∝ exp(Q(s, a) / temperature), shape (S, A): Prop 4.7's optimal policy."""
    values = floats("q", real_array("q", q, ndim=2))
    scale = positive("temperature", temperature)
    # Subtracted before dividing, so that a tiny temperature overflows to exp(-inf) = 0, not to nan.
    with np.errstate(over="ignore"):
        return softmax((values - values.max(axis=1, keepdims=True)) / scale, axis=1)


def total_variation(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """d_TV(p, q) = ``½ Σ |p − q|`` along `axis`, for distributions along it.

    Rationals in, rationals out; floats if either is. Raises ValueError where an entry is negative
    or masked or not finite, where sums along `axis` are not one (floats to 1e-9, rationals
    exactly), and for shapes that differ.

    >>> total_variation([0.5, 0.5, 0.0], [0.25, 0.25, 0.5]).item()
    0.5
    """
    first, second = (_along(name, given, axis) for name, given in (("p", p), ("q", q)))
    if first.shape != second.shape:
        raise ValueError(f"p and q must have one shape, got {first.shape} and {second.shape}")
    if is_exact(first) != is_exact(second):
        first, second = floats("p", first), floats("q", second)
    return np.abs(first - second).sum(axis=int(axis)) / 2


def _along(name: str, given: ArrayLike, axis: int) -> Array:
    """`given` as distributions along an axis that it must have."""
    array = real_array(name, given)
    if array.ndim == 0:
        raise ValueError(f"{name} must have an axis to sum along, got {shown(given)}")
    if whole("axis", axis, -array.ndim) >= array.ndim:
        raise ValueError(f"axis must be one of the {array.ndim} axes of {name}, got {axis}")
    return distributions(name, array, int(axis))


def _preference(tie_break: TieBreak, actions: int) -> NDArray[np.intp]:
    if isinstance(tie_break, str):
        if tie_break not in ("first", "last"):
            rule = shown(tie_break)
            raise ValueError(f"tie_break must be 'first', 'last' or an order, got {rule}")
        return np.arange(actions)[:: 1 if tie_break == "first" else -1]
    order = plain("tie_break", tie_break)
    listed = order.dtype.kind in "iu" and order.shape == (actions,)
    if not listed or set(order.tolist()) != set(range(actions)):
        order_given = shown(tie_break)
        raise ValueError(f"tie_break must list each of {actions} actions once, got {order_given}")
    return order.astype(np.intp)
