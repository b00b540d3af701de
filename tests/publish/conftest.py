"""A tiny book, built with the real configuration, styles and lock."""

import shutil
from pathlib import Path

import pytest

from companion.publish import vendor
from companion.publish.build import build
from companion.publish.project import Project

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "project"


@pytest.fixture(scope="session")
def make_project():
    """``make_project(folder)`` lays the tiny book there; npm's packages are shared."""
    vendor.prepare(Project(ROOT))

    def make(folder):
        shutil.copytree(TINY, folder, dirs_exist_ok=True)
        for name in ("_config.yml", "package.json", "package-lock.json", "constraints.txt"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "book" / "static", folder / "book" / "static")
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        (folder / ".companion").mkdir()
        for name in ("vendor", "vendor.sha256"):
            (folder / ".companion" / name).symlink_to(ROOT / ".companion" / name)
        return Project(folder)

    return make


@pytest.fixture
def project(make_project, tmp_path):
    return make_project(tmp_path / "book")


@pytest.fixture(scope="session")
def built(make_project, tmp_path_factory):
    """The tiny book, executed and built once; tests only read it."""
    project = make_project(tmp_path_factory.mktemp("built") / "book")
    build(project)
    return project
