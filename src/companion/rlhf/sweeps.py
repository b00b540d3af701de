"""Run experiments: one, or many in parallel; finished ones are never repeated.

A single run may itself be started on several processes (``accelerate launch``, ``torchrun``):
each process calls ``run``, the first one keeps the record.
"""

import contextlib
import importlib.util
import json
import math
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from filelock import FileLock
from tqdm.auto import tqdm

from companion.errors import CompanionError
from companion.rlhf.compat import loky
from companion.rlhf.experiment import OWN_TRAINERS, Experiment, RewardModel, Spec, Start
from companion.rlhf.records import (
    CorruptRecord,
    Record,
    check_files,
    close_record,
    read_record,
    set_aside,
    source_digest,
    write_provenance,
)
from companion.rlhf.tasks import get_task

Job = Callable[[], object]
T = TypeVar("T")
_MISSING = "{}: not installed; install policy-cliff-companion[cluster]"
_PARENT_EVERY = 1.0  # seconds
_TRIES = 3
_NAMED = 3
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


class SweepFailed(CompanionError):
    """Some runs of a sweep failed; the others are recorded.

    Attributes:
        failures: the reason by the id of the run.
        records: of the runs that did not fail, in their order.
    """

    def __init__(self, failures: dict[str, str], records: list[Record], total: int) -> None:
        named = "; ".join(f"{id} ({reason})" for id, reason in list(failures.items())[:_NAMED])
        more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        super().__init__(f"{len(failures)} of {total} runs failed: {named}{more}")
        self.failures, self.records = failures, records


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
        if _agree(lambda: _unless_corrupt(path, _finished) is None):
            _train_into(experiment, root, path, progress, shelf)
    record = read_record(path)
    _tell_versions([record])
    return record


