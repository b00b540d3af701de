"""Run a short Python program in a process of its own, fenced in time, memory, files, network.

A fence for what language models write while they train, not a wall against an attacker: the
program runs as the same user, in an empty environment and folder, with resource limits, few
builtins, and an audit hook that refuses files, sockets, processes and foreign imports.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

from companion.rlhf.tasks.interpreter import Refused

SECONDS = 2
_MEMORY = 256 * 2**20
_OUTPUT = 2**16

_CHILD = r"""
import json, os, resource, sys
task = json.loads(sys.stdin.read())
seconds, memory, output = task["limits"]
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
resource.setrlimit(resource.RLIMIT_FSIZE, (output, output))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
for name, limit in (("RLIMIT_AS", memory), ("RLIMIT_NPROC", 1)):
    try:
        resource.setrlimit(getattr(resource, name), (limit, limit))
    except (ValueError, OSError):
        pass
try:
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
except (AttributeError, OSError):
    pass
names = ("abs bool dict divmod enumerate filter float int len list map max min pow range reversed "
         "round set sorted str sum tuple zip ValueError Exception").split()
import builtins
space = {"__builtins__": {n: getattr(builtins, n) for n in names}}
space["tests"] = [tuple(test) for test in task["tests"]]
report = os.fdopen(os.dup(1), "w")
quiet = ("object.", "code.", "compile", "exec", "builtins.id", "sys._getframe")

def fence(event, arguments):
    if not event.startswith(quiet):
        raise PermissionError(event)

sys.addaudithook(fence)

def call(x):
    try:
        value = space["f"](x)
        return value if type(value) is int and abs(value) < 10**9 else None
    except Exception:
        return None

try:
    exec(task["program"], space)
    tests = space["tests"]
    shown = [list(test) for test in tests]
    answer = {
        "total": len(shown),
        "failed": sum(call(x) != y for x, y in shown),
        "tests": shown,
        "outputs": [call(x) for x in task["inputs"]],
    }
except BaseException as error:
    answer = {"error": type(error).__name__}
report.write(json.dumps(answer))
report.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Report:
    """What a program's own harness reports, and what its function returns.

    Attributes:
        failed, total: tests that fail among those the program left in ``tests``.
        tests: those tests, as (input, expected) pairs.
        outputs: results for inputs that the program never saw; ``None`` where it has none.
    """

    failed: int
    total: int
    tests: list[tuple[int, int]]
    outputs: list[int | None]


def run_program(code: str, tests: list[tuple[int, int]], inputs: list[int]) -> Report:
    """Run ``code``: the body of ``f(x)`` if it returns something, else statements beside ``tests``.

    Raises:
        Refused: if it does not finish, breaks a limit or does not report; the message says which.
    """
    body = any(line.lstrip().startswith("return") for line in code.splitlines())
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    task = {
        "program": f"def f(x):\n{lines}\n" if body else code,
        "tests": tests,
        "inputs": inputs,
        "limits": (SECONDS, _MEMORY, _OUTPUT),
    }
    answer = _answer(_run(json.dumps(task)))
    try:
        return Report(
            int(answer["failed"]),
            int(answer["total"]),
            [(int(x), int(y)) for x, y in answer["tests"]],
            list(answer["outputs"]),
        )
    except (KeyError, TypeError, ValueError):
        raise Refused(f"the program raised {answer.get('error', 'nothing usable')}") from None


def _run(task: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={},
            start_new_session=True,
        )
        try:
            child.communicate(task.encode(), timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            raise Refused(f"no end within {2 * SECONDS} seconds") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        if child.returncode:
            raise Refused(f"stopped by a limit (status {child.returncode})")
        output.seek(0)
        return output.read(_OUTPUT)


def _answer(output: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(output)
    except ValueError:
        raise Refused("the program left no report") from None
    if not isinstance(answer, dict):
        raise Refused("the program left no report")
    return answer
