"""Building a tiny book: what is executed, what is reused, and what a failure leaves behind."""

import subprocess
import sys

import pytest
from tiny_book import add_chapter, command, edit

from companion.errors import CompanionError
from companion.publish import build as module
from companion.publish.build import build, parse_parameters


def tree(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def good_site(project):
    project.html.mkdir(parents=True)
    (project.html / "index.html").write_text("the good one")
    return project.html / "index.html"


def test_unchanged_book_executes_and_builds_nothing(built, capsys):
    before = tree(built.html)
    build(built)
    said = capsys.readouterr().out
    assert "notebooks: 0 executed, 1 from the cache" in said
    assert "site: unchanged" in said
    assert tree(built.html) == before


def test_two_builds_give_the_same_bytes(built, make_project, tmp_path):
    again = make_project(tmp_path / "book")
    build(again)
    assert tree(again.html) == tree(built.html)


def test_editing_one_notebook_executes_that_one(project, capsys):
    second = add_chapter(project, "02_second", "1 + 1")
    build(project, site=False)
    edit(second, "1 + 1", "1 + 2")
    build(project, site=False)
    assert "notebooks: 1 executed, 1 from the cache" in capsys.readouterr().out


def test_one_chapter_alone_leaves_a_book_that_cannot_be_whole_unbuilt(project, capsys):
    page = good_site(project)
    add_chapter(project, "02_second", "1 + 1")
    build(project, names=["02_second"])
    said = capsys.readouterr().out
    assert "notebooks: 1 executed" in said
    assert "site: not built; never executed as they are now: 01_tiny" in said
    assert page.read_text() == "the good one"


def test_notebooks_run_side_by_side(project, monkeypatch):
    """Each of two chapters waits for a file that the other one writes."""
    wait = (
        "import pathlib, time\n"
        "pathlib.Path('{root}/{mine}').touch()\n"
        "for _ in range(600):\n"
        "    if pathlib.Path('{root}/{other}').exists():\n"
        "        break\n"
        "    time.sleep(0.1)\n"
        "else:\n"
        "    raise TimeoutError('alone')"
    )
    (project.root / "notebooks" / "01_tiny.md").unlink()
    add_chapter(project, "02_a", wait.format(root=project.root, mine="a", other="b"))
    add_chapter(project, "03_b", wait.format(root=project.root, mine="b", other="a"))
    build(project, workers=2, site=False)


def test_parameter_changes_the_result_and_its_cache_entry(project):
    build(project, site=False)
    build(project, parameters={"power": 3}, site=False)
    text = (project.executed / "01_tiny.ipynb").read_text()
    assert "The largest of 3 values is **8**" in text
    assert len([p for p in (project.root / ".companion/cache").iterdir() if p.is_dir()]) == 2


def test_raising_notebook_is_shown_in_full_and_leaves_the_site(project):
    page = good_site(project)
    add_chapter(project, "02_raises", "broken = {}\nbroken['the key']")
    done = command(project, "--jobs", "2")
    assert done.returncode == 2
    assert "notebooks/02_raises.md: cell 2 failed" in done.stderr
    assert "broken['the key']" in done.stderr
    assert "KeyError: 'the key'" in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: notebooks/02_raises.md")
    assert page.read_text() == "the good one"
    assert not (project.executed / "02_raises.ipynb").exists()


@pytest.mark.parametrize("who", ["os.getpid()", "os.getppid()"], ids=["kernel", "papermill"])
def test_a_process_that_dies_is_reported(project, who):
    add_chapter(project, "02_dies", f"import os, signal\nos.kill({who}, signal.SIGKILL)")
    done = command(project, "02_dies", "--no-site")
    assert done.returncode == 2
    assert "notebooks/02_dies.md: cell 2 failed" in done.stderr


def test_every_warning_is_named_fails_the_build_and_leaves_the_site(project, capsys):
    page = good_site(project)
    mistakes = {
        "{prf:ref}`no-such-result`": "no-such-result",
        "{cite}`nobody1900`": "nobody1900",
        r"$\frac{1$": "KaTeX",
        "[gone](gone.md)": "gone.md",
    }
    with (project.book / "notation.md").open("a") as file:
        file.write("\n".join(["", *mistakes]))
    with pytest.raises(CompanionError, match="the site was not built"):
        build(project)
    said = capsys.readouterr().err
    assert not [complaint for complaint in mistakes.values() if complaint not in said]
    assert page.read_text() == "the good one"


def test_a_missing_page_fails_the_build(project):
    edit(project.root / "_toc.yml", "file: notation", "file: nowhere")
    with pytest.raises(CompanionError, match="the site was not built"):
        build(project)


def test_progress_goes_to_lines_without_a_terminal(project):
    done = command(project, "--no-site")
    assert done.returncode == 0
    assert "01_tiny: executing 6 cells" in done.stderr
    assert "\r" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["99_none"], "error: unknown chapter '99_none'; notebooks/ holds 01_tiny"),
        (["--param", "colour=red"], "error: unknown parameter 'colour'; 01_tiny has points, power"),
        (["--param", "power"], "error: --param power: expected NAME=VALUE"),
        (["--param", "power=[1"], "error: --param power=[1: cannot be read as YAML: expected"),
        (["--cache", "_toc.yml"], "error: cache _toc.yml: cannot write: File exists"),
    ],
)
def test_bad_input_is_one_line(project, arguments, message):
    done = command(project, *arguments)
    assert done.returncode == 2
    assert done.stderr.strip().startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_missing_declared_data_is_one_line(project):
    (project.data / "paper" / "tiny.csv").unlink()
    done = command(project)
    assert done.returncode == 2
    expected = "error: notebooks/01_tiny.md: data/paper/tiny.csv: no such file"
    assert done.stderr.strip() == expected


def test_data_not_declared_is_refused(project):
    source = "from companion.data import data_path\ndata_path('paper/other.csv')"
    add_chapter(project, "02_undeclared", source)
    done = command(project, "02_undeclared", "--no-site")
    assert done.returncode == 2
    assert "data/paper/other.csv: not listed under 'companion: data:'" in done.stderr


def test_output_that_cannot_be_written_is_one_line(project):
    (project.root / "_build").write_text("a file in the way")
    done = command(project)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "_build" in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_outside_a_checkout_is_one_line(tmp_path, project):
    done = subprocess.run(
        [sys.executable, "-m", "companion.cli", "build"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}: no _config.yml")


def test_parameters_are_yaml():
    given = parse_parameters(["a=1", "b=0.5", "c=tiny", "d=[1, 2]", "e=x=y"])
    assert given == {"a": 1, "b": 0.5, "c": "tiny", "d": [1, 2], "e": "x=y"}
    assert module.parse_parameters([]) == {}
