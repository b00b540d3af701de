import shutil
import signal
from pathlib import Path

import hypothesis
import pytest
from browser import Record, chromium_or_skip, serve

from companion.publish import vendor
from companion.publish.build import build
from companion.publish.project import Project

# How long one example takes says nothing on a busy machine, or while coverage is counted.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Whoever starts the tests in the background may have these ignored, and every child inherits that:
# the tests of what a signal does need them as a terminal leaves them.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "publish" / "project"


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api")
    path = chromium_or_skip()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_site(chromium):
    """``open_site(folder, path, **context)`` gives a page and the record of what it did."""
    closing = []

    def open_page(folder, path, **context):
        server = serve(folder)
        home = server.__enter__()
        opened = chromium.new_context(**context)
        closing.append((server, opened))
        page, record = opened.new_page(), Record(home)
        record.watch(page)
        page.goto(f"{home}/{path}", wait_until="networkidle")
        return page, record

    yield open_page
    for server, opened in closing:
        opened.close()
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def make_project():
    """``make_project(folder)`` lays the tiny book there; npm's packages are shared.

    It is built with the real configuration, styles and lock.
    """
    vendor.prepare(Project(ROOT))

    def make(folder):
        shutil.copytree(TINY, folder, dirs_exist_ok=True)
        for name in (
            *("_config.yml", "package.json", "package-lock.json", "constraints.txt"),
            "CITATION.cff",
        ):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "book" / "static", folder / "book" / "static")
        shutil.copy(ROOT / "book" / "gallery.md", folder / "book")
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
