"""The other side of ``sandbox``: a process that runs programs nobody has read.

Started by path in an empty environment (``python -I -S sandbox_child.py FOLDER``), it imports the
standard library alone. It fences itself, says on its first line which fences hold, then reads one
program a line and forks a child for each. The child holds the visible tests and inputs, no answer:
what it reports is what the program's function returns, as plain JSON, on a pipe the program cannot
name. Whatever it reports is untrusted; ``sandbox`` compares.

Layers, from outside in: user, network, mount and IPC namespaces with an empty root folder; limits
on processor time, memory and files; a seccomp filter that leaves memory, the clock and writing to
the one open pipe; an audit hook; few builtins and the public names of harmless modules; a program
whose tree names what leads out of these (dunders, frames, tracebacks) is not run at all.
"""

import ast
import bisect
import builtins
import cmath
import collections
import collections.abc
import contextlib
import ctypes
import fractions
import functools
import gc
import heapq
import itertools
import json
import math
import operator
import os
import platform
import random
import re
import select
import signal
import statistics
import string
import sys
import time
import types
import typing
import unicodedata  # noqa: F401  (the parser normalises names with it, and nothing is imported later)
from typing import Any

if sys.platform != "win32":
    import resource

MAX_REPORT = 2**16
MAX_ITEMS = 2000
MAX_DEPTH = 16
MAX_BITS = 1024

_BUILTINS = """abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict
divmod enumerate filter float format frozenset hash hex int isinstance issubclass iter len list map
max min next object oct ord pow property range repr reversed round set slice sorted staticmethod str
sum super tuple type zip Ellipsis False None NotImplemented True __build_class__"""
_TYPING = """Any Callable Dict FrozenSet Generator Generic Iterable Iterator List Mapping Optional
Sequence Set Tuple Type TypeVar Union"""
_METHODS = """name init call repr str len iter next getitem setitem contains hash bool eq ne lt le
gt ge add radd sub rsub mul rmul truediv floordiv mod pow neg abs enter exit"""
_DUNDERS = frozenset(f"__{name}__" for name in _METHODS.split())
# What names attributes by string, reads annotations, or reaches modules and the system.
_WITHHELD = {
    "functools": {"update_wrapper", "wraps", "singledispatch", "singledispatchmethod"},
    "operator": {"attrgetter", "methodcaller"},
    "random": {"SystemRandom"},
    "string": {"Formatter", "Template"},
}
_MODULES = (
    *(bisect, cmath, collections, collections.abc, fractions, functools, heapq, itertools),
    *(math, operator, random, re, statistics, string),
)
_FRAMES = ("tb_", "f_", "gi_", "cr_", "ag_", "co_")

_NAMESPACES = 0x10000000 | 0x40000000 | 0x08000000 | 0x00020000  # user, network, IPC, mount
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050001  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
# By machine: its audit architecture, and the numbers of write, mmap, mprotect, munmap, brk,
# rt_sigaction, rt_sigprocmask, rt_sigreturn, mremap, madvise, sigaltstack, futex, clock_gettime,
# gettimeofday, getrandom, exit and exit_group (Linux: syscall_64.tbl, asm-generic/unistd.h).
_SYSCALLS = {
    "x86_64": (
        0xC000003E,
        (1, 9, 10, 11, 12, 13, 14, 15, 25, 28, 131, 202, 228, 96, 318, 60, 231),
    ),
    "aarch64": (
        0xC00000B7,
        (64, 222, 226, 215, 214, 134, 135, 139, 216, 233, 132, 98, 113, 169, 278, 93, 94),
    ),
}


class Refusal(Exception):
    """The program is not run; the message is the reason."""


