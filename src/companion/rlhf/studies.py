"""Recorded case studies: reading their runs, and intervals over seeds."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from companion.errors import CompanionError
from companion.rlhf.records import Record, read_record


def read_study(folder: Path) -> list[Record]:
    """All records of a folder, each compared with its checksums, in the order of their names.

    Raises:
        CompanionError: if there are none, or one is corrupt.
    """
    records = [read_record(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    if not records:
        raise CompanionError(f"{folder}: no records")
    return records


def bootstrap_interval(
    values: ArrayLike, level: float = 0.95, draws: int = 10_000
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over seeds (Efron 1979), the same on every call.

    Args:
        values: (seeds,) one number a seed; for paired comparisons the differences.
        level: coverage, in (0, 1).
        draws: resamples.

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    sample = _sample(values)
    picks = np.random.default_rng(0).integers(sample.size, size=(draws, sample.size))
    tail = (1 - level) / 2
    low, high = np.quantile(sample[picks].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def next_run_interval(values: ArrayLike, level: float = 0.99) -> tuple[float, float]:
    """Interval in which one more run of the same recipe falls (Student's prediction interval).

    Args:
        values: (seeds,) one number a seed, taken as draws from one normal distribution.
        level: coverage, in (0, 1).

    Raises:
        ValueError: for fewer than two values, or values that are not finite.
    """
    sample = _sample(values)
    quantile = stats.t.ppf((1 + level) / 2, sample.size - 1)
    reach = quantile * sample.std(ddof=1) * np.sqrt(1 + 1 / sample.size)
    return float(sample.mean() - reach), float(sample.mean() + reach)


def _sample(values: ArrayLike) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be two or more finite numbers, got {values!r}")
    return sample
