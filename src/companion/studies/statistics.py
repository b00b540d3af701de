"""Intervals and tests for studies: the unit is the supervised start.

Sampling seeds are nested in starts: repeats of one start are averaged first, so that ten runs from
two starts count as two. Conditions are compared start by start, since they share their starts.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW


@dataclass(frozen=True)
class Interval:
    """An estimate with the interval it lies in; printing shows both.

    >>> f"{Interval(0.81, -0.7, 0.92, n=5, kind='t'):.2f}"
    '0.81 [−0.70, 0.92]'

    Attributes:
        value: the estimate.
        low, high: ends of the interval.
        n: number of starts it rests on.
        kind: what made the interval: ``t``, ``exact`` or ``prediction``.
    """

    value: float
    low: float
    high: float
    n: int
    kind: str

    def __format__(self, spec: str) -> str:
        """Value and ends, each by ``spec`` (three decimals if empty), with real minus signs."""
        value, low, high = (signed(x, spec or ".3f") for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"

    def __str__(self) -> str:
        return format(self)

    def __mul__(self, factor: float) -> "Interval":
        """The interval in another unit: ``100 * interval`` in points."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Interval(self.value * factor, low, high, self.n, self.kind)

    __rmul__ = __mul__

    @property
    def ends(self) -> tuple[float, float]:
        """The two ends, for drawing."""
        return self.low, self.high

    @property
    def excludes_zero(self) -> bool:
        """Whether both ends lie on one side of 0."""
        return self.low > 0 or self.high < 0


def signed(number: float, spec: str = ".2f") -> str:
    """A number as the pages show it: no negative zero, a minus sign where there is a minus.

    >>> signed(-0.001), signed(-1.5), signed(0.25, "+.1%")
    ('0.00', '−1.50', '+25.0%')
    """
    text = format(float(number), spec)
    zero = format(0.0, spec)
    return zero if text.lstrip("+-") == zero.lstrip("+-") else text.replace("-", "−")


def per_start(values: ArrayLike, starts: Sequence[Hashable] | pd.Index | pd.Series) -> pd.Series:
    """Mean over the repeats of each start.

    Args:
        values: (runs,) one number a run.
        starts: (runs,) the start of each run.

    Returns:
        Indexed by start, in order.

    Raises:
        ValueError: if a value is not finite, or the two lengths differ.

    >>> per_start([0.1, 0.3, 0.8], starts=[0, 0, 1]).round(2).to_dict()
    {0: 0.2, 1: 0.8}
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all() or len(array) != len(starts):
        raise ValueError("values: must be finite numbers, one for each start in `starts`")
    return pd.Series(array).groupby(np.asarray(starts)).mean()


def mean_interval(
    values: ArrayLike,
    starts: Sequence[Hashable] | pd.Index | pd.Series | None = None,
    level: float = 0.95,
) -> Interval:
    """Mean over starts with Student's t interval (scipy).

    At five starts it covers 95 % for normal values; the percentile bootstrap covers 84 %.

    Args:
        values: (runs,) one number a run; for paired comparisons the differences.
        starts: (runs,) the start of each run, whose repeats are averaged first; ``None`` if each
            value is a start of its own.
        level: coverage, in (0, 1).

    Raises:
        ValueError: for fewer than two starts, or values that are not finite.

    >>> print(mean_interval([0.6, 0.7, 0.8]))
    0.700 [0.452, 0.948]
    """
    sample = _sample(values if starts is None else per_start(values, starts))
    mean = float(sample.mean())
    error = float(stats.sem(sample))
    reach = float(stats.t.ppf((1 + level) / 2, sample.size - 1)) * error
    return Interval(mean, mean - reach, mean + reach, sample.size, "t")


def of_condition(table: pd.DataFrame, condition: str, column: str = "value") -> pd.Series:
    """A column of a tidy measure under a condition, by start (see ``per_start``)."""
    part = table[table.condition == condition]
    return per_start(part[column], part.start)


def interval(table: pd.DataFrame, condition: str, column: str = "value") -> Interval:
    """``mean_interval`` of a column of a tidy measure under a condition."""
    return mean_interval(of_condition(table, condition, column))


def means_table(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Means over starts with their intervals, as a page shows them: a row a condition.

    Args:
        table: with columns ``condition`` and ``start``.
        columns: of it, and what the page calls them.
    """
    return pd.DataFrame(
        {"condition": name}
        | {
            title: f"{mean_interval(part[column], part.start):.2f}"
            for column, title in columns.items()
        }
        for name, part in table.groupby("condition", sort=False)
    )


def side_by_side(
    conditions: Sequence[str], measures: Mapping[str, tuple[pd.DataFrame, str]]
) -> pd.DataFrame:
    """Means over starts of several measures, as a page shows them: a row a condition.

    Args:
        conditions: the rows.
        measures: by title of the column, a tidy table and how its numbers are written. A measure
            that a condition does not have leaves a dash.
    """
    return pd.DataFrame(
        {"condition": name}
        | {
            title: format(interval(table, name), spec) if name in set(table.condition) else "–"
            for title, (table, spec) in measures.items()
        }
        for name in conditions
    )


def paired(a: pd.Series, b: pd.Series) -> pd.Series:
    """Differences ``a - b`` start by start.

    Args:
        a, b: indexed by start, one number a start (see ``per_start``).

    Raises:
        ValueError: if they are not about the same starts.
    """
    if set(a.index) != set(b.index):
        raise ValueError(f"starts: {sorted(set(a.index) ^ set(b.index))} are in one of two only")
    return a - b