def sweep(
    experiments: Iterable[Experiment],
    root: Path | str = "runs",
    jobs: int | None = None,
    progress: bool = True,
    backend: Literal["processes", "ray"] = "processes",
    gpus_per_run: float = 0,
    made: Callable[[Record], object] | None = None,
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
        made: gets the record of each run that was not there before, when all have ended.

    Raises:
        SweepFailed: if runs failed or their processes were killed, after all others have ended.
        CompanionError: if ``root`` cannot be written, or the machine lacks what a run needs.
    """
    if jobs is not None and jobs < 1:
        raise CompanionError(f"jobs: must be >= 1, is {jobs}")
    root = _writable(root).resolve()
    ordered = list(experiments)
    wanted = {e.id: e for e in ordered}
    found = {id: _or_corrupt(_finished, root / id) for id in wanted}
    _tell_versions(record for record in found.values() if record)
    missing = {id: e for id, e in wanted.items() if found[id] is None}
    for experiment in missing.values():
        _check_machine(experiment)
    with contextlib.closing(_Processes(jobs or os.cpu_count() or 1, progress)) as processes:
        parallel: Callable[..., list[str]] = processes
        if backend == "ray":
            parallel = partial(_on_ray, gpus=gpus_per_run, progress=progress)
        failures = _prepare_all(missing, root, parallel)
        left = {id: e for id, e in missing.items() if id not in failures}
        reasons = parallel([partial(run, e, root) for e in left.values()], unit="run")
    failures |= {id: reason for id, reason in zip(left, reasons, strict=True) if reason}
    found |= (new := {id: read_record(root / id) for id in left if id not in failures})
    if made:
        for trained in new.values():
            made(trained)
    records = [record for e in ordered if (record := found[e.id]) is not None]
    if failures:
        raise SweepFailed(failures, records, len(wanted))
    return records


def _prepare_all(
    missing: dict[str, Experiment], root: Path, parallel: Callable[..., list[str]]
) -> dict[str, str]:
    """Train what the missing runs share; the reason of failure by the id of each that fails so."""
    shared = {id: _preparations(e, root) for id, e in missing.items()}
    jobs = {path: job for needed in shared.values() for path, job in needed.items()}
    reasons = dict(zip(jobs, parallel(list(jobs.values()), unit="preparation"), strict=True))
    failed = {
        id: next((r for p in needed if (r := reasons[p])), "") for id, needed in shared.items()
    }
    return {id: reason for id, reason in failed.items() if reason}


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
        if _agree(lambda: not _unless_corrupt(final, _prepared, spec)):
            _first(partial(_fresh, part))
            with quiet(offline=pretrained is None, threads=None if pretrained else 1):
                train(part)
            _first(lambda: (part / _SPEC).write_text(_spec_text(spec)))
            _first(partial(close_record, part, final))
    return final


_SPEC = "spec.json"


def _spec_text(spec: Spec) -> str:
    return spec.model_dump_json(indent=1) + "\n"


def _prepared(path: Path, spec: Spec) -> bool:
    """Whether a folder is there and holds, whole, what ``spec`` asks for.

    Raises:
        CorruptRecord: if it is there and does not.
    """
    if not path.exists():
        return False
    check_files(path, (_SPEC,))
    if (path / _SPEC).read_text() != _spec_text(spec):
        raise CorruptRecord(f"{path}: made from another specification")
    return True


def _preparations(experiment: Experiment, root: Path) -> dict[Path, Job]:
    """What a run shares with others and lacks, by its folder: start and reward model."""
    start, model = experiment.start, experiment.reward_model
    jobs: dict[Path, Job] = {}
    shelf = root / "starts" / start.id
    if not _or_corrupt(_prepared, shelf, start):
        jobs[shelf] = partial(prepare_start, start, root)
    if model is not None:
        shelf = root / "reward_models" / model.id
        if not _or_corrupt(_prepared, shelf, model):
            jobs[shelf] = partial(prepare_reward_model, model, root)
    return jobs


def _train_into(
    experiment: Experiment, root: Path, path: Path, progress: bool, shelf: Path | None
) -> None:
    from companion.rlhf.policies import quiet
    from companion.rlhf.training import checkpoint_step, train, whole_checkpoint

    wall, cpu = time.monotonic(), time.process_time()
    progress = progress and _rank() == 0
    start = prepare_start(experiment.start, root, progress)
    model = experiment.reward_model
    reward_model = prepare_reward_model(model, root, progress) if model else None
    part = path.with_suffix(".part")
    checkpoint = whole_checkpoint(part)
    _first(partial(_part_folder, experiment, part, checkpoint))
    with quiet(offline=True, threads=1 if experiment.accelerator == "cpu" else None):
        diverged_at = train(experiment, start, reward_model, part, progress, checkpoint)
        _wait()
        if _rank() == 0:
            diverged = diverged_at is not None
            facts = {
                **_measure(experiment, start, part, diverged, progress, shelf),
                **({"fence": fence()} if (fence := get_task(experiment.task).fence) else {}),
                "processes": _processes(),
                "resumed_at": checkpoint and checkpoint_step(checkpoint),
                "diverged_at": diverged_at,
                "wall_seconds": round(time.monotonic() - wall, 3),
                "cpu_seconds": round(time.process_time() - cpu, 3),
            }
            write_provenance(part / "provenance.json", experiment, facts)
            close_record(part, path)
    _wait()


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
        _fresh(part)
    (part / "experiment.json").write_text(experiment.model_dump_json(indent=1) + "\n")


def _or_corrupt(question: Callable[..., T], *arguments: Any) -> T | None:
    """The answer of a question about a folder, or ``None`` if the folder is corrupt."""
    try:
        return question(*arguments)
    except CorruptRecord:
        return None


def _unless_corrupt(path: Path, question: Callable[..., T], *arguments: Any) -> T | None:
    """The answer about the folder at ``path``; if it is corrupt, ``None``, and it is set aside.

    Only the holder of the folder's lock may ask: another could set aside what was made anew.
    """
    try:
        return question(path, *arguments)
    except CorruptRecord as error:
        print(f"{error}; set aside as {set_aside(path).name}", file=sys.stderr)
        return None


def _finished(path: Path) -> Record | None:
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


def _tell_versions(records: Iterable[Record]) -> None:
    """One line if another version made some of the records."""
    others = [r.path for r in records if r.provenance["source_sha256"] != source_digest()]
    if others and _rank() == 0:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        print(f"{others[0]}{more}: made by another version of the laboratory", file=sys.stderr)


def _attempt(task: Job) -> str:
    """Do a task; the reason if it fails, in one line, or an empty string."""
    try:
        task()
    except CompanionError as error:
        return str(error)
    except Exception as error:
        traceback.print_exc()
        return " ".join(f"{type(error).__name__}: {error}".split())
    return ""


class _Processes:
    """Processes of this machine that do tasks side by side; they live until ``close``."""

    def __init__(self, jobs: int, progress: bool) -> None:
        self._workers = [_Worker() for _ in range(jobs)]
        self._progress = progress

    def __call__(self, tasks: Sequence[Job], unit: str) -> list[str]:
        """Do tasks; for each, why it failed, or an empty string. One alone is done here."""
        size = min(len(self._workers), len(tasks))
        if size < 2:
            bar = tqdm(tasks, desc=f"{unit}s", unit=unit, disable=not (self._progress and tasks))
            return [_attempt(task) for task in bar]
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers[:size]:
            idle.put(worker)

        def attempt(task: Job) -> str:
            worker = idle.get()
            try:
                return worker.attempt(task)
            finally:
                idle.put(worker)

        threads = ThreadPoolExecutor(size)
        try:
            done = [threads.submit(attempt, task) for task in tasks]
            finished = as_completed(done)
            shown = tqdm(finished, f"{unit}s", len(tasks), unit=unit, disable=not self._progress)
            for _ in shown:
                pass
            return [future.result() for future in done]
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End all processes, whatever they do."""
        for worker in self._workers:
            worker.close()


class _Worker:
    """A process that does one task after the other; if one kills it, the next gets a new one."""

    def __init__(self) -> None:
        self._pool: loky.ProcessPoolExecutor | None = None

    def attempt(self, task: Job) -> str:
        """Do a task; the reason if it fails or its process is killed, or an empty string."""
        if self._pool is None:
            self._pool = loky.ProcessPoolExecutor(
                1, env=_ONE_THREAD, initializer=_follow, initargs=(os.getpid(),)
            )
        try:
            return self._pool.submit(_attempt, task).result()
        except loky.BrokenProcessPool:
            self.close()
            return "its process was killed; by the system, if memory ran out"

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, kill_workers=True)
            self._pool = None


