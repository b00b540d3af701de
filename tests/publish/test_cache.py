"""What an execution's key depends on, and what it says about the commit."""

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tiny_book import edit

from companion.publish import project as project_module
from companion.publish.cache import chapter_key
from companion.publish.project import Project


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our own to edit."""
    folder = tmp_path / "package"
    (folder / "publish").mkdir(parents=True)
    for name in project_module.EXECUTION:
        (folder / "publish" / name).write_text("execute = 1\n")
    for name in ("__init__", "module", "helper", "other"):
        (folder / f"{name}.py").write_text("x = 1\n")
    edit(folder / "module.py", "x = 1", "from package.helper import x")
    (folder / "drawing.js").write_text("1")
    monkeypatch.setattr(project_module, "PACKAGE", folder)
    return folder


@pytest.fixture
def notebook(project):
    path = project.root / "notebooks" / "01_tiny.md"
    edit(path, "import json\n", "import json\nimport package.module\n")
    return path


def key(project, **parameters):
    (chapter,) = Project(project.root).chapters()
    return chapter_key(chapter, parameters)


def test_key_is_the_same_for_the_same_inputs_anywhere(project, package, make_project, tmp_path):
    assert key(project) == key(make_project(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    "change",
    [
        lambda project, package: edit(project.root / "notebooks/01_tiny.md", "= 2", "= 2 "),
        lambda project, package: edit(package / "helper.py", "x = 1", "x = 2"),
        lambda project, package: edit(package / "publish/worker.py", "= 1", "= 2"),
        lambda project, package: (package / "drawing.js").write_text("2"),
        lambda project, package: edit(project.data / "paper/tiny.csv", "1,1", "1,2"),
        lambda project, package: edit(project.root / "constraints.txt", "numpy==", "numpy==9"),
    ],
    ids=["notebook", "imported", "execution", "resource", "data", "lock"],
)
def test_key_changes_with_every_input(project, package, notebook, change):
    before = key(project)
    change(project, package)
    assert key(project) != before


def test_key_changes_with_a_parameter(project, package):
    assert len({key(project), key(project, power=2), key(project, power=3)}) == 3


def test_key_ignores_other_data_pages_and_modules(project, package, notebook):
    before = key(project)
    (project.data / "paper" / "unused.csv").write_text("1")
    edit(project.book / "index.md", "tiny", "small")
    edit(package / "other.py", "x = 1", "x = 2")
    assert key(project) == before


def test_every_file_is_read_once_for_all_chapters(project, package, monkeypatch):
    for number in range(2, 6):
        shutil.copy(project.root / "notebooks/01_tiny.md", project.root / f"notebooks/0{number}.md")
    read, walked = Counter(), Counter()
    files, rglob = project_module.sha256, Path.rglob
    monkeypatch.setattr(project_module, "sha256", lambda f: read.update([f]) or files(f))
    monkeypatch.setattr(Path, "rglob", lambda f, *a: walked.update([f]) or rglob(f, *a))
    fresh = Project(project.root)
    assert len({chapter_key(chapter, {}) for chapter in fresh.chapters()}) == 5
    assert set(read.values()) == {1}
    assert walked[fresh.data] == 1


def git(project, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(
        ["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True
    )


def commit_all(project):
    git(project, "add", "-A")
    git(project, "commit", "-m", "all")
    return project.git("rev-parse", "HEAD")


@pytest.fixture
def versioned(project, package):
    shutil.copytree(package, project.root / "src")
    git(project, "init", "--quiet")
    return project


def commit_of(project):
    (chapter,) = Project(project.root).chapters()
    return chapter.commit.name


def test_commit_is_the_one_that_last_changed_an_input(versioned):
    first = commit_all(versioned)
    edit(versioned.book / "index.md", "tiny", "small")
    commit_all(versioned)
    assert commit_of(versioned) == first


def test_commit_of_inputs_from_two_branches_is_the_one_that_joined_them(versioned):
    commit_all(versioned)
    git(versioned, "checkout", "--quiet", "-b", "data")
    edit(versioned.data / "paper/tiny.csv", "1,1", "1,2")
    commit_all(versioned)
    git(versioned, "checkout", "--quiet", "-")
    edit(versioned.root / "notebooks/01_tiny.md", "points = 3", "points = 4")
    commit_all(versioned)
    git(versioned, "merge", "--no-edit", "data")
    assert commit_of(versioned) == versioned.git("rev-parse", "HEAD")


def test_uncommitted_input_is_marked_but_not_executed_again_once_committed(versioned):
    commit_all(versioned)
    edit(versioned.root / "notebooks/01_tiny.md", "points = 3", "points = 4")
    assert commit_of(versioned).endswith("+uncommitted")
    dirty = key(versioned)
    head = commit_all(versioned)
    assert commit_of(versioned) == head
    assert key(versioned) == dirty


def test_without_git_the_commit_is_unknown(project):
    assert commit_of(project) == "unknown"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/someone/book.git", "https://github.com/someone/book"),
        ("git@github.com:someone/book.git", "https://github.com/someone/book"),
        ("/srv/git/book.git", None),
    ],
)
def test_repository_from_the_remote(versioned, monkeypatch, remote, address):
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)
    git(versioned, "remote", "add", "origin", remote)
    assert versioned.repository == address


def test_repository_from_ci(project, monkeypatch):
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/book")
    assert project.repository == "https://github.com/someone/book"
