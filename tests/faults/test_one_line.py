"""Whatever is typed, written into a notebook's head or refused by the system ends as one line."""

import os
import shutil
import string
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_book import CHAPTER, command, edit

from companion import cli
from companion.publish import build as build_module

TRIES = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@pytest.fixture
def ends_well(project, monkeypatch, capsys):
    """``ends_well(arguments)`` runs the command in the tiny book, all but the execution itself."""

    def execute(jobs, cache, workers):
        for job in jobs:
            notebook = project.root / f"{job.chapter.name}.ipynb"
            nbformat.write(job.chapter.notebook, notebook)
            cache.store(job.key, notebook, project.root / "no-figures")
        return []

    monkeypatch.chdir(project.root)
    monkeypatch.setattr("companion.processes.stop_on_signals", lambda: None)
    monkeypatch.setattr(build_module, "execute_all", execute)
    monkeypatch.setattr(build_module, "build_site", lambda project: True)
    monkeypatch.setattr("companion.publish.serve.serve", lambda project, port: None)

    def check(arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        said = capsys.readouterr().err
        if ended.value.code:
            assert ended.value.code == 2
            assert len(said.splitlines()) == 1, said
            assert said.startswith("error: ")
        return ended.value.code

    return check


OPTIONS = st.sampled_from(
    ["--jobs", "--param", "--cache", "--site", "--no-site", "--port", "--tier", "--set", "-x", "--"]
)
VALUES = st.one_of(
    WORDS,
    st.integers().map(str),
    st.sampled_from(
        ["01_tiny", "power=2", "power", "=", "power=2021-05-06", "_toc.yml", "/dev/null"]
    ),
    st.builds("{}={}".format, st.sampled_from(["power", "points", "x", ""]), WORDS),
)


@given(st.lists(st.one_of(OPTIONS, VALUES), max_size=5))
@TRIES
def test_any_arguments_of_build(ends_well, arguments):
    ends_well(["build", *arguments])


@given(st.lists(st.one_of(OPTIONS, VALUES), min_size=1, max_size=4))
@TRIES
def test_any_command(ends_well, arguments):
    if arguments[0] not in ("run", "sweep"):
        ends_well(arguments)


YAML = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.dates(), WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["power", "points", "power,points"]), YAML)
@TRIES
def test_any_value_of_a_parameter(ends_well, name, value):
    ends_well(["build", "--param", f"{name}={yaml.safe_dump(value, default_flow_style=True)}"])


HEADS = st.one_of(
    st.text(string.printable, max_size=60),
    st.builds(lambda value: yaml.safe_dump({"companion": value}), YAML),
    st.builds(lambda value: yaml.safe_dump({"companion": {"data": value}}), YAML),
    st.builds(lambda key, value: yaml.safe_dump({key: value}), WORDS, YAML),
    st.builds(lambda value: yaml.safe_dump({"kernelspec": value}), YAML),
)


@pytest.mark.filterwarnings("ignore:The following metadata cannot be exported")
@given(HEADS)
@TRIES
def test_any_front_matter(ends_well, project, head):
    page = CHAPTER.format(title="x", source="1").split("---\n", 2)[2]
    path = project.root / "notebooks" / "02_second.md"
    path.write_text(f"---\n{head}\n---\n{page}", encoding="utf-8")
    ends_well(["build"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "--jobs", "-1"], "error: Invalid value for '--jobs'"),
        (["build", "--param", "power=2021-05-06"], "error: parameter power: datetime.date"),
        (["build", "--param", "power=[]"], "error: parameter power: [] does not fit 01_tiny's 2"),
        (
            ["build", "--param", "power={a: 1, a: 2}"],
            "error: --param power={a: 1, a: 2}",
        ),
        (["build", "--param", "power=1", "--param", "power=2"], "error: --param power=2: power is"),
        (["serve", "--port", "-1"], "error: Invalid value for '--port'"),
        (["nothing"], "error: No such command 'nothing'"),
    ],
)
def test_known_mistakes(project, arguments, message):
    done = subprocess.run(
        [sys.executable, "-m", "companion.cli", *arguments],
        cwd=project.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_no_arguments_are_answered_by_the_help(project):
    done = subprocess.run(
        [sys.executable, "-m", "companion.cli"], cwd=project.root, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "\nCommands:\n" in done.stderr
    assert "\n  build " in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data: [paper/tiny.csv]", "data: []", "companion: data: must be a list"),
        ("data: [paper/tiny.csv]", "data: paper/tiny.csv", "companion: data: must be a list"),
        ("data: [paper/tiny.csv]", "data: [7]", "companion: data: names only"),
        ("companion:\n", "companion: {}\ncompanion:\n", "key 'companion' stands twice"),
        ("  data:", "  data: [other]\n  data:", "key 'data' stands twice"),
    ],
)
def test_front_matter_is_taken_at_its_word(project, old, new, message):
    edit(project.root / "notebooks" / "01_tiny.md", old, new)
    done = command(project)
    assert done.returncode == 2
    assert done.stderr.startswith("error: notebooks/01_tiny.md: front matter")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("room", [10, 1_000, 20_000, 200_000])
def test_no_room_left_anywhere(project, room):
    """A limit on the size of files stops writing where a full disk would: mid-file, anywhere."""
    limited = (
        "import resource, sys; from companion.cli import main;"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room})); main(['build'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited],
        cwd=project.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback (most recent call last)" not in done.stderr
    assert command(project, "--no-site").returncode == 0


def without_privileges():
    """A command's beginning under which even root may write only what its modes allow."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, and no setpriv to be less")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


def close(folder):
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def test_a_checkout_that_cannot_be_written(project, tmp_path):
    prefix = without_privileges()
    close(project.root)
    call = [sys.executable, "-m", "companion.cli", "build", "--cache", str(tmp_path / "cache")]
    done = subprocess.run([*prefix, *call], cwd=project.root, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {project.root}/.companion/build.lock: cannot lock")
    assert len(done.stderr.splitlines()) == 1


def test_a_lock_of_another_user(project):
    prefix = without_privileges()
    lock = Path(project.root, ".companion", "build.lock")
    lock.touch()
    lock.chmod(0)
    call = [sys.executable, "-m", "companion.cli", "build"]
    done = subprocess.run([*prefix, *call], cwd=project.root, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {lock}: cannot lock")
    assert len(done.stderr.splitlines()) == 1