def main() -> None:
    """Fence this process, say how, and serve programs until the input ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    fences = [*_own_namespaces(sys.argv[1]), *(["seccomp filter"] if _filter_holds() else [])]
    _write(answers, fences)
    gc.collect()
    gc.freeze()
    for line in requests:
        _write(answers, _judge(json.loads(line)))


def _write(stream: Any, answer: Any) -> None:
    stream.write(json.dumps(answer).encode() + b"\n")
    stream.flush()


def _own_namespaces(folder: str) -> list[str]:
    try:
        if _libc().unshare(_NAMESPACES):
            return []
        os.chroot(folder)
        os.chdir("/")
    except (AttributeError, OSError):
        return []
    return ["own user, network, mount and IPC namespaces over an empty root"]


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("true", ctypes.c_uint8),
        ("false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def _filter() -> _Program | None:
    """A classic BPF program that allows the listed system calls of this machine, or nothing."""
    if sys.platform != "linux" or platform.machine() not in _SYSCALLS:
        return None
    architecture, numbers = _SYSCALLS[platform.machine()]
    load, equal, end = 0x20, 0x15, 0x06
    size = len(numbers)
    steps = [(load, 0, 0, 4), (equal, 0, size + 1, architecture), (load, 0, 0, 0)]
    steps += [(equal, size - i, 0, number) for i, number in enumerate(numbers)]
    steps += [(end, 0, 0, _REFUSE), (end, 0, 0, _ALLOW)]
    array = (_Instruction * len(steps))(*itertools.starmap(_Instruction, steps))
    return _Program(len(steps), array)


_BPF = _filter()


def _seal() -> bool:
    """Leave this process the system calls of ``_SYSCALLS``; False where there is no such filter."""
    if _BPF is None:
        return False
    libc = _libc()
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return libc.prctl(_SECCOMP, _FILTER, ctypes.byref(_BPF)) == 0


def _filter_holds() -> bool:
    """Whether a child that seals itself can no longer open a file."""
    child = os.fork()
    if child == 0:
        sealed = _seal()
        try:
            os.open("/", os.O_RDONLY)
            sealed = False
        except OSError:
            pass
        os._exit(0 if sealed else 1)
    return os.waitpid(child, 0)[1] == 0


def _judge(task: dict[str, Any]) -> dict[str, str]:
    """Run one program in a child; ``report`` is what it wrote, unread."""
    ours, theirs = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        return {"host": f"no process for a program: {error.strerror}"}
    if child == 0:
        _run(task, theirs)
    os.close(theirs)
    report = _read(ours, task["wall"])
    os.close(ours)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    if report is None:
        return {"host": f"a program did not end within {task['wall']} seconds"}
    stopped = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if stopped == signal.SIGPROF:
        return {"refused": f"no end within {task['cpu']} seconds of processor time"}
    if not report:
        return {"refused": f"stopped by signal {stopped}" if stopped else "it left no report"}
    return {"report": report.decode("ascii", "replace")}


def _read(pipe: int, wall: float) -> bytes | None:
    """Everything written to a pipe, up to a limit; ``None`` if it does not end in time."""
    deadline, chunks, size = time.monotonic() + wall, [], 0
    while size <= MAX_REPORT:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(pipe, MAX_REPORT)
        if not chunk:
            break
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _run(task: dict[str, Any], pipe: int) -> None:
    """In the child: run the program and its harness, write the report, and end."""
    answer: dict[str, Any]
    try:
        _limit(task["cpu"], task["memory"], pipe)
        code = compile(read_program(task["code"]), "<program>", "exec")
        space: dict[str, Any] = {"__builtins__": _SPACE, "__name__": "program"}
        space["tests"] = [(decode(x), decode(y)) for x, y in task["tests"]]
        _seal()
        sys.addaudithook(_refuse_events)
        exec(code, space)
        answer = _exercise(space, task["inputs"])
    except Refusal as refusal:
        answer = {"refused": str(refusal)}
    except BaseException as error:
        answer = {"raised": type(error).__name__}
    try:
        os.write(pipe, json.dumps(answer).encode()[:MAX_REPORT])
    finally:
        os._exit(0)


def _limit(cpu: float, memory: int, pipe: int) -> None:
    os.closerange(0, pipe)
    os.closerange(pipe + 1, 256)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    seconds = math.ceil(cpu) + 1
    limits = {"CPU": seconds, "FSIZE": 0, "CORE": 0, "AS": memory, "NPROC": 0, "NOFILE": pipe + 1}
    for name, limit in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def _refuse_events(
    event: str,
    arguments: object,
    quiet: tuple[str, ...] = ("object.", "code.", "compile", "exec", "sys._getframe"),
) -> None:
    """Audit hook: files, sockets, processes, signals and imports raise events, and are refused."""
    if not event.startswith(quiet):
        raise PermissionError(event)


def _offer() -> dict[str, Any]:
    """The builtins of a program: harmless functions, exceptions, an importer of facades."""
    offered = {name: getattr(builtins, name) for name in _BUILTINS.split()}
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            offered[name] = value
    modules = {module.__name__: _facade(module, _public(module)) for module in _MODULES}
    modules["typing"] = _facade(typing, _TYPING.split())
    modules["collections"].abc = modules["collections.abc"]

    def importer(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> types.SimpleNamespace:
        if name not in modules or level:
            raise ImportError(f"{name}: not offered here")
        return modules[name if fromlist else name.partition(".")[0]]

    return offered | {"__import__": importer, "print": lambda *_, **__: None}


def _public(module: types.ModuleType) -> list[str]:
    return list(getattr(module, "__all__", None) or dir(module))


def _facade(module: types.ModuleType, names: list[str]) -> types.SimpleNamespace:
    """The public names of a module, without the modules it holds."""
    withheld = _WITHHELD.get(module.__name__, set())
    kept = {name: getattr(module, name) for name in names if name not in withheld}
    return types.SimpleNamespace(
        **{
            name: value
            for name, value in kept.items()
            if not name.startswith("_") and not isinstance(value, types.ModuleType)
        }
    )


_SPACE = _offer()


def read_program(source: str) -> ast.Module:
    """The tree of a program; a bare body that returns becomes the body of ``f(x)``.

    Raises:
        Refusal: if it is not Python, or names what leads out of the fence.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refusal("the code is not Python") from None
    for node in ast.walk(tree):
        _check(node)
    if not _returns(tree.body):
        return tree
    whole = ast.parse("def f(x): pass")
    whole.body[0].body = tree.body  # type: ignore[attr-defined]
    return whole


