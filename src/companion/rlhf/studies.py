"""Recorded case studies: reading their runs, and intervals over seeds."""

import shutil
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from companion.errors import CompanionError
from companion.rlhf.records import CHECKSUMS, Record, close_record, read_record


def read_study(folder: Path) -> list[Record]:
    """All records of a folder, each compared with its checksums, in the order of their names.

    Raises:
        CompanionError: if there are none, or one is corrupt.
    """
    records = [read_record(path) for path in sorted(folder.iterdir()) if path.is_dir()]
    if not records:
        raise CompanionError(f"{folder}: no records")
    return records


def archive(records: Iterable[Record], folder: Path, splits: tuple[str, ...]) -> None:
    """Copy records into a study's folder, small enough for the repository.

    The copy keeps the distribution over the prompts of ``splits`` alone, its log-probabilities in
    single precision (an error of 1e-6 at most, relative to their size), and its own checksums.
    """
    for record in records:
        part = folder / f"{record.path.name}.part"
        shutil.copytree(record.path, part, ignore=shutil.ignore_patterns(CHECKSUMS, "policy"))
        table = record.distribution
        kept = table[table["split"].isin(splits)]
        single = kept.astype({"start_logprob": "float32", "logprob": "float32"})
        single.to_parquet(part / "distribution.parquet", index=False, compression="zstd")
        close_record(part, folder / record.path.name)


def merged(table: pd.DataFrame, of: Callable[[str], Hashable]) -> pd.DataFrame:
    """A record's table with completions merged into classes, such as their form.

    Args:
        table: columns ``prompt``, ``completion``, ``start_logprob``, ``logprob``.
        of: the class of a completion; it takes the completion's place.
    """
    columns = ["start_logprob", "logprob"]
    classes = table["completion"].map({c: of(c) for c in table["completion"].unique()})
    keys = [table["prompt"], classes]
    masses = np.exp(table[columns].astype(float)).groupby(keys, sort=False).sum()
    return np.log(masses).reset_index()


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


def mean_and_interval(values: ArrayLike) -> str:
    """Mean over seeds and its 95 % bootstrap interval, as a table shows them: mean [low, high].

    Args:
        values: (seeds,) one number a seed; for paired comparisons the differences.

    Raises:
        ValueError: as ``bootstrap_interval`` does.
    """
    low, high = bootstrap_interval(values)
    return f"{_sample(values).mean():.3f} [{low:.3f}, {high:.3f}]"


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


def live_check(
    name: str,
    recorded: ArrayLike,
    now: float,
    possible: tuple[float, float] = (0.0, 1.0),
    tier: str = "tiny",
) -> dict[str, str | float]:
    """A line of the table that compares a run made now with the recorded ones.

    Args:
        name: what is compared.
        recorded: (seeds,) what the recorded runs of the same recipe measured.
        now: what the new run measures.
        possible: the least and the greatest value there is.
        tier: of the new run. The records are of tier ``tiny`` and say nothing of another.

    Returns:
        ``{"compared": name, "now": now, "expected from": low, "to": high}``, the interval of
        ``next_run_interval`` cut to what is possible; at another tier dashes in its place.

    Raises:
        CompanionError: if the run falls outside; or if the interval takes up half of what is
            possible, since a run that went wrong could then fall inside.
    """
    if tier != "tiny":
        return {"compared": name, "now": now, "expected from": "–", "to": "–"}
    least, greatest = possible
    low, high = next_run_interval(recorded)
    low, high = max(low, least), min(high, greatest)
    expected = f"expected {low:.4g} to {high:.4g}"
    if high - low > (greatest - least) / 2:
        raise CompanionError(f"{name}: {expected}, too wide to tell anything")
    if not low <= now <= high:
        raise CompanionError(f"{name}: now {now:.4g}, {expected} by the recorded runs")
    return {"compared": name, "now": now, "expected from": low, "to": high}


def _sample(values: ArrayLike) -> np.ndarray:
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or sample.size < 2 or not np.isfinite(sample).all():
        raise ValueError(f"values must be two or more finite numbers, got {values!r}")
    return sample
