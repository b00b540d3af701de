"""What ``companion run`` and ``companion sweep`` do."""

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.hardware import Hardware, pick_hardware
from companion.rlhf.measurement import measured_prompts
from companion.rlhf.records import Record, start_distance
from companion.rlhf.running import run
from companion.rlhf.sweeps import SweepFailed, sweep
from companion.rlhf.tiers import SMOLLM2
from companion.strict_yaml import read_yaml

Backend = Literal["processes", "ray"]
_DEFAULT_REWARDS = {
    "deceptive": {"weak": 1.0},
    "python": {"weak": 1.0},
    "instruction": {"correct": 1.0},
    "instructions": {"correct": 1.0},
    "alignment": {"perceived": 1.0},
    "replies": {"perceived": 1.0},
}


@dataclass(frozen=True)
class _Pace:
    """Seconds that SmolLM2 takes for one of each."""

    demonstration: float  # of supervised fine-tuning
    completion: float  # drawn, judged and learned from
    prompt: float  # measured: its list scored and labelled, before and after
    sample: float  # measured: drawn and labelled


# CPU: two free cores with bfloat16, as half of the processor time that one core was measured to
# take. GPU: a T4, which computes in float32, by the number of operations at a third of its peak of
# 8 TFLOP/s; not measured. Larger cards are quicker.
_PACE = {
    "cpu": _Pace(demonstration=0.17, completion=0.08, prompt=0.3, sample=0.06),
    "cuda": _Pace(demonstration=0.03, completion=0.03, prompt=0.2, sample=0.03),
}


def run_task(task: str, tier: str, settings: list[str], root: Path) -> None:
    """Train one experiment and print what came out."""
    given = parse_settings(settings)
    for name in ("task", "tier"):
        if name in given:
            raise CompanionError(f"--set {name}: the command line names it already")
    fields = {"rewards": _DEFAULT_REWARDS.get(task, {}), **given}
    experiment = Experiment(task=task, tier=tier, **fields)
    hardware = pick_hardware(experiment.accelerator)
    print(f"{experiment.id}  {task}, tier {tier}, on {hardware.description}", flush=True)
    seconds = expected_seconds(experiment, hardware)
    if seconds is not None:
        print(f"takes about {max(1, round(seconds / 60))} min (an estimate)", flush=True)
    record = run(experiment, root, progress=True)
    report(record)
    print(f"recorded in {record.path}")


def expected_seconds(experiment: Experiment, hardware: Hardware) -> float | None:
    """How long a run of SmolLM2 takes from its supervised start to its record, fetching apart.

    ``None`` for other models. What is already there is not subtracted.
    """
    if experiment.model != SMOLLM2:
        return None
    pace = _PACE[hardware.device]
    asked = len(measured_prompts(experiment))
    return (
        pace.demonstration * experiment.sft_steps * experiment.sft_batch_size
        + pace.completion * experiment.steps * experiment.batch_size
        + pace.prompt * asked
        + pace.sample * asked * experiment.samples
    )


def run_grid(
    file: Path, root: Path, jobs: int | None, backend: Backend, gpus_per_run: float
) -> None:
    """Train what a grid of experiments lacks; print a line for each run made, one for the others.

    Raises:
        SweepFailed: if some failed, after these lines.
    """
    failure, new = None, list[Path]()
    try:
        records = sweep(
            read_grid(file),
            root,
            jobs,
            backend=backend,
            gpus_per_run=gpus_per_run,
            made=lambda record: new.append(record.path),
        )
    except SweepFailed as failed:
        records, failure = failed.records, failed
    for path in new:
        report(Record(path))  # let go of its tables afterwards: a grid may have thousands
    if there := len({record.path for record in records}) - len(new):
        print(f"runs that were in {root} already: {there}")
    if failure:
        raise failure


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Read ``field=value`` settings, values as YAML.

    Raises:
        CompanionError: if one has no ``=``, its value is not YAML, or a field is set twice.
    """
    fields: dict[str, Any] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not (separator and name.isidentifier()):
            raise CompanionError(f"--set {setting!r}: not of the form FIELD=VALUE")
        if name in fields:
            raise CompanionError(f"--set {name}: given twice")
        fields[name] = read_yaml(value, f"--set {name}")
    return fields


def read_grid(file: Path) -> list[Experiment]:
    """Experiments of a YAML file: ``base`` fields, and every combination of ``grid`` lists.

    Raises:
        CompanionError: if the file cannot be read or is not of that form.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise CompanionError(f"{file}: cannot be read: {reason}") from None
    content = read_yaml(text, str(file))
    if not isinstance(content, dict) or not set(content) <= {"base", "grid"}:
        raise CompanionError(f"{file}: must hold 'base' and 'grid', nothing else")
    base, grid = content.get("base") or {}, content.get("grid") or {}
    if not (isinstance(base, dict) and isinstance(grid, dict)):
        raise CompanionError(f"{file}: 'base' and 'grid' must be mappings")
    if not all(isinstance(values, list) and values for values in grid.values()):
        raise CompanionError(f"{file}: every entry of 'grid' must be a list that is not empty")
    if not (base or grid):
        raise CompanionError(f"{file}: holds no experiment")
    for name in (*base, *grid):
        if not isinstance(name, str):
            raise CompanionError(f"{file}: {name!r} is no name of a field")
        if name in base and name in grid:
            raise CompanionError(f"{file}: {name!r} stands in both 'base' and 'grid'")
    combinations = itertools.product(*grid.values())
    return [Experiment(**base, **dict(zip(grid, values, strict=True))) for values in combinations]


def report(record: Record) -> None:
    """Print one line: id, rewards, distance from the start, how frequent each behaviour is."""
    if record.diverged_at is not None:
        print(f"{record.path.name}  {record.experiment.rewards}  diverged at {record.diverged_at}")
        return
    distance = start_distance(record)
    print(
        f"{record.path.name}  {record.experiment.rewards}  "
        f"TV from start {distance.lower:.3f}..{distance.upper:.3f}  {_behaviours(record)}"
    )


def _behaviours(record: Record) -> str:
    """Exact masses on the training prompts; of a policy that may write anything, its samples."""
    if record.experiment.model is None:
        return _listing(record.masses())
    if not record.experiment.samples:
        return "no samples drawn"
    drawn = int(record.samples.loc[record.samples["split"] == "test", "count"].sum())
    return f"of {drawn} samples for held-out prompts: {_listing(record.shares('test'))}"


def _listing(shares: pd.Series) -> str:
    return "  ".join(f"{label} {share:.3f}" for label, share in shares.items())
