"""Studies of pretrained models: all conditions from one start, and the distances between them.

A distance between policies that write anything needs both policies' weights at once. They are kept
until the last distance that asks for them is estimated, and no longer: each takes half a gigabyte.
"""

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from companion.rlhf.distances import distribution_distance
from companion.rlhf.folders import CorruptRecord
from companion.rlhf.records import Record, read_record
from companion.studies import tables
from companion.studies.recording import RunsDiverged, import_records
from companion.studies.runs import Runs
from companion.studies.store import study_folder
from companion.studies.study import Key, Study

SPLITS = ("test",)  # held-out prompts
SAMPLES, A_PROMPT = 512, 32  # of a distance at least, over all prompts and for each of them
_PAIR = ("condition", "start", "repeat", "partner", "partner_repeat", "split")
COLUMNS = (*_PAIR, "value", "low", "high", "samples", "listed_low", "listed_high")
Pair = tuple[Key, Key]


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
    only: Sequence[str] = ("*",),
) -> bool:
    """Train the runs of a study from one start and estimate the distances between them.

    What is there already is not done again; a call that was interrupted goes on. At most 2 policies
    of each of the book's studies lie on the shelf at a time; several starts side by side need as
    many times the room.

    Args:
        study: of pretrained models.
        start: number of the supervised start.
        root: folder of the records; distances go to ``root/pairs``.
        say: gets a line a run.
        until: ``time.time()`` after which no further run begins.
        only: patterns of the conditions to run.

    Returns:
        Whether all was done before the time was up.
    """
    from companion.rlhf.running import run

    shelf = root / "shelf" / f"{study.name}-{start}"
    wanted = {
        key: experiment
        for key, experiment in study.experiments().items()
        if key.start == start and any(fnmatch(key.condition, pattern) for pattern in only)
    }
    file = _pairs_file(root, study, start)
    known = set(zip(*(_read(file)[name] for name in _PAIR[:5]), strict=True))
    pending = [
        (a, b)
        for a, b in partners(study)
        if a in wanted and b in wanted and (*a, b.condition, b.repeat) not in known
    ]
    records: dict[Key, Record] = {}
    for key, experiment in wanted.items():
        if time.time() > until:
            return False
        path = root / experiment.id
        needed = any(key in pair for pair in pending) and not _has_diverged(path)
        if needed and not (shelf / experiment.id).is_dir():  # its weights are gone: once more
            shutil.rmtree(path, ignore_errors=True)
        records[key] = run(experiment, root, shelf=shelf if needed else None)
        say(f"{study.name} {key.start}.{key.repeat} {key.condition}: {_told(records[key])}")
        if records[key].diverged_at is not None:  # no distance leads to it
            pending = [pair for pair in pending if key not in pair]
        ready = [pair for pair in pending if pair[0] in records and pair[1] in records]
        _add(file, [distance(records, pair, shelf, split) for pair in ready for split in SPLITS])
        pending = [pair for pair in pending if pair not in ready]
        for other, record in records.items():
            if not any(other in pair for pair in pending):
                shutil.rmtree(shelf / record.experiment.id, ignore_errors=True)
    return True


def _has_diverged(path: Path) -> bool:
    """Whether a record of a run that diverged lies there."""
    try:
        return path.is_dir() and read_record(path).diverged_at is not None
    except CorruptRecord:
        return False


def _told(record: Record) -> str:
    if record.diverged_at is not None:
        return f"diverged at step {record.diverged_at}"
    shares = {label: round(float(x), 2) for label, x in record.shares("test").items()}
    return f"{record.provenance['wall_seconds']:.0f} s {shares}"


def _pairs_file(root: Path, study: Study, start: int) -> Path:
    return root / "pairs" / f"{study.name}-{start}.parquet"


def _read(file: Path) -> pd.DataFrame:
    return pd.read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(COLUMNS))


def _add(file: Path, rows: list[tuple[str | int | float, ...]]) -> None:
    """Put rows into a file of distances, which is never half written."""
    if not rows:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if file.is_file():
        table = pd.concat([pd.read_parquet(file), table], ignore_index=True)
    part = file.with_suffix(".part")
    table.to_parquet(part, index=False)
    part.replace(file)


