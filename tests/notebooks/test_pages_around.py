"""The pages around the chapters: all are listed, and point at figures that are drawn."""

import re
from pathlib import Path

import pytest
import yaml

from companion.studies import figures

ROOT = Path(__file__).parents[2]


def listed():
    def below(entries):
        for entry in entries:
            yield entry["file"]
            yield from below(entry.get("sections", []))

    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return {toc["root"], *below(entry for part in toc["parts"] for entry in part["chapters"])}


def test_every_page_and_notebook_is_in_the_table_of_contents():
    book = ROOT / "book"
    pages = {
        path.relative_to(book).with_suffix("").as_posix()
        for path in book.rglob("*.md")
        if "chapters" not in path.relative_to(book).parts
    }
    assert (
        pages | {f"chapters/{path.stem}" for path in (ROOT / "notebooks").glob("*.md")} == listed()
    )


@pytest.mark.parametrize("page", ["index", "lectures"])
def test_pictures_and_takeaways_are_of_figures_that_are_drawn(page):
    text = (ROOT / "book" / f"{page}.md").read_text()
    named = re.findall(r"\{takeaway\}`([\w-]+)`|\{kit-picture\} ([\w-]+)", text)
    assert named
    assert {first or second for first, second in named} <= set(figures())
