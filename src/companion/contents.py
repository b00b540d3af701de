"""Which page holds which chapter, as the table of contents lists them."""

import re
from functools import cache
from pathlib import Path

from companion.errors import CompanionError
from companion.strict_yaml import read_yaml

_PACKAGE = Path(__file__).parent
_PLACES = (_PACKAGE / "_data" / "_toc.yml", _PACKAGE.parents[1] / "_toc.yml")


@cache
def pages() -> dict[int, str]:
    """The page of each chapter by its number, such as ``{4: "04_cliff"}``.

    A chapter of several pages is found by its first.

    Raises:
        CompanionError: if there is no table of contents.
    """
    file = next((place for place in _PLACES if place.exists()), None)
    if file is None:
        raise CompanionError(f"{_PLACES[-1]}: no such file")
    parts = read_yaml(file.read_text(), file.name)["parts"]
    found: dict[int, str] = {}
    for entry in (entry for part in parts for entry in part["chapters"]):
        if numbered := re.fullmatch(r"chapters/((\d+)[a-z]?_\w+)", entry["file"]):
            found.setdefault(int(numbered[2]), numbered[1])
    return found


def link(chapter: int) -> str:
    """The number of a chapter as Markdown, a link if the chapter has been written.

    >>> link(4)
    '[4](04_cliff)'
    """
    return f"[{chapter}]({pages()[chapter]})" if chapter in pages() else str(chapter)