def mean_test(differences: ArrayLike) -> float:
    """Two-sided p-value of Student's t test that a mean over starts is zero.

    Differences that are all the same number are taken at their word: p = 1 for zero, else 0.
    """
    sample = _sample(differences)
    if np.ptp(sample) == 0:
        return float(sample[0] == 0)
    return float(stats.ttest_1samp(sample, 0.0).pvalue)


def equivalence(differences: ArrayLike, margin: float) -> tuple[Interval, float]:
    """Two one-sided t tests (Schuirmann 1987) that a mean lies within ±margin of zero.

    Args:
        differences: (starts,) one number a start.
        margin: > 0, the largest mean that counts as no difference; to be stated beforehand.

    Returns:
        The 90 % interval, which lies within the margin if and only if p < 0.05; and p.
    """
    if not margin > 0:
        raise ValueError(f"margin: must be > 0, is {margin}")
    sample = _sample(differences)
    interval = mean_interval(sample, level=0.90)
    if np.ptp(sample) == 0:
        return interval, float(abs(sample[0]) >= margin)
    return interval, float(DescrStatsW(sample).ttost_mean(-margin, margin)[0])


def not_beyond(differences: ArrayLike, sign: int, margin: float) -> tuple[Interval, float]:
    """One-sided t test (scipy) that a mean is less than zero, or at most ``margin`` more.

    What trials call non-inferiority: that something falls or stays, with a rise so small that it
    counts as none.

    Args:
        differences: (starts,) one number a start.
        sign: -1 for "less, or at most ``margin`` more"; +1 for "more, or at most ``margin`` less".
        margin: > 0, the largest mean the wrong way that counts as none; to be stated beforehand.

    Returns:
        The 90 % interval, whose end on the wrong side lies within the margin if and only if
        p < 0.05; and p.

    >>> interval, p = not_beyond([-0.02, 0.01, 0.02], sign=-1, margin=0.1)
    >>> f"{interval:.2f}", p < 0.05
    ('0.00 [−0.03, 0.04]', True)
    """
    if not margin > 0 or sign not in (-1, 1):
        raise ValueError(f"margin: must be > 0 and sign -1 or 1, they are {margin} and {sign}")
    sample = _sample(differences)
    interval = mean_interval(sample, level=0.90)
    if np.ptp(sample) == 0:
        return interval, float(sign * sample[0] <= -margin)
    side = "greater" if sign > 0 else "less"
    return interval, float(stats.ttest_1samp(sample, -sign * margin, alternative=side).pvalue)


def share_interval(
    outcomes: ArrayLike, starts: Sequence[Hashable] | pd.Index | pd.Series, level: float = 0.95
) -> Interval:
    """Share of starts in which an all-or-nothing outcome occurs, with its exact interval.

    Clopper and Pearson's, over starts: a start counts if every one of its repeats shows the
    outcome, so repeats never add evidence that they do not have.

    Args:
        outcomes: (runs,) whether a run shows the outcome.
        starts: (runs,) the start of each run.

    >>> f"{share_interval([True] * 5, starts=range(5)):.2f}"  # five of five is not yet certainty
    '1.00 [0.48, 1.00]'
    """
    shown = _by_start(outcomes, starts)
    result = stats.binomtest(int(shown.sum()), len(shown)).proportion_ci(level, method="exact")
    return Interval(float(shown.mean()), result.low, result.high, len(shown), "exact")


def share_difference(a: pd.Series, b: pd.Series, level: float = 0.95) -> Interval:
    """Difference of two shares of starts; its interval covers at least ``level``.

    The ends are those of the two exact intervals, each at half the error (Bonferroni).

    Args:
        a, b: indexed by start, whether the start shows the outcome.
    """
    one, other = (share_interval(x, x.index, (1 + level) / 2) for x in (a, b))
    low, high = one.low - other.high, one.high - other.low
    return Interval(one.value - other.value, low, high, one.n, "exact")


def share_test(a: pd.Series, b: pd.Series) -> float:
    """Exact p-value that an outcome is as frequent under ``a`` as under ``b`` (McNemar's test).

    Args:
        a, b: indexed by start, whether the start shows the outcome.
    """
    one, other = a.astype(bool), b.reindex(a.index).astype(bool)
    table = [[(one & other).sum(), (one & ~other).sum()], [(~one & other).sum(), 0]]
    return float(mcnemar(table, exact=True).pvalue)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values corrected for their number by Holm's procedure (statsmodels).

    >>> {name: round(p, 3) for name, p in holm({"first": 0.01, "second": 0.04}).items()}
    {'first': 0.02, 'second': 0.04}
    """
    if not p_values:
        return {}
    corrected = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(p) for name, p in zip(p_values, corrected, strict=True)}


def next_run_interval(values: ArrayLike, level: float = 0.99) -> Interval:
    """Interval in which one more run of the same recipe falls (Student's prediction interval).

    Args:
        values: (starts,) one number a start, taken as draws from one normal distribution.
        level: coverage, in (0, 1).

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    sample = _sample(values)
    quantile = stats.t.ppf((1 + level) / 2, sample.size - 1)
    reach = float(quantile * sample.std(ddof=1) * np.sqrt(1 + 1 / sample.size))
    mean = float(sample.mean())
    return Interval(mean, mean - reach, mean + reach, sample.size, "prediction")


def _by_start(outcomes: ArrayLike, starts: Sequence[Hashable] | pd.Index | pd.Series) -> pd.Series:
    shown = np.asarray(outcomes)
    if not np.isin(shown, (0, 1)).all() or len(shown) != len(starts) or not len(shown):
        raise ValueError("outcomes: must be true or false, one for each start in `starts`")
    return pd.Series(shown.astype(bool)).groupby(np.asarray(starts)).all()


def _sample(values: ArrayLike) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be two or more finite numbers, got {values!r}")
    return sample
