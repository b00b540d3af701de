"""Programs that forge, escape, waste or break, and what the caller makes of them."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.errors import CompanionError
from companion.rlhf.tasks import sandbox
from companion.rlhf.tasks.interpreter import Refused
from companion.rlhf.tasks.sandbox import (
    UNUSABLE,
    Program,
    Report,
    fence,
    run_program,
    run_programs,
    same,
)
from companion.rlhf.tasks.sandbox_child import decode, encode

TESTS = ((1, 4), (5, 8))
INPUTS = (1, 5, 7)


def ran(code):
    return run_program(Program(code, TESTS, INPUTS))


def reason(code):
    with pytest.raises(Refused) as caught:
        ran(code)
    return str(caught.value)


WHOLE = {
    "function": "def f(x):\n    return x + 3",
    "body": "return x + 3",
    "body of several statements": "y = x; return y + 3",
    "body with a branch": "if x > 100:\n    return 0\nelse:\n    return x + 3",
    "body with a multi-line string": "y = '''\n  return'''\nreturn x + 3",
    "lambda": "f = lambda x: x + 3",
    "imports": "import math, itertools\nfrom functools import reduce\n"
    "from collections import Counter\nimport re, string, statistics\n"
    "def f(x): return reduce(int.__add__ if False else lambda a, b: a + b, [math.floor(x), 3])",
    "annotations": "from typing import List, Optional\n"
    "def f(x: int, y: Optional[List[int]] = None) -> int:\n    return x + 3",
    "names beyond ASCII": "größe = 3\ndef f(x):\n    return x + größe  # drei dazu: 加三",
    "class": "class Adder:\n    def __init__(self, n):\n        self.n = n\n"
    "    def __call__(self, x):\n        return x + self.n\nf = Adder(3)",
    "print": "def f(x):\n    print('hello', x)\n    return x + 3",
    "generator": "def f(x):\n    return sum(y for y in (x, 3))",
    "helper": "def g(x):\n    return x + 1\ndef f(x):\n    return g(g(g(x)))",
    "main": "def f(x):\n    return x + 3\nif __name__ == '__main__':\n    print(f(1))",
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_models_write_runs(name):
    report = ran(WHOLE[name])
    assert report.outputs == (4, 8, 10)
    assert report.harness == ((1, 4, 4), (5, 8, 8))
    assert same(report.tests, list(TESTS))


REFUSED = {
    "while True: pass": "processor time",
    "return 9 ** 9 ** 9 ** 9": "processor time",
    "x = [0] * 10**10": "MemoryError",
    "x = [0]\nwhile True: x = x + x": "MemoryError|processor time|signal",
    "raise SystemExit(0)": "SystemExit",
    "return )(": "not Python",
    "return " + "(" * 300: "not Python",
    "x = '\ud800'": "not Python",
    "import os": "ImportError",
    "import os.path as math": "ImportError",
    "from . import os": "ImportError",
    "from re import enum": "ImportError",
    "import re\nre.enum.sys.modules": "AttributeError",
    "import string\nstring.Formatter": "AttributeError",
    "import operator\noperator.attrgetter('__class__')": "AttributeError",
    "from functools import update_wrapper": "ImportError",
    "open('/etc/passwd')": "NameError",
    "eval('1')": "NameError",
    "getattr(tests, 'clear')": "NameError",
    "().__class__.__base__.__subclasses__()": "lead out",
    "try:\n    1 / 0\nexcept Exception as e:\n    g = e.__traceback__": "lead out",
    "try:\n    1 / 0\nexcept Exception as e:\n    g = e.tb_frame": "lead out",
    "g = (i for i in tests)\ng.gi_frame.f_back": "lead out",
    "async def g(): pass\ng().cr_frame": "lead out",
    "__builtins__['open']": "lead out",
    "__import__('os')": "lead out",
    "def f(x): pass\nf.__globals__": "lead out",
    "class A:\n    __match_args__ = ('__globals__',)": "lead out",
    "match tests:\n    case object(__class__=c): pass": "lead out|class patterns",
    "A = type('A', (), {'__match_args__': ('__len__',)})\nmatch tests:\n    case A(c): pass": (
        "class patterns"
    ),
}


@pytest.mark.parametrize("code", REFUSED)
def test_programs_that_are_not_run_or_end_badly_say_why(code):
    assert re.search(REFUSED[code], reason(code))


FORGED = {
    "infinite test": "tests = [(float('inf'), 0)]",
    "lying comparison": "class Y:\n    def __ne__(self, o): return False\n"
    "    def __eq__(self, o): return True\n    def __hash__(self): return 0\n"
    "def f(x): return Y()",
    "subclass of int": "class I(int):\n    def __eq__(self, o): return True\n"
    "    def __hash__(self): return 0\ndef f(x): return I(3)",
    "boolean": "return x > 0",
    "float": "return x + 3.0",
    "not a number": "return float('nan')",
    "huge": "return 1 << 5000",
    "list that holds itself": "a = []\na.append(a)\ndef f(x): return a",
    "long": "return 'a' * 10**6",
    "text": "return str(x + 3)",
    "nothing": "tests = 7",
    "lookup": "return {1: 4, 5: 8}[x] if x in (1, 5) else UNKNOWN",
}


@pytest.mark.parametrize("name", FORGED)
def test_no_forgery_passes_for_the_answers(name):
    report = ran(FORGED[name])
    assert not all(map(same, report.outputs, (4, 8, 10)))
    assert all(same(decode(encode(o)), o) for o in report.outputs if o is not UNUSABLE)


def test_a_lookup_of_the_visible_tests_knows_no_other_input():
    for code in ("return dict(tests)[x]", "return {1: 4, 5: 8}[x]"):
        report = ran(code)
        assert report.outputs == (4, 8, UNUSABLE)
        assert same(report.tests, list(TESTS))


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("tests = []", []),
        ("tests.clear()", []),
        ("def f(x):\n    tests.clear()\n    return x + 3", []),
        ("tests = [(str(x), y) for x, y in tests]", [("1", 4), ("5", 8)]),
        ("tests = [(x, float(y)) for x, y in tests]", [(1, 4.0), (5, 8.0)]),
        ("tests = [list(t) for t in tests]", [[1, 4], [5, 8]]),
        ("tests[0] = (True, 4)", [(True, 4), (5, 8)]),
    ],
)
def test_tests_come_back_as_the_program_leaves_them_type_by_type(code, left):
    report = ran(code)
    assert same(report.tests, left)
    assert not same(report.tests, list(TESTS))


def test_sorting_the_argument_is_no_edit_of_the_tests():
    tests = (([2, 1], [1, 2]),)
    report = run_program(Program("x.sort()\nreturn x", tests, ([3, 2, 1],)))
    assert same(report.tests, list(tests))
    assert report.outputs == ([1, 2, 3],)
    assert report.harness == (([2, 1], [1, 2], [1, 2]),)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_values_survive_the_channel_exactly(value):
    received = decode(json.loads(json.dumps(encode(value))))
    assert same(received, value)
    assert repr(received) == repr(value)


@given(plain, plain)
def test_same_is_equality_of_representations(a, b):
    assert same(a, b) == (repr(a) == repr(b)) or a == b


@given(st.text() | st.binary().map(bytes.hex) | plain.map(json.dumps))
@settings(max_examples=300)
def test_any_report_is_read_without_an_exception(text):
    assert isinstance(sandbox._read(text), Report | Refused)


@given(
    st.fixed_dictionaries(
        {"harness": plain, "outputs": plain, "tests": plain | st.just({"other": None})}
    )
)
def test_any_report_of_the_right_form_is_read_without_an_exception(answer):
    assert isinstance(sandbox._read(json.dumps(answer)), Report | Refused)


ATOMS = "x tests f ( ) [ ] : = , . + - * ** 3 def return lambda for in if else while import class"


@given(st.lists(st.sampled_from([*ATOMS.split(), "\n", "\n    ", "yield", "match"]), max_size=25))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_a_report_or_a_reason(words):
    (found,) = run_programs([Program(" ".join(words), TESTS, INPUTS)])
    assert isinstance(found, Report) or str(found)


# What a program could do that had broken out of its language, as the child itself sees it.
ESCAPED = """
import os, socket, sys
sys.path.insert(0, {folder!r})
import sandbox_child as child
ours, theirs = os.pipe()
if os.fork() == 0:
    child._limit(1, 2**29, theirs)
    child._seal()
    held = []
    for name, attempt in [
        ("open", lambda: os.open("/etc/passwd", os.O_RDONLY)),
        ("write", lambda: os.open("/tmp/escaped", os.O_CREAT | os.O_WRONLY)),
        ("socket", lambda: socket.socket()),
        ("fork", os.fork),
        ("kill", lambda: os.kill(os.getppid(), 0)),
        ("exec", lambda: os.execv("/bin/true", ["true"])),
    ]:
        try:
            attempt()
        except OSError:
            held.append(name)
    os.write(theirs, " ".join(held).encode())
    os._exit(0)
