"""What the book holds to show and to cite: its figures, its chapters, itself.

The site writes it once, as ``figures/catalogue.json``, from the figures' sidecars and the numbers
of its pages. The gallery, the files for talks and ``companion figures`` and ``cite`` read it there.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.figures.citing import attribution, bibtex, figure_bibtex
from companion.figures.drawing import FAMILIES
from companion.publish.project import UNCOMMITTED, Project
from companion.strict_yaml import read_yaml

FILE = "catalogue.json"
FIGURES = "figures"  # folder of the site, and of the executed chapters
ENDS = (".svg", ".pdf", ".png")
VERSIONS = {
    "light": "",
    "dark": "-dark",
    "slide": "-slide",
    "dark slide": "-slide-dark",
}
_KINDS = {"prop": "Proposition", "thm": "Theorem", "sharp": "Fact"}
_OTHERWISE = {"corollary_continuity": "Corollary on continuity"}  # it has no number
_RESULT = re.compile(r"(?P<kind>[a-z]+)_(?P<number>(?:[a-z]_)?\d+(?:_\d+)?)(?:_[a-z]\w*)?")


@dataclass(frozen=True)
class Shown:
    """A figure of the book.

    Attributes:
        id: also the name of its folder and of its files.
        number: on its page, such as ``Fig. 4.1``; empty if the page does not number it.
        title: its message.
        alt: what it shows, in words.
        caption: Markdown.
        page: of the chapter, such as ``chapters/04_cliff``.
        chapter: title of that page.
        results: that it rests on, such as ``Proposition 2.10``.
        family: in words.
        attribution: a line to put where it is shown.
        bibtex: entry to cite it.
        code: address of the function that drew it, if that is public.
        slide: whether it has a version for slides.
    """

    id: str
    number: str
    title: str
    alt: str
    caption: str
    page: str
    chapter: str
    results: tuple[str, ...]
    family: str
    attribution: str
    bibtex: str
    code: str | None
    slide: bool

    def files(self) -> list[str]:
        """Names of its pictures, in the order of ``VERSIONS``."""
        versions = [end for name, end in VERSIONS.items() if self.slide or "slide" not in name]
        return [f"{self.id}{version}{end}" for version in versions for end in ENDS]


@dataclass(frozen=True)
class Part:
    """A chapter, or the whole book: its name (such as ``04_cliff``), title and BibTeX entry."""

    name: str
    title: str
    bibtex: str


@dataclass(frozen=True)
class Catalogue:
    """Everything there is to show and to cite, in the order of the book."""

    book: Part
    paper: Part
    chapters: tuple[Part, ...]
    figures: tuple[Shown, ...]

    def write(self, folder: Path) -> None:
        """Write it into a folder of figures."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> Catalogue:
    """The catalogue of a built site.

    Args:
        folder: of the site's figures.

    Raises:
        CompanionError: if no site was built there.
    """
    try:
        saved = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError:
        raise CompanionError(f"{folder}: no built figures; run companion build first") from None
    figures = tuple(Shown(**one | {"results": tuple(one["results"])}) for one in saved["figures"])
    chapters = tuple(Part(**one) for one in saved["chapters"])
    return Catalogue(Part(**saved["book"]), Part(**saved["paper"]), chapters, figures)


def collect(project: Project, pages: Mapping[str, str], numbers: Mapping[str, str]) -> Catalogue:
    """The catalogue of a book.

    Args:
        project: with executed chapters.
        pages: name of each page -> its title, in the order of the book.
        numbers: label of each numbered figure -> such as ``Fig. 4.1``.
    """
    order = list(pages)
    sidecars = [
        json.loads(file.read_text(encoding="utf-8"))
        for file in sorted((project.executed / FIGURES).glob("*/*.json"))
    ]
    citation = read_yaml(
        (project.root / "CITATION.cff").read_text(encoding="utf-8"), "CITATION.cff"
    )
    shown = [
        _shown(sidecar, project, pages, numbers, citation.get("doi"))
        for sidecar in sidecars
        if _page(sidecar) in pages
    ]
    shown.sort(key=lambda figure: (order.index(figure.page), _natural(figure.number), figure.id))
    year = _year(project)
    chapters = tuple(
        _chapter(name, title, citation, year, project.address)
        for name, title in pages.items()
        if name.startswith("chapters/")
    )
    return Catalogue(
        _book(citation, year, project.address), _paper(citation), chapters, tuple(shown)
    )


