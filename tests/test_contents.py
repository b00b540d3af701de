"""Links to chapters follow the table of contents."""

from pathlib import Path

import pytest

from companion import contents
from companion.errors import CompanionError
from companion.publish.project import Project
from companion.studies.registry import modules

ROOT = Path(__file__).parents[1]


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Make a table of contents the one that is read."""

    def write(*files):
        entries = "".join(f"      - file: {file}\n" for file in files)
        (tmp_path / "_toc.yml").write_text(f"parts:\n  - chapters:\n{entries}")
        monkeypatch.setattr(contents, "_PLACES", (tmp_path / "none", tmp_path / "_toc.yml"))
        contents.pages.cache_clear()

    yield write
    contents.pages.cache_clear()


def test_every_numbered_notebook_has_its_number():
    names = [path.stem for path in (ROOT / "notebooks").glob("[0-9]*.md")]
    assert contents.pages() == {name.partition("_")[0].lstrip("0"): name for name in names}


def test_a_chapter_of_two_pages(listed):
    further = "\n        sections:\n          - file: chapters/05b_obedience"
    listed(f"chapters/05_graders{further}", "notation")
    assert contents.pages() == {"5": "05_graders", "5b": "05b_obedience"}
    assert contents.link(5) == "[5](05_graders)"
    assert contents.link(5, "b") == "[5](05b_obedience)"


def test_every_study_is_on_a_page_that_shows_it():
    pages = {number: ROOT / "notebooks" / f"{name}.md" for number, name in contents.pages().items()}
    for study in (module.STUDY for module in modules().values()):
        own = {n: path for n, path in pages.items() if n.rstrip("bcd") == str(study.chapter)}
        shown = [n for n, path in own.items() if f"studies/{study.name}/*" in path.read_text()]
        number = f"{study.chapter}{study.page}"
        assert number in (shown or own)


def test_a_chapter_that_is_not_written_has_no_link(listed):
    listed("chapters/05_graders")
    assert [contents.link(number) for number in (5, 6)] == ["[5](05_graders)", "6"]


def test_without_a_table_of_contents(listed, tmp_path):
    listed()
    (tmp_path / "_toc.yml").unlink()
    with pytest.raises(CompanionError, match=r"_toc\.yml: no such file$"):
        contents.pages()


@pytest.mark.parametrize(("page", "rests"), [("paper_index", True), ("10_geometry", False)])
def test_pages_that_link_to_chapters_rest_on_the_table_of_contents(page, rests):
    (chapter,) = Project(ROOT).chapters([page])
    assert (ROOT / "_toc.yml" in chapter.inputs()) is rests
