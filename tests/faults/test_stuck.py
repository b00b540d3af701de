"""Builds that meet, and builds that are stopped half-way."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from tiny_book import add_chapter, command

BUILD = [sys.executable, "-m", "companion.cli", "build"]


def start(project, *arguments):
    # a group of its own, as a terminal or a scheduler gives it
    return subprocess.Popen(
        [*BUILD, *arguments],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_builds_in_one_checkout_both_end_well(project):
    add_chapter(project, "02_slow", "import time\ntime.sleep(3)")
    builds = [start(project), start(project)]
    said = [build.communicate(timeout=300) for build in builds]
    assert [build.returncode for build in builds] == [0, 0], said
    assert (project.html / "chapters" / "01_tiny.html").exists()
    pids = [build.pid for build in builds]
    waited = [err for _, err in said if "waiting for the build of process" in err]
    assert len(waited) == 1
    assert any(f"process {pid} (" in waited[0] for pid in pids)
    assert sorted(out.count("notebooks: 2 executed") for out, _ in said) == [0, 1]


LONG = """
import os, pathlib, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep, start_new_session=True)
part = pathlib.Path("{pids}.part")
part.write_text(f"{{os.getpid()}} {{os.getppid()}} {{child.pid}}")
part.rename("{pids}")
time.sleep(600)"""


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_stopped_build_leaves_no_process(project, name):
    """Neither worker nor kernel nor what the kernel started, whoever gets the signal."""
    pids = project.root / "pids"
    add_chapter(project, "02_long", LONG.format(pids=pids))
    build = start(project, "02_long")
    wait_for(pids.exists, 120)
    started = [int(pid) for pid in pids.read_text().split()]
    os.kill(build.pid, getattr(signal, name))
    _, said = build.communicate(timeout=15)
    wait_for(lambda: not any(map(alive, started)), 15)
    if name != "SIGKILL":
        assert build.returncode == 128 + getattr(signal, name)
        assert said.splitlines()[-1] == "stopped"
        assert "Traceback" not in said


def test_the_build_after_a_killed_one_is_whole(project):
    pids = project.root / "pids"
    slow = add_chapter(project, "02_long", LONG.format(pids=pids))
    build = start(project, "02_long")
    wait_for(pids.exists, 120)
    build.kill()
    build.communicate(timeout=15)
    slow.unlink()
    done = command(project)
    assert done.returncode == 0, done.stderr
    assert "site: built" in done.stdout


def test_a_notebook_leaves_no_process_behind(project):
    pids = project.root / "pids"
    add_chapter(project, "02_child", LONG.format(pids=pids).replace("\ntime.sleep(600)", ""))
    assert command(project, "02_child").returncode == 0
    assert not any(map(alive, map(int, pids.read_text().split())))