os.close(theirs)
print(os.read(ours, 1000).decode(), os.environ)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")
def test_system_calls_are_refused_to_what_escapes_the_language():
    assert "seccomp filter" in fence()
    script = ESCAPED.format(folder=os.path.dirname(sandbox.__file__))
    # without the tasks folder's own names in the way of the standard library's
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("open write socket fork kill exec environ(")


def test_the_server_holds_no_environment_and_no_answer(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "1")
    server = sandbox._Server()
    environment = Path(f"/proc/{server._process.pid}/environ").read_bytes()
    assert b"SECRET_TOKEN" not in environment
    request = sandbox._request(Program("return x", TESTS, (1, 5, 7)))
    assert b"10" not in request.split(b'"inputs"')[1].split(b'"cpu"')[0]


def test_fence_says_what_holds(monkeypatch):
    words = fence()
    assert words.endswith("audit hook, resource limits")
    monkeypatch.setattr(sandbox, "_bubblewrap", list)
    assert not sandbox._Server().fence[0].startswith("bubblewrap")


def test_an_endless_program_costs_its_time_once():
    code = "while True:\n    once = 1"
    began = time.monotonic()
    assert "processor time" in reason(code)
    first = time.monotonic() - began
    began = time.monotonic()
    for _ in range(20):
        reason(code)
    assert time.monotonic() - began < first / 2


