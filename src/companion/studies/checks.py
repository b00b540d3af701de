"""Runs made now against recorded ones."""

from collections.abc import Iterable

import pandas as pd
from numpy.typing import ArrayLike

from companion.errors import CompanionError
from companion.studies.session import chosen
from companion.studies.statistics import next_run_interval

Compared = tuple[str, ArrayLike, float]
"""What is compared; (starts,) what recorded runs of the same recipe measured; what the new run
measures."""

_FALSELY_OUTSIDE = 0.01  # of the tables: one in a hundred


def live_checks(
    compared: Iterable[Compared],
    possible: tuple[float, float] = (0.0, 1.0),
    tier: str = "tiny",
    *,
    of: str = "tiny",
    noise: float = 0.0,
) -> pd.DataFrame:
    """The table that compares runs made now with the recorded ones.

    All runs of a page belong into one table: their intervals are widened together, so that one of
    them is falsely outside in one table of a hundred (Bonferroni).

    Args:
        compared: the lines, see ``Compared``.
        possible: the least and the greatest value there is.
        tier: of the new runs.
        of: tier of the recorded runs, which say nothing of another, nor of a recipe that the
            reader of the page changed (``companion.studies.session``).
        noise: of one measurement, by which the intervals are wider: runs that agree by chance do
            not say that the next one must.

    Returns:
        Columns ``compared``, ``now``, ``expected from`` and ``to``, the interval of
        ``next_run_interval`` cut to what is possible; for another tier or recipe dashes in its
        place.

    Raises:
        CompanionError: if a run falls outside; or if an interval takes up half of what is
            possible, since a run that went wrong could then fall inside.
    """
    lines = list(compared)
    comparable = tier == of and not chosen().differs(of)
    level = 1 - _FALSELY_OUTSIDE / max(len(lines), 1)
    rows = []
    for name, recorded, now in lines:
        row: dict[str, object] = {"compared": name, "now": now, "expected from": "–", "to": "–"}
        if comparable:
            low, high = _expected(name, recorded, level, possible, noise)
            if not low <= now <= high:
                raise CompanionError(
                    f"{name}: now {now:.4g}, expected {low:.4g} to {high:.4g} by the recorded runs"
                )
            row |= {"expected from": low, "to": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _expected(
    name: str,
    recorded: ArrayLike,
    level: float,
    possible: tuple[float, float],
    noise: float,
) -> tuple[float, float]:
    least, greatest = possible
    interval = next_run_interval(recorded, level)
    low, high = max(interval.low - noise, least), min(interval.high + noise, greatest)
    if high - low > (greatest - least) / 2:
        raise CompanionError(f"{name}: expected {low:.4g} to {high:.4g}, too wide to tell anything")
    return low, high
