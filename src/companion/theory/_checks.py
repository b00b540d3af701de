"""Validation shared by the whole package: every message names the argument and its value."""

from fractions import Fraction
from numbers import Rational, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Either float64 or, where rewards came as rationals, object arrays of `fractions.Fraction`.
Array: TypeAlias = NDArray[Any]


def to_fraction(name: str, value: Any) -> Fraction:
    """The exact value of an int, float, Fraction or SymPy Rational; else a ValueError."""
    try:
        if isinstance(value, Rational):  # SymPy registers its Rational here
            return Fraction(int(value.numerator), int(value.denominator))
        if isinstance(value, Real):
            return Fraction(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must hold finite rational numbers, got {value!r}")


def fractions(name: str, values: ArrayLike) -> Array:
    """`values` as an object array of Fractions, entry by entry exact."""
    given = np.asarray(values)
    exact = np.empty(given.size, dtype=object)
    exact[:] = [to_fraction(name, value) for value in given.flat]
    return exact.reshape(given.shape)


def indicator(mask: NDArray[np.bool_], *, exact: bool) -> Array:
    """`mask` as zeros and ones, floats or Fractions."""
    zero_one = np.array([Fraction(0), Fraction(1)], dtype=object if exact else np.float64)
    return zero_one[mask.astype(np.intp)]


def is_exact(values: Any) -> bool:
    """Whether an array holds rationals (object dtype) rather than floats."""
    return np.asarray(values).dtype == object


def real_array(name: str, values: ArrayLike, ndim: int | None = None) -> Array:
    """`values` as float64, or as Fractions if it holds objects; finite, non-empty, `ndim` axes."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of real numbers: {error}") from None
    exact = array.dtype == object
    if not exact and array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    array = fractions(name, array) if exact else array.astype(np.float64, copy=False)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}")
    if not exact:
        refuse(name, array, ~np.isfinite(array), "must be finite")
    return array


def refuse(name: str, array: Array, bad: NDArray[np.bool_], rule: str) -> None:
    """Raise a ValueError that points at the first entry of `array` where `bad` holds."""
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        index = ", ".join(map(str, where))
        raise ValueError(f"{name} {rule}, got {name}[{index}] = {array[where]}")


def positive(name: str, value: Any) -> float:
    """`value` as a float that is finite and above zero."""
    if not isinstance(value, Real) or not 0 < float(value) < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def non_negative(name: str, value: Any) -> Any:
    """`value` itself (float or rational), finite and at least zero."""
    if not isinstance(value, Real) or not 0 <= float(value) < np.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
    return value


def discount_factor(value: Any, *, exact: bool, one_allowed: bool = False) -> Any:
    """`value` in [0, 1), or [0, 1] for finite horizons, as a float or an exact Fraction."""
    number: Any = value
    inside = isinstance(value, Real) and (0 <= number < 1 or (one_allowed and number == 1))
    if not inside:
        raise ValueError(f"discount must lie in [0, 1{']' if one_allowed else ')'}, got {value!r}")
    return to_fraction("discount", value) if exact else float(value)


def distributions(name: str, values: ArrayLike, axis: int = -1) -> Array:
    """`values`, which must sum to one along `axis` (floats to 1e-9, rationals exactly)."""
    array = real_array(name, values)
    refuse(name, array, array < 0, "must not be negative")
    totals = array.sum(axis=axis, keepdims=True)
    off = totals != 1 if array.dtype == object else np.abs(totals - 1) > ROW_SUM_TOLERANCE
    if np.any(off):
        total = np.asarray(totals)[np.asarray(off)].flat[0]
        raise ValueError(f"{name} must sum to 1 along axis {axis}, got a sum of {total}")
    return array


ROW_SUM_TOLERANCE = 1e-9