def test_a_batch_keeps_to_its_time_and_forgets_what_it_did_not_run():
    endless = [Program(f"while True: late = {i}", TESTS, INPUTS) for i in range(40)]
    began = time.monotonic()
    found = run_programs(endless, seconds=0.5)
    assert time.monotonic() - began < 5
    late = [p for p, f in zip(endless, found, strict=True) if "before its turn" in str(f)]
    assert late
    assert "processor time" in str(run_programs(late[:1])[0])


def test_a_batch_takes_milliseconds_a_program():
    programs = [Program(f"return x + {i}", TESTS, INPUTS) for i in range(1000, 1256)]
    began = time.monotonic()
    found = run_programs(programs)
    assert time.monotonic() - began < 10
    assert [f.outputs[0] for f in found] == [1 + i for i in range(1000, 1256)]


def test_a_server_that_dies_is_replaced():
    ran("return x + 4711")
    for server in _drained(sandbox._servers()):
        os.kill(server._process.pid, signal.SIGKILL)
        server._process.wait()
    assert ran("return x + 4712").outputs[0] == 4713


def _drained(servers):
    held = [servers._idle.get() for _ in range(servers.size)]
    for server in held:
        servers._idle.put(server)
    return [server for server in held if server is not None]


def test_a_machine_that_cannot_run_programs_is_one_line(monkeypatch):
    monkeypatch.setattr(sandbox, "_STARTED", {})
    monkeypatch.setattr(sandbox.sys, "executable", "/bin/true")
    with pytest.raises(CompanionError, match="cannot run programs") as caught:
        ran("return x + 4713")
    assert "\n" not in str(caught.value)


def test_limits_of_the_host_are_no_verdict(monkeypatch):
    monkeypatch.setattr(sandbox._Server, "ask", lambda *_: {"host": "no process for a program"})
    with pytest.raises(CompanionError, match="no process"):
        ran("return x + 4714")
    monkeypatch.undo()
    assert ran("return x + 4714").outputs[0] == 4715
