"""Validation shared by the whole package: every message names the argument and its value."""

import operator
import sys
from fractions import Fraction
from numbers import Rational, Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Either float64 or, where rewards came as rationals, object arrays of `fractions.Fraction`.
Array: TypeAlias = NDArray[Any]

ROW_SUM_TOLERANCE = 1e-9
# Numbers up to this size can be added and subtracted a few times without becoming infinite.
LARGEST = sys.float_info.max / 16
LARGEST_ARRAY = 2**32


def to_fraction(name: str, value: Any) -> Fraction:
    """The exact value of an int, float, Fraction or SymPy Rational; else a ValueError."""
    try:
        if isinstance(value, Rational):  # SymPy registers its Rational here
            return Fraction(int(value.numerator), int(value.denominator))
        if isinstance(value, np.floating):  # a long double holds more than a float
            return Fraction(*value.as_integer_ratio())
        if isinstance(value, Real):
            return Fraction(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must hold finite rational numbers, got {shown(value)}")


def shown(value: Any) -> str:
    """`value` as it stands in a message: on one line, and not all of it where it is long."""
    if isinstance(value, Rational):
        bits = max(int(n).bit_length() for n in (value.numerator, value.denominator))
        return str(value) if bits <= 256 else f"a rational of {bits} bits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 200 else f"{text[:200]}…"


def plain(name: str, values: Any) -> NDArray[Any]:
    """`values` as an array; masked entries are refused, as NumPy would silently unmask them."""
    if _masked(values):
        raise ValueError(f"{name} must not have masked entries")
    try:
        array = np.asarray(values)
        if array.dtype == object and hasattr(values, "dtypes"):
            return _nullable(values)
        return array
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from None


def _nullable(frame: Any) -> NDArray[Any]:
    """A pandas object as an array of floats or bools where its columns hold such or may miss it."""
    kinds = {
        getattr(dtype, "kind", "O") for dtype in np.ravel(np.array(frame.dtypes, dtype=object))
    }
    if kinds == {"b"}:
        return frame.to_numpy(dtype=bool)
    return frame.to_numpy(dtype=np.float64 if kinds <= set("biuf") else object)


def _masked(values: Any) -> bool:
    if isinstance(values, np.ma.MaskedArray):
        return bool(np.ma.is_masked(values))
    return isinstance(values, list | tuple) and any(_masked(value) for value in values)


def frozen(array: Array, order: Any = "C") -> Array:
    """A read-only copy, so that what the caller does to its own array later changes nothing."""
    copy = np.array(array, order=order)
    copy.flags.writeable = False
    return copy


def floats(name: str, values: Array) -> NDArray[np.float64]:
    """`values` as float64; a ValueError where one is too large for that."""
    if is_exact(values):
        too_large = np.abs(values) > Fraction(sys.float_info.max)
        refuse(name, values, too_large, "must fit in floats")
    with np.errstate(over="ignore"):
        return values.astype(np.float64, copy=False)


def bounded(name: str, size: float, limit: float = LARGEST) -> None:
    """Refuse numbers of a size at which their sums could become infinite in floats."""
    if not size <= limit:
        raise ValueError(
            f"{name} must stay below {limit:.3g} so that sums of them fit in floats, "
            f"got {size:.3g}: scale them, or give Fractions"
        )


def feasible(name: str, base: int, power: int, each: int) -> None:
    """Refuse to list base^power things of `each` numbers where no memory would hold them."""
    if max(power, 1) * each * base ** min(power, 64) > LARGEST_ARRAY:
        raise ValueError(f"{name} too many: {shown(base)}^{shown(power)} of {each} numbers each")


def whole(name: str, value: Any, least: int) -> int:
    """`value` as an int: any integer type, at least `least`."""
    try:
        number = int(operator.index(value))
    except TypeError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {shown(value)}")
    return number


def fractions(name: str, values: ArrayLike) -> Array:
    """`values` as an object array of Fractions, entry by entry exact."""
    given = plain(name, values)
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
    array = plain(name, values)
    exact = array.dtype == object
    if not exact and array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    array = fractions(name, array) if exact else floats(name, array)
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
        value = array[where]
        text = shown(value) if isinstance(value, Fraction) else value
        raise ValueError(f"{name} {rule}, got {name}[{index}] = {text}")


def positive(name: str, value: Any) -> float:
    """`value` as a float that is finite and above zero."""
    number = _float(value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {shown(value)}")
    return number


def non_negative(name: str, value: Any) -> Any:
    """`value` itself (float or rational), finite and at least zero."""
    if not 0 <= _float(value) < np.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, got {shown(value)}")
    return value


def _float(value: Any) -> float:
    """A real number as a float, infinite where it is too large for one; nan for anything else."""
    try:
        return float(value) if isinstance(value, Real) else np.nan
    except OverflowError:
        return np.inf


def discount_factor(value: Any, *, exact: bool, one_allowed: bool = False) -> Any:
    """`value` in [0, 1), or [0, 1] for finite horizons, as a float or an exact Fraction."""
    number: Any = value
    inside = isinstance(value, Real) and (0 <= number < 1 or (one_allowed and number == 1))
    if not inside:
        end = "]" if one_allowed else ")"
        raise ValueError(f"discount must lie in [0, 1{end}, got {shown(value)}")
    if exact:
        return to_fraction("discount", value)
    if float(number) == 1 and not one_allowed:
        raise ValueError(f"discount must be below 1 as a float, got {shown(value)}; give Fractions")
    return float(number)


def distributions(name: str, values: ArrayLike, axis: int = -1) -> Array:
    """`values`, which must sum to one along `axis` (floats to 1e-9, rationals exactly)."""
    array = real_array(name, values)
    refuse(name, array, array < 0, "must not be negative")
    with np.errstate(over="ignore"):
        totals = array.sum(axis=axis, keepdims=True)
    off = totals != 1 if array.dtype == object else np.abs(totals - 1) > ROW_SUM_TOLERANCE
    if np.any(off):
        total = np.asarray(totals)[np.asarray(off)].flat[0]
        raise ValueError(f"{name} must sum to 1 along axis {axis}, got a sum of {total}")
    return array
