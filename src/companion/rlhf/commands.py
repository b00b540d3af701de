"""What ``companion run`` and ``companion sweep`` do."""

import itertools
from pathlib import Path
from typing import Any, Literal

import yaml

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.records import Record, start_distance
from companion.rlhf.sweeps import run, sweep

Backend = Literal["processes", "ray"]
_DEFAULT_REWARDS = {
    "deceptive": {"weak": 1.0},
    "python": {"weak": 1.0},
    "instruction": {"correct": 1.0},
    "instructions": {"correct": 1.0},
    "alignment": {"perceived": 1.0},
    "replies": {"perceived": 1.0},
}


def run_task(task: str, tier: str, settings: list[str], root: Path) -> None:
    """Train one experiment and print what came out."""
    fields = {"rewards": _DEFAULT_REWARDS.get(task, {}), **parse_settings(settings)}
    experiment = Experiment(task=task, tier=tier, **fields)
    hardware = pick_hardware(experiment.accelerator)
    print(f"{experiment.id}  {task}, tier {tier}, on {hardware.description}", flush=True)
    record = run(experiment, root, progress=True)
    report(record)
    print(f"recorded in {record.path}")


def run_grid(
    file: Path, root: Path, jobs: int | None, backend: Backend, gpus_per_run: float
) -> None:
    """Train a grid of experiments and print one line for each."""
    records = sweep(read_grid(file), root, jobs, backend=backend, gpus_per_run=gpus_per_run)
    for record in records:
        report(record)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Read ``field=value`` settings, values as YAML.

    Raises:
        CompanionError: if one has no ``=`` or its value is not YAML.
    """
    fields: dict[str, Any] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise CompanionError(f"--set {setting}: not of the form FIELD=VALUE")
        try:
            fields[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise CompanionError(f"--set {setting}: the value is not YAML") from None
    return fields


def read_grid(file: Path) -> list[Experiment]:
    """Experiments of a YAML file: ``base`` fields, and every combination of ``grid`` lists.

    Raises:
        CompanionError: if the file cannot be read or is not of that form.
    """
    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise CompanionError(f"{file}: cannot be read: {reason}") from None
    if not isinstance(content, dict) or not set(content) <= {"base", "grid"}:
        raise CompanionError(f"{file}: must hold 'base' and 'grid', nothing else")
    base, grid = content.get("base") or {}, content.get("grid") or {}
    if not (isinstance(base, dict) and isinstance(grid, dict)):
        raise CompanionError(f"{file}: 'base' and 'grid' must be mappings")
    if not all(isinstance(values, list) for values in grid.values()):
        raise CompanionError(f"{file}: every entry of 'grid' must be a list")
    combinations = itertools.product(*grid.values())
    return [Experiment(**base, **dict(zip(grid, values, strict=True))) for values in combinations]


def report(record: Record) -> None:
    """Print one line: id, rewards, distance from the start, behaviour masses."""
    distance = start_distance(record)
    masses = "  ".join(f"{label} {mass:.3f}" for label, mass in record.masses().items())
    print(
        f"{record.path.name}  {record.experiment.rewards}  "
        f"TV from start {distance.lower:.3f}..{distance.upper:.3f}  {masses}"
    )
