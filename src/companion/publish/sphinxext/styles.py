"""One style sheet for the whole site, without the rules that nothing on it uses.

The theme and the extensions bring a dozen sheets, and a page shows nothing until it has them all:
on a phone's network each costs a journey, and four fifths of the rules are for things that no page
has. PurgeCSS drops a rule if a word of its selectors stands in no page and in no script.
"""

import hashlib
import os
import posixpath
import re
import subprocess
from collections.abc import Iterable
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

from companion.publish.vendor import NODE

SHEET = "site.css"
# The faces of the first lines: asked for beside the sheet, they are there before the text is drawn,
# which would move when they came later.
_FACES = (
    "source-serif-4-latin-400-normal",
    "source-serif-4-latin-600-normal",
    "source-sans-3-latin-400-normal",
    "source-sans-3-latin-600-normal",
)
_ITALIC = "source-serif-4-latin-400-italic"  # of the line under a chapter's title
_LINK = re.compile(
    r'[ \t]*<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="(?P<href>[^"]*)"[^>]*>\n?'
)
_IMPORT = re.compile(r'@import "(?P<href>[^"]+)";')
_URL = re.compile(r"""url\((?P<quote>["']?)(?!data:|#)(?P<path>[^"')]+)(?P=quote)\)""")
_CHARSET = re.compile(r'@charset "[^"]*";')


def bundle(site: Path, purgecss: Path) -> None:
    """Put one sheet in place of all that the site's pages name.

    Args:
        site: with its pages finished.
        purgecss: the npm package.

    Raises:
        FileNotFoundError: for a sheet that is not there.
        subprocess.CalledProcessError: if PurgeCSS cannot read the style.
    """
    static = site / "_static"
    pages = [page for page in sorted(site.rglob("*.html")) if static not in page.parents]
    sheets = _in_order(_sheets(page, site) for page in pages)
    style = "\n".join(_read(site / sheet, static) for sheet in sheets)
    used = _used(style, [*pages, *sorted(static.rglob("*.js"))], purgecss)
    for sheet in static.rglob("*.css"):
        sheet.unlink()
    (static / SHEET).write_text(used, encoding="utf-8")
    version = hashlib.sha256(used.encode()).hexdigest()[:8]
    for page in pages:
        up = "../" * (len(page.relative_to(site).parts) - 1)
        _relink(page, f"{up}_static", version)


def _sheets(page: Path, site: Path) -> list[str]:
    """The sheets that a page names, as paths in the site."""
    folder = page.parent.relative_to(site).as_posix()
    links = _LINK.finditer(page.read_text(encoding="utf-8"))
    hrefs = [link["href"].partition("?")[0] for link in links]
    return [posixpath.normpath(posixpath.join(folder, href)) for href in hrefs]


def _in_order(lists: Iterable[list[str]]) -> list[str]:
    """All sheets, each after those that stand before it on any page.

    Raises:
        graphlib.CycleError: if pages disagree.
    """
    order: TopologicalSorter[str] = TopologicalSorter()
    for names in lists:
        for name in names:
            order.add(name)
        for earlier, later in pairwise(names):
            order.add(later, earlier)
    return list(order.static_order())


def _read(sheet: Path, folder: Path) -> str:
    """A sheet with what it imports, its addresses as seen from ``folder``."""

    def imported(found: re.Match[str]) -> str:
        return _read(sheet.parent / found["href"], folder)

    def moved(found: re.Match[str]) -> str:
        there = Path(os.path.relpath(sheet.parent / found["path"], folder))
        return f'url("{there.as_posix()}")'

    style = _CHARSET.sub("", sheet.read_text(encoding="utf-8"))
    return _IMPORT.sub(imported, _URL.sub(moved, style))


def _used(style: str, files: Iterable[Path], purgecss: Path) -> str:
    script = Path(__file__).with_name("styles.js")
    command = [NODE / "node", script, purgecss, *files]
    done = subprocess.run(
        command, input=style, capture_output=True, text=True, encoding="utf-8", check=True
    )
    return done.stdout


def _relink(page: Path, static: str, version: str) -> None:
    """Put the sheet and the first faces where the page names its first sheet, drop the others."""
    html = page.read_text(encoding="utf-8")
    if first := _LINK.search(html):
        faces = (*_FACES, _ITALIC) if "<p><em>" in html else _FACES
        face = '<link rel="preload" as="font" type="font/woff2" crossorigin href="{}" />\n'
        links = "".join(face.format(f"{static}/fonts/{name}.woff2") for name in faces)
        links += f'<link rel="stylesheet" href="{static}/{SHEET}?v={version}" />\n'
        before, after = html[: first.start()], html[first.start() :]
        page.write_text(f"{before}{links}{_LINK.sub('', after)}", encoding="utf-8")
