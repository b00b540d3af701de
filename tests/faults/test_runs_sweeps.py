"""Sweeps of which a run fails, a worker is killed, or which are stopped themselves."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import yaml
from small_runs import SIZES, small

from companion.errors import CompanionError
from companion.rlhf import read_record, sweep
from companion.rlhf.commands import run_grid
from companion.rlhf.records import Record
from companion.rlhf.sweeps import SweepFailed
from companion.rlhf.workers import Workers


def sound(seed):
    return small(trainer="exact", seed=seed, steps=1, sft_steps=2)


def test_one_bad_run_does_not_end_a_sweep(tmp_path):
    bad = small(trainer="exact", sft_learning_rate=1e30, steps=1, sft_steps=2)
    with pytest.raises(SweepFailed, match=f"1 of 3 runs failed: {bad.id} .*diverged") as caught:
        sweep([sound(0), bad, sound(1)], tmp_path, jobs=1, progress=False)
    assert "\n" not in str(caught.value)
    assert [r.experiment for r in caught.value.records] == [sound(0), sound(1)]
    assert list(caught.value.failures) == [bad.id]
    assert read_record(tmp_path / sound(1).id).experiment == sound(1)


def test_the_command_reports_what_succeeded_and_what_failed(tmp_path):
    file = tmp_path / "grid.yaml"
    base = {
        "task": "deceptive",
        "trainer": "exact",
        "rewards": {"weak": 1.0},
        **SIZES,
        "sft_steps": 2,
    }
    file.write_text(yaml.safe_dump({"base": base, "grid": {"sft_learning_rate": [6e-3, 1e30]}}))
    command = [sys.executable, "-m", "companion.cli", "sweep", str(file)]
    done = subprocess.run(
        [*command, "--root", str(tmp_path / "runs"), "--jobs", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "TV from start" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: 1 of 2 runs failed")
    assert "training diverged" in last


def test_what_was_there_is_counted_and_not_measured_again(tmp_path, monkeypatch, capsys):
    file, root = tmp_path / "grid.yaml", tmp_path / "runs"
    fields = sound(0).model_dump(exclude={"seed"})
    for seeds in ([0, 1], [2, 0, 1]):
        file.write_text(yaml.safe_dump({"base": fields, "grid": {"seed": seeds}}))
        run_grid(file, root, 1, "processes", 0)
        *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [sound(2).id]
    assert last == f"runs that were in {root} already: 2"

    monkeypatch.delattr(Record, "distribution")
    monkeypatch.delattr(Record, "metrics")
    run_grid(file, root, 1, "processes", 0)
    assert capsys.readouterr().out == f"runs that were in {root} already: 3\n"


def note(folder, name):
    Path(folder, name).write_text("")


def die(folder, name):
    note(folder, name)
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder, name):
    note(folder, name)
    raise ZeroDivisionError("two\nlines")


def refuse(folder, name):
    note(folder, name)
    raise CompanionError("no such thing")


def test_a_killed_worker_costs_its_own_task_alone(tmp_path):
    kinds = [note, die, note, fail, note, refuse, note, die, note]
    tasks = [partial(kind, tmp_path, str(i)) for i, kind in enumerate(kinds)]
    with closing(Workers(2, progress=False)) as processes:
        reasons = processes(tasks, "task")
        assert processes(tasks[:1] * 2, "task") == ["", ""]
    assert sorted(p.name for p in tmp_path.iterdir()) == [str(i) for i in range(len(kinds))]
    expected = {
        note: "",
        die: "its process was killed; by the system, if memory ran out",
        fail: "ZeroDivisionError: two lines",
        refuse: "no such thing",
    }
    assert reasons == [expected[kind] for kind in kinds]


def children_of(pid):
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found, grown = {pid}, True
    while grown:
        new = {child for child, parent in pairs if parent in found} - found
        found |= new
        grown = bool(new)
    return found - {pid}


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


SWEEP = """
import sys, time
from functools import partial
from contextlib import closing
from companion.rlhf.workers import Workers
with closing(Workers(2, False)) as processes:
    processes([partial(time.sleep, 300)] * 2, "task")
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_sweep_that_is_stopped_leaves_no_worker(signum):
    sweeping = subprocess.Popen([sys.executable, "-c", SWEEP], stderr=subprocess.DEVNULL)
    workers = set()
    patience = time.monotonic() + 60
    while len(workers) < 2:
        assert time.monotonic() < patience
        time.sleep(0.5)
        workers = children_of(sweeping.pid)
    time.sleep(2)  # until they have begun
    workers |= children_of(sweeping.pid)
    sweeping.send_signal(signum)
    sweeping.wait(timeout=20)
    patience = time.monotonic() + 15
    while any(map(alive, workers)):
        assert time.monotonic() < patience, workers
        time.sleep(0.2)


COMMAND = f"""
from companion import cli
from companion.rlhf import commands
def stuck(*_):
    {SWEEP.strip().replace(chr(10), chr(10) + "    ")}
commands.run_grid = stuck
cli.main(["sweep", "grid.yaml"])
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_a_command_that_is_stopped_says_so_and_no_more():
    command = [sys.executable, "-c", COMMAND]
    sweeping = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    patience = time.monotonic() + 60
    while len(children_of(sweeping.pid)) < 3:  # two workers and what tracks their semaphores
        assert time.monotonic() < patience
        time.sleep(0.5)
    time.sleep(2)
    workers = children_of(sweeping.pid)
    sweeping.send_signal(signal.SIGTERM)
    _, said = sweeping.communicate(timeout=30)
    assert (said, sweeping.returncode) == ("stopped\n", 128 + signal.SIGTERM)
    patience = time.monotonic() + 15
    while any(map(alive, workers)):
        assert time.monotonic() < patience, workers
        time.sleep(0.2)
