"""Run programs that nobody has read, many at a time, fenced in time, memory, files and network.

Each program runs in a process of its own, forked by a server (``sandbox_child``) that was started
in an empty environment. The process holds the visible tests and the inputs to try, never an answer:
it sends back what the program's function returns, and the caller compares. Whatever comes back is
untrusted; what is no plain value of exactly the expected type is no answer.
"""

import contextlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.rlhf.tasks.interpreter import Refused
from companion.rlhf.tasks.sandbox_child import decode, encode

CPU_SECONDS = 0.25
BATCH_SECONDS = 60.0
_WALL_SECONDS = 30.0  # a program waits for nothing: only a machine that is too busy takes this long
_MEMORY = 512 * 2**20
_CACHED = 2**16
_CHILD = Path(__file__).with_name("sandbox_child.py")
_ALWAYS = ["audit hook", "resource limits"]


class Unusable:
    """In place of an output that is no plain value, or that was never returned; equals nothing."""

    def __repr__(self) -> str:
        return "unusable"


UNUSABLE = Unusable()


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        code: statements that define ``f``, or the body of ``f(x)``.
        tests: the visible tests, (input, expected) pairs of plain values: ``tests`` in the program.
        inputs: what to call ``f`` with afterwards.
    """

    code: str
    tests: tuple[tuple[Any, Any], ...]
    inputs: tuple[Any, ...]


@dataclass(frozen=True)
class Report:
    """What a program's function returns, and the tests it leaves.

    Attributes:
        harness: (input, expected, output) for each test that the program's own harness finds in
            ``tests``; ``None`` if that is no list of pairs.
        outputs: results for ``inputs``, ``UNUSABLE`` where there are none.
        tests: ``tests`` as the program leaves it.
    """

    harness: tuple[tuple[Any, Any, Any], ...] | None
    outputs: tuple[Any, ...]
    tests: Any


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are of the same types and equal; ``UNUSABLE`` equals nothing."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(
            any(same(k, m) and same(v, w) for m, w in b.items()) for k, v in a.items()
        )
    return not isinstance(a, Unusable) and bool(a == b)


def run_program(program: Program) -> Report:
    """Run one program.

    Raises:
        Refused: if it is not run, does not finish or does not report; the message is the reason.
        CompanionError: if this machine cannot run programs.
    """
    (found,) = run_programs([program])
    if isinstance(found, Refused):
        raise Refused(str(found))  # a new one: the cached one would collect tracebacks
    return found


def run_programs(
    programs: Sequence[Program], seconds: float = BATCH_SECONDS
) -> list[Report | Refused]:
    """Run many programs side by side; each distinct one once, and never again.

    Args:
        programs: to run.
        seconds: time for the batch. A program whose turn does not come within it is refused for
            this batch alone.

    Raises:
        CompanionError: if this machine cannot run programs.
    """
    requests = [_request(program) for program in programs]
    found = {r: answer for r in requests if (answer := _FOUND.get(r)) is not None}
    missing = [r for r in dict.fromkeys(requests) if r not in found]
    for request, answer in zip(missing, _judge_all(missing, seconds), strict=True):
        found[request] = answer
        if not isinstance(answer, OutOfTurn):
            _FOUND.put(request, answer)
    return [found[request] for request in requests]


def _judge_all(requests: Sequence[bytes], seconds: float) -> list[Report | Refused]:
    if not requests:
        return []
    deadline = time.monotonic() + seconds
    servers = _servers()
    threads = ThreadPoolExecutor(servers.size)
    try:
        return list(threads.map(servers.judge, requests, itertools.repeat(deadline)))
    finally:
        threads.shutdown(cancel_futures=True)


def fence() -> str:
    """The fence that programs run behind on this machine, in words.

    Raises:
        CompanionError: if this machine cannot run programs.
    """
    return ", ".join(_servers().fence)


class OutOfTurn(Refused):
    """The batch's time was up before the program was run."""