def samples_of_each(prompts: int) -> int:
    """How many samples a distance takes for each of so many prompts, half of each policy."""
    return max(A_PROMPT, 2 * math.ceil(SAMPLES / prompts / 2))


def distance(
    records: dict[Key, Record], pair: Pair, shelf: Path, split: str
) -> tuple[str | int | float, ...]:
    """A row of ``COLUMNS``: the sampled distance with its interval, and the listed bracket."""
    from companion.rlhf.estimates import mixture_distance
    from companion.rlhf.measurement import measured_prompts

    key, partner = pair
    run, other = records[key], records[partner]
    folders = shelf / run.experiment.id, shelf / other.experiment.id
    samples = samples_of_each(len(measured_prompts(run.experiment, [split])))
    found = mixture_distance(run.experiment, folders, split, samples, seed=key.start)
    listed = distribution_distance(run.split(split), other.split(split))
    names = (*key, partner.condition, partner.repeat, split)
    ends = (found.value, found.low, found.high, found.samples, listed.lower, listed.upper)
    return (*names, *ends)


def collect(study: Study, root: Path, folder: Path) -> int:
    """Take the finished runs and distances below ``root`` into a study's tables.

    Returns:
        How many runs were added.

    Raises:
        RunsDiverged: as ``import_records`` does, after all else is done.
    """
    done = [root / e.id for e in study.experiments().values() if (root / e.id).is_dir()]
    diverged: RunsDiverged | None = None
    try:
        added = import_records(_readable(done), study, folder)
    except RunsDiverged as error:
        diverged, added = error, error.added
    for start in study.starts:
        add_distances(folder, _read(_pairs_file(root, study, start)))
    if diverged:
        raise diverged
    return added


def _readable(paths: Iterable[Path]) -> Iterator[Record]:
    """The records that are whole; another process may be making one of them once more."""
    for path in paths:
        try:
            yield read_record(path)
        except CorruptRecord as error:
            print(f"{error}; left out", file=sys.stderr)


def add_distances(folder: Path, rows: pd.DataFrame) -> None:
    """Add distances to a study's tables; those that are there already are left out."""
    if tables.has_table(folder, "pairs"):
        known = tables.read_table(folder, "pairs")[list(_PAIR)].astype("str")
        rows = rows[
            ~rows[list(_PAIR)].astype("str").apply(tuple, axis=1).isin(known.apply(tuple, axis=1))
        ]
    if len(rows):
        tables.append_rows(folder, {"pairs": rows})


def sampled_distances(runs: Runs, split: str = "test") -> pd.DataFrame:
    """The estimated distances of a study's record on one split.

    Rows that compare a repeat with repeat 0 have ``(floor)`` after their condition's name.

    Returns:
        ``COLUMNS`` without ``split``.
    """
    table = tables.read_table(study_folder(runs.study), "pairs")
    table = table[table["split"] == split].drop(columns="split").reset_index(drop=True)
    names, others = (table[column].astype("str") for column in ("condition", "partner"))
    floor = names == others
    return table.assign(condition=names.where(~floor, names + " (floor)"))


def sampled_mean(component: str, kind: str = "") -> Callable[[Runs], pd.DataFrame]:
    """A measure: the mean of a reward component over samples for held-out prompts.

    Args:
        component: of the study's task.
        kind: only prompts whose kind begins so.
    """

    def measure(runs: Runs) -> pd.DataFrame:
        return runs.tidy(lambda run: run.sampled(component, "test", kind))

    return measure


def sampled_gain(component: str) -> Callable[[Runs], pd.DataFrame]:
    """A measure: how far training raises the mean of a reward component on held-out prompts.

    Args:
        component: of the study's task; the study has a condition ``start``.
    """

    def measure(runs: Runs) -> pd.DataFrame:
        table = sampled_mean(component)(runs)
        untrained = table["condition"] == "start"
        before = table[untrained].set_index("start")["value"]
        after = table[~untrained].reset_index(drop=True)
        return after.assign(value=after["value"] - after["start"].map(before))

    return measure
