"""One run: trained into a folder of its own unless its record is there and whole.

A run may itself be started on several processes (``accelerate launch``, ``torchrun``): each process
calls ``run``, the first one keeps the record.
"""

import importlib.util
import json
import math
import shutil
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.rlhf.experiment import OWN_TRAINERS, Experiment
from companion.rlhf.folders import (
    CorruptRecord,
    close_record,
    fresh,
    locked,
    unless_corrupt,
    writable,
)
from companion.rlhf.preparations import prepare_reward_model, prepare_start
from companion.rlhf.provenance import source_digest, write_provenance
from companion.rlhf.ranks import agree, first, processes, rank, wait
from companion.rlhf.records import Record, read_record
from companion.rlhf.tasks import get_task
from companion.rlhf.workers import NOT_INSTALLED


def run(
    experiment: Experiment,
    root: Path | str = "runs",
    progress: bool = False,
    shelf: Path | None = None,
) -> Record:
    """The record of an experiment below ``root``; trains it unless it is there and whole.

    A run that was interrupted goes on from its last checkpoint (``checkpoint_every``); without one
    it begins again. On the CPU either way ends bit for bit where a run in one piece ends, on the
    same machine with the same versions; generation by vLLM repeats no samples. Where a checkpoint
    falls between two measurements, the averages that trl logs next (reward, loss) cover the steps
    after it alone.

    Args:
        experiment: what to run.
        root: folder of the records.
        progress: show a bar of training steps, for the supervised start, too.
        shelf: folder that gets the trained policy under the experiment's id, for comparisons that
            need the weights; the record does not hold them.

    Raises:
        CompanionError: if ``root`` cannot be written, or the machine lacks what the run needs.
    """
    check_machine(experiment)
    root = writable(root)
    path = root / experiment.id
    with locked(root / f".{experiment.id}.lock"):
        if agree(lambda: unless_corrupt(path, finished) is None):
            _train_into(experiment, root, path, progress, shelf)
    record = read_record(path)
    tell_versions([record])
    return record


def _train_into(
    experiment: Experiment, root: Path, path: Path, progress: bool, shelf: Path | None
) -> None:
    from companion.rlhf.quiet import quiet
    from companion.rlhf.training import checkpoint_step, train, whole_checkpoint

    wall, cpu = time.monotonic(), time.process_time()
    progress = progress and rank() == 0
    start = prepare_start(experiment.start, root, progress)
    model = experiment.reward_model
    reward_model = prepare_reward_model(model, root, progress) if model else None
    part = path.with_suffix(".part")
    checkpoint = whole_checkpoint(part)
    first(partial(_part_folder, experiment, part, checkpoint))
    with quiet(offline=True, threads=1 if experiment.accelerator == "cpu" else None):
        diverged_at = train(experiment, start, reward_model, part, progress, checkpoint)
        wait()
        if rank() == 0:
            diverged = diverged_at is not None
            facts = {
                **_measure(experiment, start, part, diverged, progress, shelf),
                **({"fence": fence()} if (fence := get_task(experiment.task).fence) else {}),
                "processes": processes(),
                "resumed_at": checkpoint and checkpoint_step(checkpoint),
                "diverged_at": diverged_at,
                "wall_seconds": round(time.monotonic() - wall, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
            }
            write_provenance(part / "provenance.json", experiment, facts)
            close_record(part, path)
    wait()


def _measure(
    experiment: Experiment,
    start: Path,
    part: Path,
    diverged: bool,
    progress: bool,
    shelf: Path | None,
) -> dict[str, Any]:
    """Write what the record keeps of the policies and drop the rest; returns where they ran.

    A policy that diverged has no probabilities, whatever overflowing weights compute, and is not
    sampled.
    """
    from companion.rlhf.hardware import pick_hardware
    from companion.rlhf.measurement import distribution_table, sample_table
    from companion.rlhf.policies import load
    from companion.rlhf.weights import ORIGIN

    hardware = pick_hardware(experiment.accelerator)
    before, tokenizer = load(start, hardware.device)
    after, _ = load(part / "policy", hardware.device)
    table = distribution_table(experiment, tokenizer, before, after, progress)
    if diverged:
        table["logprob"] = math.nan
    table.to_parquet(part / "distribution.parquet", index=False)
    if experiment.samples and not diverged:
        drawn = sample_table(experiment, tokenizer, after)
        drawn.to_parquet(part / "samples.parquet", index=False)
    shutil.rmtree(part / "trainer", ignore_errors=True)
    if shelf is not None:
        shelf.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(shelf / experiment.id, ignore_errors=True)  # of a run that was killed
        put = shutil.copytree if experiment.keep_policy else shutil.move
        put(part / "policy", shelf / experiment.id)
    elif not experiment.keep_policy:
        shutil.rmtree(part / "policy")
    facts: dict[str, Any] = {"device": hardware.description}
    if (start / ORIGIN).is_file():
        facts["weights"] = json.loads((start / ORIGIN).read_text())
    return facts


def _part_folder(experiment: Experiment, part: Path, checkpoint: Path | None) -> None:
    """The folder a run works in: what an interrupted run left, if there is something to go on."""
    if checkpoint is None:
        fresh(part)
    (part / "experiment.json").write_text(experiment.model_dump_json(indent=1) + "\n")


def finished(path: Path) -> Record | None:
    """The record at ``path``, if there is one.

    Raises:
        CorruptRecord: if it is not whole.
    """
    if not path.exists():
        return None
    record = read_record(path)
    if record.experiment.id != path.name:
        raise CorruptRecord(f"{path}: holds another experiment, {record.experiment.id}")
    return record


def tell_versions(records: Iterable[Record]) -> None:
    """One line if another version made some of the records."""
    others = [r.path for r in records if r.provenance["source_sha256"] != source_digest()]
    if others and rank() == 0:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        print(f"{others[0]}{more}: made by another version of the laboratory", file=sys.stderr)


def check_machine(experiment: Experiment) -> None:
    """Refuse what this machine, or these processes, cannot run.

    Raises:
        CompanionError: one line that names the setting.
    """
    if experiment.vllm and importlib.util.find_spec("vllm") is None:
        raise CompanionError(NOT_INSTALLED.format("vllm"))
    if experiment.trainer in OWN_TRAINERS and processes() > 1:
        raise CompanionError(f"trainer: {experiment.trainer!r} runs on one process")
    if experiment.gate_rate and processes() > 1:
        raise CompanionError("gate_rate: a learned gate runs on one process")
