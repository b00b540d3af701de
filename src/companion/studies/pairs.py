"""Studies of pretrained models: all conditions from one start, then the distances between them.

A distance between policies that write anything needs both policies' weights at once, so the runs
of a start are made together, compared, and their weights dropped.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.distances import distribution_distance
from companion.rlhf.records import Record
from companion.studies import tables
from companion.studies.store import Runs, import_records, study_folder
from companion.studies.study import Key, Study

SPLITS = ("train", "test")
SAMPLES = 64  # a prompt, half of each policy
COMPARING = 120  # seconds kept for the distances of a start
COLUMNS = (
    *("condition", "start", "repeat", "partner", "partner_repeat", "split"),
    *("value", "low", "high", "samples", "listed_low", "listed_high"),
)


def partners(study: Study) -> Iterator[tuple[Key, Key]]:
    """(run, partner) of every distance that a study asks for, start by start."""
    for start in study.starts:
        for condition, partner in study.pairs:
            yield Key(condition, start, 0), Key(partner, start, 0)
        for condition in study.conditions:
            for repeat in range(1, study.repeats_of(condition)):
                yield Key(condition, start, repeat), Key(condition, start, 0)


def run_start(
    study: Study,
    start: int,
    root: Path,
    say: Callable[[str], None] = print,
    until: float = float("inf"),
) -> Path:
    """Train every run of a study from one start and estimate the distances between them.

    What is there already is not done again: the records below ``root``, and the file returned.

    Args:
        study: of pretrained models.
        start: number of the supervised start.
        root: folder of the records.
        say: gets a line a run.
        until: ``time.time()`` after which no further run begins.

    Returns:
        File of the distances, a Parquet table of ``COLUMNS``.

    Raises:
        CompanionError: if the time is up before all is done.
    """
    from companion.rlhf.sweeps import run

    target = root / "pairs" / f"{study.name}-{start}.parquet"
    if target.is_file():
        return target
    shelf = root / "shelf" / f"{study.name}-{start}"
    records: dict[Key, Record] = {}
    for key, experiment in study.experiments().items():
        if key.start != start:
            continue
        if time.time() > until:
            raise CompanionError(
                f"study {study.name}, start {start}: no time for {key.condition!r}"
            )
        if not (shelf / experiment.id).is_dir():  # a record whose weights are gone is made again
            shutil.rmtree(root / experiment.id, ignore_errors=True)
        records[key] = run(experiment, root, shelf=shelf)
        shares = records[key].shares("test").round(2)
        wall = records[key].provenance["wall_seconds"]
        say(f"{study.name} {key.start}.{key.repeat} {key.condition}: {wall:.0f} s {dict(shares)}")
    rows = [
        distance(records[key], records[partner], key, partner, shelf, split)
        for key, partner in partners(study)
        if key in records and partner in records and time.time() < until
        for split in SPLITS
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(part, index=False)
    part.replace(target)
    shutil.rmtree(shelf)
    return target


def distance(
    run: Record, other: Record, key: Key, partner: Key, shelf: Path, split: str
) -> tuple[str | int | float, ...]:
    """A row of ``COLUMNS``: the sampled distance with its interval, and the listed bracket."""
    from companion.rlhf.estimates import mixture_distance

    folders = shelf / run.experiment.id, shelf / other.experiment.id
    found = mixture_distance(run.experiment, folders, split, SAMPLES, seed=key.start)
    listed = distribution_distance(run.split(split), other.split(split))
    names = (key.condition, key.start, key.repeat, partner.condition, partner.repeat, split)
    ends = (found.value, found.low, found.high, found.samples, listed.lower, listed.upper)
    return (*names, *ends)


def collect(study: Study, root: Path, folder: Path) -> int:
    """Take the runs and distances of finished starts below ``root`` into a study's tables.

    Returns:
        How many runs were added.
    """
    from companion.rlhf.records import read_record

    files = sorted((root / "pairs").glob(f"{study.name}-*.parquet"))
    starts = {int(file.stem.rsplit("-", 1)[1]): file for file in files}
    known = set()
    if tables.has_table(folder, "pairs"):
        known = set(tables.read_table(folder, "pairs")["start"])
    wanted = [root / e.id for key, e in study.experiments().items() if key.start in starts]
    added = import_records([read_record(p) for p in wanted if p.is_dir()], study, folder)
    new = [pd.read_parquet(file) for start, file in starts.items() if start not in known]
    if new:
        tables.append_rows(folder, {"pairs": pd.concat(new, ignore_index=True)})
    return added


def sampled_distances(runs: Runs, split: str = "train") -> pd.DataFrame:
    """The estimated distances of a study's record on one split.

    Rows that compare a repeat with repeat 0 have ``(floor)`` after their condition's name.

    Returns:
        ``COLUMNS`` without ``split``.
    """
    table = tables.read_table(study_folder(runs.study), "pairs")
    table = table[table["split"] == split].drop(columns="split").reset_index(drop=True)
    floor = table["condition"] == table["partner"]
    names = table["condition"].astype("str")
    return table.assign(condition=names.where(~floor, names + " (floor)"))
