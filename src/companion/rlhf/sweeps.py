"""Run experiments: one, or many in parallel; finished ones are never repeated.

A single run may itself be started on several processes (``accelerate launch``, ``torchrun``):
each process calls ``run``, the first one keeps the record.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

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
from companion.rlhf.tasks import get_task

Job = Callable[[], object]
_MISSING = "{}: not installed; install policy-cliff-companion[cluster]"


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
    _check_machine(experiment)
    root = _writable(root)
    path = root / experiment.id
    with _locked(root / f".{experiment.id}.lock"):
        if _agree(lambda: _finished(path) is None):
            _train_into(experiment, root, path, progress, shelf)
    return read_record(path)


def sweep(
    experiments: Iterable[Experiment],
    root: Path | str = "runs",
    jobs: int | None = None,
    progress: bool = True,
    backend: Literal["processes", "ray"] = "processes",
    gpus_per_run: float = 0,
) -> list[Record]:
    """Records of many experiments, in their order; missing ones are trained in parallel.

    Args:
        experiments: may repeat; each distinct one is trained once.
        root: folder of the records and of the supervised starts they share; every node of a
            cluster must see it.
        jobs: processes at a time on this machine; ``None`` takes the number of cores.
        progress: show a bar of runs done, with rate and time left.
        backend: ``processes`` of this machine (joblib), or the tasks of a running ``ray`` cluster,
            which starts a run again elsewhere when its node dies.
        gpus_per_run: GPUs that ``ray`` reserves for each run.
    """
    root = _writable(root).resolve()
    wanted = list(experiments)
    missing = {e.id: e for e in wanted if _finished(root / e.id) is None}
    for experiment in missing.values():
        _check_machine(experiment)
    if backend == "ray":
        parallel = partial(_on_ray, gpus=gpus_per_run, progress=progress)
    else:
        parallel = partial(_in_processes, jobs=jobs or os.cpu_count() or 1, progress=progress)
    parallel(_preparations(missing.values(), root), unit="preparation")
    parallel([partial(run, e, root) for e in missing.values()], unit="run")
    return [read_record(root / e.id) for e in wanted]


def prepare_start(start: Start, root: Path | str, progress: bool = False) -> Path:
    """Folder of a supervised policy below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.sft import train_start

        train_start(start, folder, progress)

    return _prepare(start, Path(root) / "starts", train, start.model)