def _check(node: ast.AST) -> None:
    if isinstance(node, ast.MatchClass) and (node.patterns or node.kwd_patterns):
        raise Refusal("class patterns with parts are not allowed")
    if isinstance(node, ast.Attribute) and node.attr not in _DUNDERS:
        _check_name(node.attr, ("_", *_FRAMES))
    if isinstance(node, ast.Constant):
        return
    for _, value in ast.iter_fields(node):
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name not in _DUNDERS:
                _check_name(name, ("__",))


def _check_name(name: str, forbidden: tuple[str, ...]) -> None:
    if name.startswith(forbidden):
        raise Refusal("names that lead out of the fence are not allowed")


def _returns(body: list[Any]) -> bool:
    """Whether statements return outside any function."""
    scopes = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    nodes: list[ast.AST] = list(body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Return):
            return True
        if not isinstance(node, scopes):
            nodes.extend(ast.iter_child_nodes(node))
    return False


def _exercise(space: dict[str, Any], inputs: list[Any]) -> dict[str, Any]:
    """What the program's own harness sees, what its function returns, and the tests it leaves."""
    function = space.get("f")
    return {
        "harness": _harness(function, space.get("tests")),
        "outputs": [_call(function, decode(x)) for x in inputs],
        "tests": encode(space.get("tests")),
    }


def _harness(function: Any, tests: Any) -> list[Any] | None:
    """(input, expected, output) of every test there is; ``None`` if they are no list of pairs."""
    if type(tests) is not list:
        return None
    seen: list[Any] = []
    for test in tests:
        if type(test) not in (tuple, list) or len(test) != 2:
            return None
        x, y = (encode(value) for value in test)
        seen.append([x, y, _call(function, test[0] if x == _OTHER else decode(x))])
    return seen


def _call(function: Any, x: Any) -> Any:
    try:
        return encode(function(x))
    except BaseException as error:
        return {"raised": type(error).__name__}


_OTHER = {"other": None}


def encode(value: Any) -> Any:
    """A value of plain types, exactly, as JSON; anything else, or too much, as ``other``."""
    left = [MAX_ITEMS]

    def plain(value: Any, depth: int) -> Any:
        left[0] -= 1 + (len(value) if type(value) is str else 0)
        if left[0] < 0 or depth > MAX_DEPTH:
            raise ValueError
        if value is None or type(value) in (bool, str):
            return value
        if type(value) is int and value.bit_length() <= MAX_BITS:
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) in (list, tuple):
            return {type(value).__name__: [plain(item, depth + 1) for item in value]}
        if type(value) is dict:
            pairs = [[plain(k, depth + 1), plain(v, depth + 1)] for k, v in value.items()]
            return {"dict": pairs}
        raise ValueError

    try:
        return plain(value, 0)
    except (ValueError, RuntimeError):
        return _OTHER


def decode(value: Any) -> Any:
    """The value that ``encode`` wrote.

    Raises:
        ValueError: if nothing of that form.
    """
    if type(value) is not dict:
        if type(value) is list:
            raise ValueError("a bare list")
        return value
    ((kind, items),) = value.items()
    if kind == "dict":
        return {decode(k): decode(v) for k, v in items}
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](decode(item) for item in items)
    raise ValueError("not a plain value")


if __name__ == "__main__":
    main()
