"""The table of a page that compares runs made now with the recorded ones."""

from numpy.typing import ArrayLike

from companion.errors import CompanionError
from companion.studies.session import chosen
from companion.studies.statistics import next_run_interval


def live_check(
    name: str,
    recorded: ArrayLike,
    now: float,
    possible: tuple[float, float] = (0.0, 1.0),
    tier: str = "tiny",
    *,
    of: str = "tiny",
    rounding: float = 0.0,
    checks: int = 1,
) -> dict[str, str | float]:
    """A line of the table that compares a run made now with the recorded ones.

    Args:
        name: what is compared.
        recorded: (starts,) what the recorded runs of the same recipe measured.
        now: what the new run measures.
        possible: the least and the greatest value there is.
        tier: of the new run.
        of: tier of the recorded runs, which say nothing of another, nor of a recipe that the
            reader of the page changed (``companion.studies.session``).
        rounding: largest error of the recorded numbers; the interval is wider by it.
        checks: how many such lines the table has; one of them is then falsely outside in one table
            of a hundred (Bonferroni).

    Returns:
        ``{"compared": name, "now": now, "expected from": low, "to": high}``, the interval of
        ``next_run_interval`` cut to what is possible; for another tier or recipe dashes in its
        place.

    Raises:
        CompanionError: if the run falls outside; or if the interval takes up half of what is
            possible, since a run that went wrong could then fall inside.
    """
    if tier != of or chosen().differs(of):
        return {"compared": name, "now": now, "expected from": "–", "to": "–"}
    least, greatest = possible
    interval = next_run_interval(recorded, 1 - 0.01 / checks)
    low, high = max(interval.low - rounding, least), min(interval.high + rounding, greatest)
    expected = f"expected {low:.4g} to {high:.4g}"
    if high - low > (greatest - least) / 2:
        raise CompanionError(f"{name}: {expected}, too wide to tell anything")
    if not low <= now <= high:
        raise CompanionError(f"{name}: now {now:.4g}, {expected} by the recorded runs")
    return {"compared": name, "now": now, "expected from": low, "to": high}
