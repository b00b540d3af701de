"""Run experiments: one, or many in parallel processes; finished ones are never repeated."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import joblib
from filelock import FileLock
from tqdm.auto import tqdm

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment, RewardModel, Spec, Start
from companion.rlhf.records import (
    CorruptRecord,
    Record,
    close_record,
    read_record,
    set_aside,
    source_digest,
    write_provenance,
)


def run(experiment: Experiment, root: Path | str = "runs", progress: bool = False) -> Record:
    """The record of an experiment below ``root``; trains it unless it is there and whole.

    Args:
        experiment: what to run.
        root: folder of the records.
        progress: show a bar of training steps.

    Raises:
        CompanionError: if ``root`` cannot be written.
    """
    root = _writable(root)
    path = root / experiment.id
    with FileLock(root / f".{experiment.id}.lock"):
        found = _finished(path)
        if found is None:
            _train_into(experiment, root, path, progress)
            found = read_record(path)
    return found


def sweep(
    experiments: Iterable[Experiment],
    root: Path | str = "runs",
    jobs: int | None = None,
    progress: bool = True,
) -> list[Record]:
    """Records of many experiments, in their order; missing ones are trained in parallel.

    Args:
        experiments: may repeat; each distinct one is trained once.
        root: folder of the records and of the supervised starts they share.
        jobs: processes at a time; ``None`` takes the number of cores.
        progress: show a bar of runs done, with rate and time left.
    """
    root = _writable(root)
    wanted = list(experiments)
    missing = {e.id: e for e in wanted if _finished(root / e.id) is None}
    workers = jobs or os.cpu_count() or 1
    _parallel(_preparations(missing.values(), root), workers, "preparations", progress)
    _parallel([partial(run, e, root) for e in missing.values()], workers, "runs", progress)
    return [read_record(root / e.id) for e in wanted]


def prepare_start(start: Start, root: Path | str) -> Path:
    """Folder of a supervised policy below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.sft import train_start

        train_start(start, folder)

    return _prepare(start, Path(root) / "starts", train)


def prepare_reward_model(model: RewardModel, root: Path | str) -> Path:
    """Folder of a reward model below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.reward_models import train_reward_model

        train_reward_model(model, folder)

    return _prepare(model, Path(root) / "reward_models", train)


def _prepare(spec: Spec, shelf: Path, train: Callable[[Path], None]) -> Path:
    from companion.rlhf.policies import quiet_and_offline

    final = shelf / spec.id
    shelf.mkdir(parents=True, exist_ok=True)
    with FileLock(shelf / f".{spec.id}.lock"):
        if not final.exists():
            part = _fresh(final.with_suffix(".part"))
            with quiet_and_offline(threads=1):
                train(part)
            (part / "spec.json").write_text(spec.model_dump_json(indent=1) + "\n")
            os.replace(part, final)
    return final


def _preparations(experiments: Iterable[Experiment], root: Path) -> list[Callable[[], object]]:
    """What runs share and still lack: supervised starts and reward models."""
    tasks: dict[Path, Callable[[], object]] = {}
    for experiment in experiments:
        start, model = experiment.start, experiment.reward_model
        tasks[root / "starts" / start.id] = partial(prepare_start, start, root)
        if model is not None:
            tasks[root / "reward_models" / model.id] = partial(prepare_reward_model, model, root)
    return [task for path, task in tasks.items() if not path.exists()]


def _train_into(experiment: Experiment, root: Path, path: Path, progress: bool) -> None:
    from companion.rlhf.policies import load, quiet_and_offline
    from companion.rlhf.scoring import distribution_table
    from companion.rlhf.training import train

    wall, cpu = time.monotonic(), time.process_time()
    start = prepare_start(experiment.start, root)
    model = experiment.reward_model
    reward_model = prepare_reward_model(model, root) if model else None
    part = _fresh(path.with_suffix(".part"))
    (part / "experiment.json").write_text(experiment.model_dump_json(indent=1) + "\n")
    with quiet_and_offline(threads=1):
        policy = train(experiment, start, reward_model, part, progress)
        before, tokenizer = load(start)
        table = distribution_table(experiment.task, tokenizer, before, policy)
        if experiment.keep_policy:
            policy.save_pretrained(part / "policy")
    table.to_parquet(part / "distribution.parquet", index=False)
    spent = time.monotonic() - wall, time.process_time() - cpu
    write_provenance(part / "provenance.json", experiment, str(policy.device), *spent)
    close_record(part, path)


def _finished(path: Path) -> Record | None:
    """The record at ``path`` if it is whole; a corrupt one is set aside."""
    if not path.exists():
        return None
    try:
        record = read_record(path)
    except CorruptRecord as error:
        print(f"{error}; set aside as {set_aside(path).name}", file=sys.stderr)
        return None
    if record.provenance["source_sha256"] != source_digest():
        print(f"{path}: made by another version of the laboratory", file=sys.stderr)
    return record


def _parallel(tasks: Sequence[Callable[[], object]], jobs: int, unit: str, progress: bool) -> None:
    if not tasks:
        return
    workers = joblib.Parallel(
        n_jobs=min(jobs, len(tasks)), return_as="generator_unordered", inner_max_num_threads=1
    )
    done = workers(joblib.delayed(task)() for task in tasks)
    for _ in tqdm(done, total=len(tasks), desc=unit, unit="run", disable=not progress):
        pass


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _writable(root: Path | str) -> Path:
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompanionError(f"{root}: cannot be made: {error.strerror}") from None
    if not os.access(root, os.W_OK):
        raise CompanionError(f"{root}: cannot be written")
    return root
