"""Files that are not as the build left them, and git where it says something else."""

import json
import os
import shutil
import subprocess

import pytest
from tiny_book import add_chapter, command, edit

from companion.publish import vendor
from companion.publish.project import Project

RIGHT = "The largest of 3 values is **4**"


@pytest.fixture
def copy(built, tmp_path):
    """The built tiny book, to be damaged."""
    shutil.copytree(built.root, tmp_path / "book", symlinks=True)
    return Project(tmp_path / "book")


def entry(project):
    (folder,) = (f for f in (project.root / ".companion" / "cache").iterdir() if f.is_dir())
    return folder


def change_a_number(folder):
    edit(folder / "notebook.ipynb", "**4**", "**5**")


def cut(folder):
    notebook = folder / "notebook.ipynb"
    notebook.write_bytes(notebook.read_bytes()[:500])


def change_a_figure(folder):
    edit(folder / "figures" / "fig-tiny" / "fig-tiny.svg", "L85 5", "L85 55")


def lose_a_figure(folder):
    shutil.rmtree(folder / "figures" / "fig-tiny")


@pytest.mark.parametrize("damage", [change_a_number, cut, change_a_figure, lose_a_figure])
def test_a_damaged_cache_entry_is_executed_again(copy, damage):
    before = {p.name: p.read_bytes() for p in copy.executed.rglob("*") if p.is_file()}
    damage(entry(copy))
    done = command(copy, "--no-site")
    assert done.returncode == 0
    assert "notebooks: 1 executed" in done.stdout
    assert "01_tiny: cache " in done.stderr
    assert {p.name: p.read_bytes() for p in copy.executed.rglob("*") if p.is_file()} == before


def test_what_lies_in_the_book_folder_is_not_trusted(copy):
    edit(copy.executed / "01_tiny.ipynb", "**4**", "**5**")
    add_chapter(copy, "02_second", "1 + 1")
    assert command(copy, "02_second", "--no-site").returncode == 0
    assert RIGHT in (copy.executed / "01_tiny.ipynb").read_text()


def test_a_figure_that_contradicts_its_sidecar_is_not_stored(project):
    late = '\n(folder / "fig-tiny.csv").write_text("x,y\\n9,9\\n")'
    notebook = project.root / "notebooks" / "01_tiny.md"
    edit(notebook, "json.dumps(sidecar))", "json.dumps(sidecar))" + late)
    done = command(project, "--no-site")
    assert done.returncode == 2
    assert "figures/fig-tiny: fig-tiny.csv is not what was written" in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        lambda html: (html / "notation.html").unlink(),
        lambda html: edit(html / "chapters" / "01_tiny.html", "<strong>4", "<strong>5"),
        lambda html: (html / "planted.html").write_text("<script>alert(1)</script>"),
    ],
    ids=["deleted", "changed", "added"],
)
def test_a_damaged_site_is_built_again(copy, damage):
    whole = {p: p.read_bytes() for p in copy.html.rglob("*") if p.is_file()}
    damage(copy.html)
    done = command(copy)
    assert "site: built" in done.stdout
    assert {p: p.read_bytes() for p in copy.html.rglob("*") if p.is_file()} == whole


@pytest.mark.parametrize("name", ["vendor/katex/katex.css", "katex/dist/katex.js"])
def test_third_party_files_are_not_trusted(project, monkeypatch, tmp_path, name):
    """npm lays a whole tree; then one file of what it laid, or of what is served, changes."""
    source = tmp_path / "node_modules"
    shutil.copytree(project.node_modules, source, symlinks=True)
    for link in ("vendor", "vendor.sha256"):
        (project.own / link).unlink()
    project.node_modules.unlink()
    runs = []

    def npm_ci(project):
        runs.append(project)
        shutil.rmtree(project.node_modules, ignore_errors=True)
        shutil.copytree(source, project.node_modules, symlinks=True)

    monkeypatch.setattr(vendor, "_npm_ci", npm_ci)
    vendor.prepare(project)
    vendor.prepare(project)
    assert len(runs) == 1
    file = (project.own if name.startswith("vendor") else project.node_modules) / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    vendor.prepare(project)
    assert file.read_bytes() == whole


def test_a_part_of_the_book_never_stands_beside_a_stale_part(project):
    second = add_chapter(project, "02_second", "6 * 7")
    edit(
        project.root / "_toc.yml",
        "chapters/01_tiny",
        "chapters/01_tiny\n      - file: chapters/02_second",
    )
    assert command(project).returncode == 0
    before = (project.html / "chapters" / "02_second.html").read_bytes()
    edit(second, "6 * 7", "6 * 8")
    edit(project.root / "notebooks" / "01_tiny.md", "points = 3", "points = 4")
    done = command(project, "01_tiny")
    assert done.returncode == 0
    assert "site: not built; never executed as they are now: 02_second" in done.stdout
    assert not (project.executed / "02_second.ipynb").exists()
    assert (project.html / "chapters" / "02_second.html").read_bytes() == before
    assert "site: built" in command(project).stdout


IDENTITY = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]


def git(folder, *arguments):
    done = subprocess.run(
        ["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(folder, message="all"):
    (folder / ".gitignore").write_text(".companion\n_build\nbook/chapters\nnode_modules\n")
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def sidecar_commit(project, **environment):
    done = command(project, "--no-site", **environment)
    assert done.returncode == 0, done.stderr
    figure = project.executed / "figures" / "fig-tiny" / "fig-tiny.json"
    return json.loads(figure.read_text())["commit"], done.stdout


def test_an_amended_commit_is_named_by_its_new_name(project):
    old = commit_all(project.root)
    assert sidecar_commit(project)[0] == old
    git(project.root, "commit", "--quiet", "--amend", "-m", "the same, said better")
    commit, said = sidecar_commit(project)
    assert commit == git(project.root, "rev-parse", "HEAD") != old
    assert "notebooks: 0 executed" in said


def test_unknown_lasts_no_longer_than_its_cause(project):
    assert sidecar_commit(project)[0] == "unknown"
    head = commit_all(project.root)
    assert sidecar_commit(project)[0] == head


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_checkout_of_another_user_names_its_commit(project):
    head = commit_all(project.root)
    for folder, _, files in os.walk(project.root):
        for path in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(path, 65534, 65534, follow_symlinks=False)
    assert sidecar_commit(project)[0] == head


def test_git_dir_of_another_repository_is_not_asked(project, tmp_path):
    head = commit_all(project.root)
    other = tmp_path / "other"
    shutil.copytree(project.root / "notebooks", other / "notebooks")
    commit_all(other, "another")
    outside = {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other)}
    assert sidecar_commit(project, **outside)[0] == head


def test_a_repository_around_the_checkout_is_not_asked(project):
    commit_all(project.root.parent)
    assert sidecar_commit(project)[0] == "unknown"
