"""Training on advantages divided by their deviation: where it has no rest point (ours)."""

from math import log, sinh, tanh
from numbers import Integral
from typing import Any

from scipy.optimize import brentq

GUARD = 1e-4
"""What GRPO adds to the deviation before dividing by it."""

LARGEST = 1.2
"""coth u < u here, and so above the root whatever the number of ties."""


def collapse_threshold(ties: Any) -> float:
    """β_c(m): below this KL weight, normalised training on m tied answers has no rest point.

    m answers have equal reward and equal mass under the reference, one of them gets a bonus of any
    size, and the policy follows A = (r − E r)/σ(r) less β ∇KL. In log-odds 2u of the favoured
    answer the rest points solve cosh u = β (u + ½ log(m − 1)); a line through a convex function
    touches it at β_c = sinh u*, where coth u* = u* + ½ log(m − 1). It falls with m.

    Raises ValueError unless `ties` is a whole number of at least 2.

    >>> round(collapse_threshold(2), 4)  # at u* = coth u*
    1.5089
    """
    if not isinstance(ties, Integral) or isinstance(ties, bool) or ties < 2:
        raise ValueError(f"ties must be a whole number of at least 2, got {ties!r}")
    offset = log(int(ties) - 1) / 2

    def excess(u: float) -> float:
        return u + offset - 1 / tanh(u)

    # coth u > 1/u, so the excess is negative at 1/(offset + 2) ≤ ½.
    return sinh(brentq(excess, 1 / (offset + 2), LARGEST, xtol=1e-15, rtol=1e-14))
