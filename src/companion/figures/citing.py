"""What to write where a figure is used: the line of attribution and the BibTeX entry."""

import re

from companion import __version__
from companion.figures.formats import AUTHOR, BOOK

# What BibTeX and TeX read as commands, outside of mathematics.
_TEX = {
    "\\": r"{\textbackslash}",
    "{": r"{\textbraceleft}",
    "}": r"{\textbraceright}",
    "~": r"{\textasciitilde}",
    "^": r"{\textasciicircum}",
    "$": r"{\textdollar}",
} | {character: f"\\{character}" for character in "&%#_"}
_MATH = re.compile(r"(\$[^$]+\$)")


def attribution(id: str, number: str | None = None, url: str | None = None) -> str:
    """One line: which figure, of which book, under which licence, and where it is if known.

    Args:
        id: of the figure.
        number: such as ``Fig. 4.2``.
        url: address of the figure, or of the book.
    """
    name = f"{number} ({id})" if number else f"Figure {id}"
    return f"{name}, {BOOK}, {__version__}. CC BY 4.0" + (f". {url}" if url else "")


def bibtex(
    key: str, title: str, year: str, note: str, url: str | None = None, doi: str | None = None
) -> str:
    """A BibTeX entry of the book or of a part of it.

    Args:
        key: of the entry.
        title: plain text, mathematics between ``$``.
        year: of what is cited.
        note: what part of the book it is, version, commit, licence; plain text.
        url: address, if it is known.
        doi: likewise.
    """
    fields = {
        "title": f"{{{tex(title)}}}",
        "author": f"{{{{{AUTHOR}}}}}",
        "year": f"{{{year}}}",
        "note": f"{{{tex(note)}}}",
    }
    fields |= {name: f"{{{text}}}" for name, text in (("url", url), ("doi", doi)) if text}
    body = ",\n".join(f"  {name} = {value}" for name, value in fields.items())
    return f"@misc{{{key},\n{body}\n}}\n"


def figure_bibtex(
    id: str,
    title: str,
    year: str,
    commit: str,
    number: str | None = None,
    url: str | None = None,
    doi: str | None = None,
) -> str:
    """BibTeX entry for one figure.

    Args:
        id: of the figure.
        title: its message.
        year: of the commit.
        commit: that made it.
        number: such as ``Fig. 4.2``, where the book's pages are known.
        url: address of the figure, if known.
        doi: of the book, if it has one.
    """
    name = f"{number} ({id})" if number else f"Figure {id}"
    note = f"{name}, {BOOK}, version {__version__}, commit {commit}. CC BY 4.0"
    return bibtex(f"policy-cliff-{id}", title, year, note, url, doi)


def tex(text: str) -> str:
    """``text`` for TeX: mathematics whose braces pair stays, all else means itself."""
    parts = _MATH.split(" ".join(text.split()))
    for place, part in enumerate(parts):
        if not (place % 2 and _paired(part)):
            parts[place] = "".join(_TEX.get(character, character) for character in part)
    return "".join(parts)


def _paired(text: str) -> bool:
    """Whether every brace has its partner, as BibTeX counts: those behind a backslash, too."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0