def _follow(parent: int) -> None:
    """End this process soon after its parent is gone, by whatever signal."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _on_ray(tasks: Sequence[Job], unit: str, gpus: float, progress: bool) -> list[str]:
    """Do tasks on a Ray cluster; for each, why it failed, or an empty string."""
    try:
        import ray
    except ModuleNotFoundError:
        raise CompanionError(_MISSING.format("ray")) from None
    if not ray.is_initialized():
        try:
            ray.init(address="auto", log_to_driver=False)
        except ConnectionError:
            raise CompanionError(
                "backend: no Ray cluster found; start one (ray start --head) or set RAY_ADDRESS"
            ) from None

    # A run whose node dies leaves no record, so that it can simply begin again elsewhere; one that
    # kills its own process does not do so for ever. joblib's Ray backend waits for ever for workers
    # on a dead node, and runs a pool of one without its GPU.
    @ray.remote(num_cpus=1, num_gpus=gpus, max_retries=_TRIES)
    def work(task: Job) -> str:
        return _attempt(task)

    refs = [work.remote(task) for task in tasks]
    waiting: list[Any] = list(refs)
    reasons: dict[Any, str] = {}
    with tqdm(total=len(tasks), desc=f"{unit}s", unit=unit, disable=not progress) as bar:
        while waiting:
            (ready,), waiting = ray.wait(waiting)
            try:
                reasons[ready] = ray.get(ready)
            except ray.exceptions.RayError as error:
                reasons[ready] = " ".join(str(error).split())
            bar.update()
    return [reasons[ref] for ref in refs]


def _check_machine(experiment: Experiment) -> None:
    if experiment.vllm and importlib.util.find_spec("vllm") is None:
        raise CompanionError(_MISSING.format("vllm"))
    if experiment.trainer in OWN_TRAINERS and _processes() > 1:
        raise CompanionError(f"trainer: {experiment.trainer!r} runs on one process")
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


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A lock between runs; the processes of one run share it."""
    if _rank():
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        raise CompanionError(f"{path}: cannot be locked: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


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
