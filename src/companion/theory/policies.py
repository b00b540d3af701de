"""Optimal actions, the selections the paper compares, and the distance between policies."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from companion.theory._checks import (
    Array,
    indicator,
    is_exact,
    non_negative,
    positive,
    real_array,
    to_fraction,
)

TieBreak = Literal["first", "last"] | Sequence[int]


def optimal_actions(q: ArrayLike, atol: Any = 0.0) -> NDArray[np.bool_]:
    """A*(s; R) = argmax_a Q(s, a) as a mask of shape (S, A), for q of shape (S, A).

    An action counts as optimal when it is within `atol` of the best. Zero, the default, is right
    for exact q; for a q solved in floats give an `atol` above its error bound.
    """
    values = real_array("q", q, ndim=2)
    slack = non_negative("atol", atol)
    if is_exact(values):
        slack = to_fraction("atol", slack)
    return values >= values.max(axis=1, keepdims=True) - slack


def greedy_policy(q: ArrayLike, tie_break: TieBreak = "first", atol: Any = 0.0) -> Array:
    """The deterministic selection of Prop 2.9: one optimal action per state, one-hot (S, A).

    The paper's M_RL *selects* from the optimal actions (`optimal_actions(q, atol)`), so the rule
    is explicit: "first" takes the lowest index, "last" the highest, and a sequence that lists all
    actions takes the one listed earliest.
    """
    optimal = optimal_actions(q, atol)
    order = _preference(tie_break, optimal.shape[1])
    chosen = order[np.argmax(optimal[:, order], axis=1)]
    return indicator(chosen[:, None] == np.arange(order.size), exact=is_exact(q))


def uniform_policy(q: ArrayLike, atol: Any = 0.0) -> Array:
    """The uniform selection of Prop 2.10: equal mass on `optimal_actions(q, atol)`, (S, A)."""
    mass = indicator(optimal_actions(q, atol), exact=is_exact(q))
    return mass / mass.sum(axis=1, keepdims=True)


def softmax_policy(q: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """π(a | s) ∝ exp(Q(s, a) / temperature), shape (S, A): Prop 4.7's optimal policy."""
    values = real_array("q", q, ndim=2).astype(np.float64)
    scale = positive("temperature", temperature)
    # Subtracted before dividing, so that a tiny temperature overflows to exp(-inf) = 0, not to nan.
    with np.errstate(over="ignore"):
        return softmax((values - values.max(axis=1, keepdims=True)) / scale, axis=1)


def total_variation(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """d_TV(p, q) = ½ Σ |p − q| along `axis`; rationals in, rationals out."""
    first, second = real_array("p", p), real_array("q", q)
    if first.shape != second.shape:
        raise ValueError(f"p and q must have one shape, got {first.shape} and {second.shape}")
    return np.abs(first - second).sum(axis=axis) / 2


def _preference(tie_break: TieBreak, actions: int) -> NDArray[np.intp]:
    if isinstance(tie_break, str):
        if tie_break not in ("first", "last"):
            raise ValueError(f"tie_break must be 'first', 'last' or an order, got {tie_break!r}")
        return np.arange(actions)[:: 1 if tie_break == "first" else -1]
    order = np.asarray(tie_break)
    if order.shape != (actions,) or set(order.tolist()) != set(range(actions)):
        raise ValueError(f"tie_break must list each of {actions} actions once, got {tie_break!r}")
    return order.astype(np.intp)
