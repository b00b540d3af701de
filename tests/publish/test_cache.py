"""What an execution's key depends on, and what it says about the commit."""

import shutil
import subprocess

import pytest
from tiny_book import edit

from companion.publish import cache
from companion.publish import project as project_module
from companion.publish.cache import chapter_key


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our own to edit."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "module.py").write_text("x = 1\n")
    monkeypatch.setattr(project_module, "PACKAGE", folder)
    monkeypatch.setattr(cache, "PACKAGE", folder)
    return folder


def key(project, **parameters):
    (chapter,) = project.chapters()
    return chapter_key(chapter, parameters)


def test_key_is_the_same_for_the_same_inputs_anywhere(project, package, make_project, tmp_path):
    assert key(project) == key(make_project(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    "change",
    [
        lambda project, package: edit(project.root / "notebooks/01_tiny.md", "x = 2", "x = 2 "),
        lambda project, package: edit(package / "module.py", "x = 1", "x = 2"),
        lambda project, package: (package / "new.js").write_text("1"),
        lambda project, package: edit(project.data / "paper/tiny.csv", "1,1", "1,2"),
        lambda project, package: edit(project.root / "constraints.txt", "numpy==", "numpy==9"),
    ],
    ids=["notebook", "package", "new file", "data", "lock"],
)
def test_key_changes_with_every_input(project, package, change):
    if "x = 2" not in (project.root / "notebooks/01_tiny.md").read_text():
        edit(project.root / "notebooks/01_tiny.md", "power = 2", "power = 2\nx = 2")
    before = key(project)
    change(project, package)
    assert key(project) != before


def test_key_changes_with_a_parameter(project, package):
    assert len({key(project), key(project, power=2), key(project, power=3)}) == 3


def test_key_ignores_other_data_and_pages(project, package):
    before = key(project)
    (project.data / "paper" / "unused.csv").write_text("1")
    edit(project.book / "index.md", "tiny", "small")
    assert key(project) == before


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
    (chapter,) = project.chapters()
    return chapter.commit


def test_commit_is_the_one_that_last_changed_an_input(versioned):
    first = commit_all(versioned)
    edit(versioned.book / "index.md", "tiny", "small")
    commit_all(versioned)
    assert commit_of(versioned) == first


def test_uncommitted_input_is_marked_and_executed_again_once_committed(versioned):
    commit_all(versioned)
    clean = key(versioned)
    edit(versioned.root / "notebooks/01_tiny.md", "points = 3", "points = 4")
    assert commit_of(versioned).endswith("+uncommitted")
    dirty = key(versioned)
    head = commit_all(versioned)
    assert commit_of(versioned) == head
    assert len({clean, dirty, key(versioned)}) == 3


def test_without_git_the_commit_is_unknown(project, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.root.parent))
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
