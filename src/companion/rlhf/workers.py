"""Tasks side by side: in processes of this machine, or on a Ray cluster.

A task that fails, or whose process is killed, costs the others nothing.
"""

import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from tqdm.auto import tqdm

from companion.errors import CompanionError
from companion.rlhf.compat import loky

Job = Callable[[], object]
NOT_INSTALLED = "{}: not installed; install policy-cliff-companion[cluster]"
_PARENT_EVERY = 1.0  # seconds
_TRIES = 3
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


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


class Workers:
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


def on_ray(tasks: Sequence[Job], unit: str, gpus: float, progress: bool) -> list[str]:
    """Do tasks on a Ray cluster; for each, why it failed, or an empty string."""
    try:
        import ray
    except ModuleNotFoundError:
        raise CompanionError(NOT_INSTALLED.format("ray")) from None
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
