"""The whole book as one PDF beside the built site, printed by Chromium."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from companion.errors import CompanionError
from companion.figures.formats import AUTHOR, LICENCE
from companion.publish.lock import sole_build
from companion.publish.printed import Document, key
from companion.publish.project import Project
from companion.publish.site import renew_record
from companion.strict_yaml import read_yaml

NAME = "policy-cliff-companion.pdf"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_OLDEST = 131  # the first Chromium that numbers sheets as print.css asks
_PAPER = {"width": 627, "height": 937}  # A4 within the margins of print.css, in CSS pixels
_PATIENCE = 600_000  # ms
_READY = "Promise.all([document.fonts.ready, ...[...document.images].map((one) => one.decode())])"
# Makes formulas and tables that are wider than the paper smaller; returns what still is.
_FIT = """() => {
  const paper = document.documentElement.clientWidth;
  for (const box of document.querySelectorAll(".katex-display, .pst-scrollable-table-container")) {
    const share = box.clientWidth / box.scrollWidth;
    if (share < 1) box.style.zoom = 0.995 * share;
  }
  return [...document.querySelectorAll(".base, table, img, svg, pre, p, li, dt")]
    .filter((element) => element.getBoundingClientRect().right > paper + 1)
    .map((element) => `${element.tagName} ${element.textContent.slice(0, 60)}`);
}"""
# A page that offers the book holds this, empty; a site without the PDF thus links to none.
_OFFER = re.compile(r'<p class="book-pdf"[^>]*>.*?</p>', re.DOTALL)


def find_chromium() -> str:
    """Path of an installed Chromium, or of the one that ``PLAYWRIGHT_CHROMIUM`` names.

    Raises:
        CompanionError: if there is none.
    """
    named = os.environ.get("PLAYWRIGHT_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        known = ", ".join(CHROMIUM)
        raise CompanionError(f"no {known} on the path, no PLAYWRIGHT_CHROMIUM; install chromium")
    return found


def write_pdf(project: Project) -> Path:
    """Print the built site into one PDF beside its pages, and offer it there; where it lies.

    The next build of a changed site takes it away.

    Raises:
        CompanionError: if there is no site, no browser that can print it, or if something on a
            page is wider than the paper.
    """
    if not (project.html / "index.html").exists():
        raise CompanionError(f"{project.html}: no book yet; run companion build")
    with sole_build(project):
        cover = _cover(project)
        document = Document(project, cover)
        with tempfile.TemporaryDirectory(dir=project.html.parent) as folder:
            printed = _numbered(document, Path(folder) / "book.html")
        file = project.html / NAME
        book = _described(printed, document, cover, project)
        book.write(file)
        _offer(project.html, len(book.pages), file.stat().st_size)
        renew_record(project)
    return file


def _cover(project: Project) -> dict[str, str]:
    """Class -> line of the cover."""
    citation = read_yaml(
        (project.root / "CITATION.cff").read_text(encoding="utf-8"), "CITATION.cff"
    )
    (paper,) = citation["references"]
    authors = ", ".join(f"{one['given-names']} {one['family-names']}" for one in paper["authors"])
    identifier = paper["identifiers"][0]["value"]
    commit = project.git("rev-parse", "--short=12", "HEAD")
    day = time.strftime("%d %B %Y", time.gmtime(_seconds(project))).lstrip("0")
    version = [f"Version {citation['version']}", day, *([f"commit {commit}"] if commit else [])]
    return {
        "title": citation["title"],
        "abstract": " ".join(citation["abstract"].split()),
        "paper": f"A companion to {authors}, “{paper['title']}”, {identifier} ({paper['year']})",
        "author": AUTHOR,
        "version": ", ".join(version),
        "licence": "Text and figures: CC BY 4.0. Code: MIT.",
    }


def _seconds(project: Project) -> float:
    """When the checked-out commit was made; now without git."""
    return float(project.dates.get("SOURCE_DATE_EPOCH", time.time()))


def _numbered(document: Document, file: Path) -> bytes:
    """The printed document, its contents filled with the numbers found in a first print."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        raise CompanionError("no playwright; install policy-cliff-companion[book]") from None
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium())
            if int(browser.version.partition(".")[0]) < _OLDEST:
                raise CompanionError(f"Chromium {browser.version}: {_OLDEST} or newer is needed")
            document.number(_sheets(_print(browser, document, file), document))
            return _print(browser, document, file)
    except Error as error:
        raise CompanionError(f"Chromium could not print the book: {error.message}") from error


def _print(browser: Any, document: Document, file: Path) -> bytes:
    file.write_text(document.text(), encoding="utf-8")
    page = browser.new_page(viewport=_PAPER, color_scheme="light", offline=True)
    page.set_default_timeout(_PATIENCE)
    page.emulate_media(media="print")
    page.goto(file.as_uri())
    page.evaluate(_READY)
    if wide := page.evaluate(_FIT):
        raise CompanionError(f"wider than the paper: {'; '.join(wide)}")
    printed = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    page.close()
    return bytes(printed)


def _sheets(printed: bytes, document: Document) -> dict[str, int]:
    """Name of each page -> the sheet that it starts on, counted from 1."""
    reader = PdfReader(BytesIO(printed))
    places = reader.named_destinations
    starts = {page: places[f"/{key(page)}"] for page in document.titles}
    return {page: int(reader.get_destination_page_number(s) or 0) + 1 for page, s in starts.items()}


def _described(
    printed: bytes, document: Document, cover: Mapping[str, str], project: Project
) -> PdfWriter:
    """The PDF with title, author, licence and the date of the commit, ready to be written."""
    writer = PdfWriter(clone_from=BytesIO(printed))
    # Chromium gives a bookmark for each heading, but says the words of some twice
    for bookmark, heading in zip(_bookmarks(writer.outline), document.headings, strict=True):
        bookmark.node[NameObject("/Title")] = TextStringObject(heading)
    day = time.strftime("D:%Y%m%d%H%M%SZ", time.gmtime(_seconds(project)))
    writer.metadata = None
    writer.add_metadata(
        {
            "/Title": cover["title"],
            "/Author": AUTHOR,
            "/Subject": f"{cover['version']}. {LICENCE}, https://creativecommons.org/licenses/by/4.0/",
            "/CreationDate": day,
            "/ModDate": day,
        }
    )
    return writer


def _bookmarks(outline: list[Any]) -> Iterator[Any]:
    """Bookmarks in the order of the book, whatever their depth."""
    for entry in outline:
        if isinstance(entry, list):
            yield from _bookmarks(entry)
        else:
            yield entry


def _offer(site: Path, sheets: int, size: int) -> None:
    """Link the PDF on each page that has a place for it."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        up = "../" * (len(page.relative_to(site).parts) - 1)
        about = f"({sheets} pages, {size / 1e6:.0f} MB)"
        link = f'<p class="book-pdf"><a href="{up}{NAME}">The whole book as one PDF</a> {about}</p>'
        offered = _OFFER.sub(link, text)
        if offered != text:
            page.write_text(offered, encoding="utf-8")
