"""Ending what this program starts: workers, kernels, and whatever they started in turn."""

import os
import signal
import threading
from types import FrameType
from typing import Any

import psutil

JOB = "COMPANION_JOB"
_ROUNDS = 20


class Stopped(BaseException):
    """The user or the system asked this process to end; not an error, so no handler keeps it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def stop_on_signals() -> None:
    """Turn SIGINT, SIGTERM and SIGHUP into :class:`Stopped`, so that ``finally`` blocks run.

    A signal that the caller ignores (``nohup``, a job in the background) stays ignored.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)


def end_job(prefix: str) -> None:
    """Kill every other process whose environment names a job that begins with ``prefix``.

    The environment is what children keep when their parent is gone, whatever session or process
    group they moved to.
    """

    def named(process: psutil.Process) -> bool:
        return process.environ().get(JOB, "").startswith(prefix)

    for _ in range(_ROUNDS):
        mine = [p for p in psutil.process_iter() if p.pid != os.getpid() and _ask(named, p)]
        if not mine:
            return
        _kill(mine)


def end_descendants() -> None:
    """Kill every process that this one started, and those that they started.

    Python's trackers of semaphores and shared memory stay: they end with this process, which still
    tells them what it has cleaned up itself.
    """
    started = psutil.Process().children(recursive=True)
    _kill([p for p in started if "resource_tracker" not in " ".join(_ask(_command, p) or [])])


def _command(process: psutil.Process) -> list[str]:
    return process.cmdline()


def follow_parent() -> None:
    """End this process and its job as soon as the parent is gone, even by SIGKILL.

    The parent holds the other end of this process's standard input, which is read for nothing
    else. Called once, at the start of a process that was given a job.
    """

    def wait() -> None:
        while os.read(0, 4096):
            pass
        end_job(os.environ[JOB])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        for child in _ask(lambda p: p.children(recursive=True), process) or []:
            _ask(psutil.Process.kill, child)
        _ask(psutil.Process.kill, process)
    psutil.wait_procs(processes, timeout=1)


def _ask(question: Any, process: psutil.Process) -> Any:
    """Answer of a process, or None if it has ended or belongs to another user."""
    try:
        return question(process)
    except (psutil.Error, OSError):
        return None
