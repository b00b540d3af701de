"""Which page holds which chapter, as the table of contents lists them."""

import re
from functools import cache
from pathlib import Path

from companion.errors import CompanionError
from companion.strict_yaml import read_yaml

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "_data" / "_toc.yml", _PACKAGE.parents[1] / "_toc.yml")


@cache
def pages() -> dict[str, str]:
    """The pages of chapters by number, such as ``{"5": "05_slacker", "5b": "05b_obedience"}``.

    Raises:
        CompanionError: if there is no table of contents.
    """
    file = next((place for place in _PLACES if place.exists()), None)
    if file is None:
        raise CompanionError(f"{_PLACES[-1]}: no such file")
    parts = read_yaml(file.read_text(), file.name)["parts"]
    first = [entry for part in parts for entry in part["chapters"]]
    further = [entry for chapter in first for entry in chapter.get("sections", ())]
    files = (entry["file"] for entry in first + further)
    numbered = (re.fullmatch(r"chapters/(0*(\d+[a-z]?)_\w+)", file) for file in files)
    return {found[2]: found[1] for found in numbered if found}


def link(chapter: int, page: str = "") -> str:
    """The number of a chapter as Markdown, a link if the page has been written.

    Args:
        chapter: its number.
        page: the letter of one of its further pages.

    >>> link(5), link(5, "b")
    ('[5](05_slacker)', '[5](05b_obedience)')
    """
    name = pages().get(f"{chapter}{page}")
    return f"[{chapter}]({name})" if name else str(chapter)