def prepare_reward_model(model: RewardModel, root: Path | str, progress: bool = False) -> Path:
    """Folder of a reward model below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.reward_models import train_reward_model

        train_reward_model(model, folder, progress)

    return _prepare(model, Path(root) / "reward_models", train, model.model)


def _prepare(
    spec: Spec, shelf: Path, train: Callable[[Path], None], pretrained: str | None
) -> Path:
    from companion.rlhf.policies import quiet

    final, part = shelf / spec.id, shelf / f"{spec.id}.part"
    shelf.mkdir(parents=True, exist_ok=True)
    with _locked(shelf / f".{spec.id}.lock"):
        if _agree(lambda: not final.exists()):
            _first(partial(_fresh, part))
            with quiet(offline=pretrained is None, threads=None if pretrained else 1):
                train(part)
            _first(lambda: (part / "spec.json").write_text(spec.model_dump_json(indent=1) + "\n"))
            _first(partial(os.replace, part, final))
    return final


def _preparations(experiments: Iterable[Experiment], root: Path) -> list[Job]:
    """What runs share and still lack: supervised starts and reward models."""
    tasks: dict[Path, Job] = {}
    for experiment in experiments:
        start, model = experiment.start, experiment.reward_model
        tasks[root / "starts" / start.id] = partial(prepare_start, start, root)
        if model is not None:
            tasks[root / "reward_models" / model.id] = partial(prepare_reward_model, model, root)
    return [task for path, task in tasks.items() if not path.exists()]


def _train_into(
    experiment: Experiment, root: Path, path: Path, progress: bool, shelf: Path | None
) -> None:
    from companion.rlhf.policies import quiet
    from companion.rlhf.training import checkpoint_step, train

    wall, cpu = time.monotonic(), time.process_time()
    progress = progress and _rank() == 0
    start = prepare_start(experiment.start, root, progress)
    model = experiment.reward_model
    reward_model = prepare_reward_model(model, root, progress) if model else None
    part = path.with_suffix(".part")
    checkpoint = _checkpoint(part)
    _first(partial(_part_folder, experiment, part))
    with quiet(offline=True, threads=1 if experiment.accelerator == "cpu" else None):
        train(experiment, start, reward_model, part, progress, checkpoint)
        _wait()
        if _rank() == 0:
            facts = {
                **_measure(experiment, start, part, progress, shelf),
                **({"fence": fence()} if (fence := get_task(experiment.task).fence) else {}),
                "processes": _processes(),
                "resumed_at": checkpoint and checkpoint_step(checkpoint),
                "wall_seconds": round(time.monotonic() - wall, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
            }
            write_provenance(part / "provenance.json", experiment, facts)
            close_record(part, path)
    _wait()


def _measure(
    experiment: Experiment, start: Path, part: Path, progress: bool, shelf: Path | None
) -> dict[str, Any]:
    """Write what the record keeps of the policies and drop the rest; returns where they ran."""
    from companion.rlhf.hardware import pick_hardware
    from companion.rlhf.measurement import distribution_table, sample_table
    from companion.rlhf.policies import load
    from companion.rlhf.weights import ORIGIN

    hardware = pick_hardware(experiment.accelerator)
    before, tokenizer = load(start, hardware.device)
    after, _ = load(part / "policy", hardware.device)
    table = distribution_table(experiment, tokenizer, before, after, progress)
    table.to_parquet(part / "distribution.parquet", index=False)
    if experiment.samples:
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


def _part_folder(experiment: Experiment, part: Path) -> None:
    """The folder a run works in: what an interrupted run left, if it left a checkpoint."""
    if _checkpoint(part) is None:
        _fresh(part)
    (part / "experiment.json").write_text(experiment.model_dump_json(indent=1) + "\n")


def _checkpoint(part: Path) -> Path | None:
    """The last whole checkpoint that an interrupted run left; the gate is written last of all."""
    from companion.rlhf.rewards import GATE
    from companion.rlhf.training import checkpoint_step

    whole = [gate.parent for gate in part.glob(f"trainer/checkpoint-*/{GATE}")]
    return max(whole, key=checkpoint_step, default=None)


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


def _in_processes(tasks: Sequence[Job], unit: str, jobs: int, progress: bool) -> None:
    if not tasks:
        return
    workers = joblib.Parallel(
        n_jobs=min(jobs, len(tasks)), return_as="generator_unordered", inner_max_num_threads=1
    )
    done = workers(joblib.delayed(task)() for task in tasks)
    for _ in tqdm(done, total=len(tasks), desc=f"{unit}s", unit=unit, disable=not progress):
        pass


def _on_ray(tasks: Sequence[Job], unit: str, gpus: float, progress: bool) -> None:
    try:
        import ray
    except ModuleNotFoundError:
        raise CompanionError(
            "ray: not installed; install policy-cliff-companion[cluster]"
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False)
        except ConnectionError:
            raise CompanionError(
                "backend: no Ray cluster found; start one (ray start --head) or set RAY_ADDRESS"
            ) from None

    # A run whose node dies leaves no record, so that it can simply begin again elsewhere. joblib's
    # Ray backend waits for ever for workers on a dead node, and runs a pool of one without its GPU.
    @ray.remote(num_cpus=1, num_gpus=gpus, max_retries=-1)
    def work(task: Job) -> None:
        task()

    waiting: list[Any] = [work.remote(task) for task in tasks]
    with tqdm(total=len(tasks), desc=f"{unit}s", unit=unit, disable=not progress) as bar:
        while waiting:
            ready, waiting = ray.wait(waiting)
            ray.get(ready)
            bar.update(len(ready))


def _check_machine(experiment: Experiment) -> None:
    if experiment.vllm and importlib.util.find_spec("vllm") is None:
        raise CompanionError(_MISSING.format("vllm"))
    if experiment.trainer == "exact" and _processes() > 1:
        raise CompanionError("trainer: 'exact' runs on one process")
    if experiment.gate_rate and _processes() > 1:
        raise CompanionError("gate_rate: a learned gate runs on one process")


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _wait() -> None:
    """Wait for the other processes of this run, if there are any."""
    if _processes() > 1:
        _group().barrier()


def _group() -> Any:
    """torch.distributed with the group of this run's processes, made on first use."""
    import torch
    from accelerate import PartialState

    if not torch.distributed.is_initialized():
        PartialState(cpu=not torch.cuda.is_available())
    return torch.distributed


def _agree(question: Callable[[], bool]) -> bool:
    """The first process's answer, for all processes."""
    if _processes() == 1:
        return question()
    answer = [question() if _rank() == 0 else None]
    _group().broadcast_object_list(answer, src=0)
    return bool(answer[0])


def _first(work: Callable[[], object]) -> None:
    """Work for the first process, which the others wait for."""
    _wait()
    if _rank() == 0:
        work()
    _wait()


def _locked(path: Path) -> contextlib.AbstractContextManager[object]:
    """A lock between runs; the processes of one run share it."""
    return FileLock(path) if _rank() == 0 else contextlib.nullcontext()


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