class _Cache:
    """The latest verdicts by request."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Report | Refused] = OrderedDict()

    def get(self, request: bytes) -> Report | Refused | None:
        return self._kept.get(request)

    def put(self, request: bytes, answer: Report | Refused) -> None:
        self._kept[request] = answer
        if len(self._kept) > _CACHED:
            self._kept.popitem(last=False)


_FOUND = _Cache()


def _request(program: Program) -> bytes:
    task = {
        "code": program.code,
        "tests": [[encode(x), encode(y)] for x, y in program.tests],
        "inputs": [encode(x) for x in program.inputs],
        "cpu": CPU_SECONDS,
        "wall": _WALL_SECONDS,
        "memory": _MEMORY,
    }
    return json.dumps(task).encode() + b"\n"


class _Server:
    """One process that runs programs one after the other."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp()
        command = [sys.executable, "-I", "-S", str(_CHILD), folder]
        self._process = subprocess.Popen(
            [*_bubblewrap(), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )
        try:
            self.fence: list[str] = [*self._answer(), *_ALWAYS]
        finally:
            os.rmdir(folder)  # a process stays where it stands, and nothing can be made there
        if _bubblewrap():
            self.fence.insert(0, "bubblewrap")

    def ask(self, request: bytes) -> dict[str, str]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except OSError:
            raise CompanionError("sandbox: the process that runs programs is gone") from None
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.kill()
            self._process.wait()
            raise CompanionError("sandbox: this machine cannot run programs in a process apart")
        return json.loads(line)


class _Servers:
    """As many servers as this process has cores, started when first needed."""

    def __init__(self) -> None:
        self.size = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        first = _Server()
        self.fence = first.fence
        self._idle: queue.SimpleQueue[_Server | None] = queue.SimpleQueue()
        self._idle.put(first)
        for _ in range(self.size - 1):
            self._idle.put(None)

    def judge(self, request: bytes, deadline: float) -> Report | Refused:
        """Run one request; a server that is gone is replaced once."""
        if time.monotonic() > deadline:
            return OutOfTurn("the time for its batch was up before its turn")
        server = self._idle.get()
        try:
            try:
                server = server or _Server()
                answer = server.ask(request)
            except CompanionError:
                server = _Server()
                answer = server.ask(request)
        except CompanionError:
            server = None
            raise
        finally:
            self._idle.put(server)
        if "host" in answer:
            raise CompanionError(f"sandbox: {answer['host']}")
        if "refused" in answer:
            return Refused(answer["refused"])
        return _read(answer["report"])


_LOCK = threading.Lock()
_STARTED: dict[int, _Servers] = {}


def _servers() -> _Servers:
    """This process's servers; a forked process starts its own."""
    with _LOCK:
        if os.getpid() not in _STARTED:
            _STARTED[os.getpid()] = _Servers()
        return _STARTED[os.getpid()]


@cache
def _bubblewrap() -> list[str]:
    """The command that puts ``bwrap`` around another, where it is installed and works."""
    found = shutil.which("bwrap")
    if found is None:
        return []
    command = [found, "--unshare-all", "--ro-bind", "/", "/", "--dev", "/dev", "--"]
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else []


def _read(report: str) -> Report | Refused:
    """Read what a program's process wrote, which may be anything."""
    with contextlib.suppress(Exception):
        answer = json.loads(report)
        if "refused" in answer:
            return Refused(_printable(answer["refused"]))
        if "raised" in answer:
            return Refused(f"the program raised {_printable(answer['raised'])}")
        harness = answer["harness"]
        return Report(
            None
            if harness is None
            else tuple((_value(x), _value(y), _value(z)) for x, y, z in harness),
            tuple(_value(output) for output in answer["outputs"]),
            _value(answer["tests"]),
        )
    return Refused("the program's report is unreadable")


def _printable(text: Any) -> str:
    return "".join(c for c in str(text)[:80] if c.isprintable() and c.isascii())


def _value(encoded: Any) -> Any:
    try:
        return decode(encoded)
    except (ValueError, TypeError, RecursionError):
        return UNUSABLE