def result_name(module: str) -> str:
    """A result as readers know it.

    >>> result_name("lemma_c_1"), result_name("sharp_4_one_reward")
    ('Lemma C.1', 'Fact 4')
    """
    found = _RESULT.fullmatch(module)
    if found is None:
        return _OTHERWISE.get(module, module)
    kind = _KINDS.get(found["kind"], found["kind"].capitalize())
    return f"{kind} {found['number'].replace('_', '.').upper()}"


def code_address(sidecar: Mapping[str, Any], repository: str | None) -> str | None:
    """Where the function that drew a figure stands, at the commit it was drawn from.

    Args:
        sidecar: of the figure; figures that a notebook draws itself name no ``source``.
        repository: web address of the public repository, if there is one.
    """
    commit, source = sidecar.get("commit") or "", sidecar.get("source")
    if not (repository and source) or commit in ("", "unknown") or commit.endswith(UNCOMMITTED):
        return None
    return f"{repository}/blob/{commit}/{source}"


def _page(sidecar: Mapping[str, Any]) -> str:
    return f"chapters/{Path(sidecar.get('notebook') or '').stem}"


def _natural(number: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", number)]


def _year(project: Project) -> str:
    """Of the checked-out commit; of today without git."""
    seconds = project.dates.get("SOURCE_DATE_EPOCH")
    return str(time.gmtime(int(seconds) if seconds else None).tm_year)


def _shown(
    sidecar: Mapping[str, Any],
    project: Project,
    pages: Mapping[str, str],
    numbers: Mapping[str, str],
    doi: str | None,
) -> Shown:
    id, page = sidecar["id"], _page(sidecar)
    number = numbers.get(f"fig-{id}", "")
    url = f"{project.address}{page}.html#fig-{id}" if project.address else None
    return Shown(
        id=id,
        number=number,
        title=sidecar["title"],
        alt=sidecar["alt"],
        caption=sidecar["caption"],
        page=page,
        chapter=pages[page],
        results=tuple(result_name(module) for module in sidecar.get("rests_on", ())),
        family=FAMILIES[sidecar.get("family", "theory")],
        attribution=attribution(id, number, url),
        bibtex=figure_bibtex(
            id, sidecar["title"], sidecar["year"], sidecar["commit"], number, url, doi
        ),
        code=code_address(sidecar, project.repository),
        slide=f"{id}-slide.svg" in sidecar["sha256"],
    )


def _chapter(
    name: str, title: str, citation: Mapping[str, Any], year: str, address: str | None
) -> Part:
    name = name.removeprefix("chapters/")
    note = f"In {citation['title']}, version {citation['version']}. CC BY 4.0"
    url = f"{address}chapters/{name}.html" if address else None
    key = f"policy-cliff-{name.replace('_', '-')}"
    return Part(name, title, bibtex(key, title, year, note, url, citation.get("doi")))


def _book(citation: Mapping[str, Any], year: str, address: str | None) -> Part:
    note = f"Version {citation['version']}"
    entry = bibtex(
        "policycliffcompanion", citation["title"], year, note, address, citation.get("doi")
    )
    return Part("book", citation["title"], entry)


def _paper(citation: Mapping[str, Any]) -> Part:
    (paper,) = citation["references"]
    author = " and ".join(
        f"{one['family-names']}, {one['given-names']}" for one in paper["authors"]
    )
    fields = {
        "title": paper["title"],
        "author": author,
        "year": paper["year"],
        "eprint": paper["identifiers"][0]["value"].removeprefix("arXiv:"),
        "archivePrefix": "arXiv",
        "url": paper["url"],
    }
    body = ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items())
    return Part("paper", paper["title"], f"@misc{{xu2025policycliff,\n{body}\n}}\n")
