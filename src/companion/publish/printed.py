"""The pages of the built site as one document to print: cover, contents, then page after page.

What only a screen can use is left out: folded code, explorers with the paragraph that asks to "Try
it", downloads, the gallery. Links between pages become links inside the document.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from lxml import html
from lxml.html.builder import E

from companion.errors import CompanionError
from companion.publish.project import Project
from companion.strict_yaml import read_yaml

STYLE = Path(__file__).with_name("print.css")
FRONT = "About this book"  # what the front page is called behind a cover that has its title
_LEFT_OUT = {"gallery"}  # shows every figure once more, to take away
_UNPRINTED = ("headerlink", "toggler", "only-dark", "figure-links", "book-pdf")
_VIEW = "@type='application/vnd.jupyter.widget-view+json'"


def _has(name: str) -> str:
    """XPath's way to ask for a class."""
    return f"contains(concat(' ', normalize-space(@class), ' '), ' {name} ')"


_SCREEN_ONLY = " | ".join(
    [
        *(f".//*[{_has(name)}]" for name in _UNPRINTED),
        f".//details[{_has('hide')}]/summary",
        f".//details[{_has('hide')}]//*[{_has('cell_input')}]",
        f".//script[not({_VIEW})]",
        ".//form",
        ".//button",
    ]
)
_INVITATION = "./preceding::p[1][starts-with(normalize-space(), 'Try it')]"  # of an explorer
_TALL = ".//figure[.//img[@height > 1.5 * @width]]"
_FOLDS = f".//noscript | .//details | .//summary | .//a[{_has('figure-open')}]"


@dataclass(frozen=True)
class Part:
    """A part of the table of contents: its caption and the names of its pages, in order."""

    caption: str
    pages: tuple[str, ...]


def key(page: str) -> str:
    """What a page is called in the document's styles, and the id of its start."""
    return "page-" + page.replace("/", "-")


def parts(project: Project) -> list[Part]:
    """The book as its table of contents orders it, the front page first."""
    toc = read_yaml((project.root / "_toc.yml").read_text(encoding="utf-8"), "_toc.yml")
    found = [Part("", (toc["root"],))]
    for part in toc["parts"]:
        names = [name for name in _names(part["chapters"]) if name not in _LEFT_OUT]
        found.append(Part(part["caption"], tuple(names)))
    return found


def _names(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        yield entry["file"]
        yield from _names(entry.get("sections", ()))


class Document:
    """The book as one HTML document.

    Attributes:
        titles: name of each page -> its title, in the order of the book.
    """

    def __init__(self, project: Project, cover: Mapping[str, str]) -> None:
        """Compose it out of the built site.

        Args:
            project: with a built site.
            cover: class -> line of the cover, among them ``title``.

        Raises:
            CompanionError: for a page that the site does not have.
        """
        book = parts(project)
        pages = {name: _Page(project, name) for part in book for name in part.pages}
        front = next(iter(pages.values()))
        front.rename(FRONT)
        picture = front.picture
        anchors = {anchor for page in pages.values() for anchor in page.anchors}
        for page in pages.values():
            page.link(pages, anchors, project.address)
        self.titles = {name: page.title for name, page in pages.items()}
        self._root = E.html(
            E.head(
                E.meta(charset="utf-8"),
                E.title(cover["title"]),
                *(E.link(rel="stylesheet", href=address) for address in _styles(pages.values())),
                E.style(STYLE.read_text(encoding="utf-8") + _running_heads(self.titles)),
            ),
            E.body(
                _cover(cover, picture),
                _contents(book, self.titles),
                *(page.article for page in pages.values()),
            ),
            {"lang": "en", "data-theme": "light"},
        )

    @property
    def headings(self) -> list[str]:
        """Every heading, in order."""
        levels = " or ".join(f"self::h{level}" for level in range(1, 7))
        return [" ".join(h.text_content().split()) for h in self._root.xpath(f"//*[{levels}]")]

    def number(self, numbers: Mapping[str, int]) -> None:
        """Write into the contents on which sheet each page starts, counted from 1."""
        for page, number in numbers.items():
            (place,) = self._root.xpath("//*[@id=$id]", id=f"number-of-{key(page)}")
            place.text = str(number)

    def text(self) -> str:
        """The document as HTML."""
        return str(html.tostring(self._root, doctype="<!DOCTYPE html>", encoding="unicode"))


class _Page:
    """A page of the site, its article made ready for paper."""

    def __init__(self, project: Project, name: str) -> None:
        self.name, self.file = name, project.html / f"{name}.html"
        if not self.file.exists():
            raise CompanionError(f"{self.file}: no such page; run companion build")
        tree = html.fromstring(self.file.read_bytes(), parser=html.HTMLParser(encoding="utf-8"))
        self.styles = [
            self._address(link) for link in tree.xpath("//link[@rel='stylesheet']/@href")
        ]
        (self.article,) = tree.xpath(f"//article[{_has('bd-article')}]")
        _strip(self.article)
        for picture in self.article.iter("img"):
            picture.set("src", self._address(picture.get("src")))
            picture.attrib.pop("loading", None)  # paper has no place that comes near
        self._own_ids()

    @property
    def title(self) -> str:
        return " ".join(self._heading.text_content().split())

    @property
    def anchors(self) -> list[str]:
        return [key(self.name), *self.article.xpath(".//@id")]

    @property
    def _heading(self) -> Any:
        return self.article.xpath(".//h1")[0]

    def rename(self, title: str) -> None:
        """Give the page another title."""
        self._heading.getparent().replace(self._heading, E.h1(title))

    @property
    def picture(self) -> Any:
        """A copy of the page's first picture; None if there is none."""
        return deepcopy(next(self.article.iter("img"), None))

    def link(self, pages: Mapping[str, "_Page"], anchors: set[str], address: str | None) -> None:
        """Turn links inside the site into links inside the document.

        What the document does not hold is linked on the published site; without one it is no link.
        """
        for link in self.article.xpath(".//a[@href]"):
            target = self._target(link.get("href"), pages, anchors, address)
            if target is None:
                link.drop_tag()
            else:
                link.set("href", target)

    def _target(
        self, link: str, pages: Mapping[str, "_Page"], anchors: set[str], address: str | None
    ) -> str | None:
        parsed = urlsplit(link)
        if parsed.scheme or parsed.netloc:
            return link
        here = PurePosixPath("/") / f"{self.name}.html"
        place = urljoin(str(here), parsed.path or here.name).lstrip("/")
        name = unquote(place).removesuffix(".html")
        if name not in pages:
            return address and urljoin(address, place)
        anchor = _own(name, unquote(parsed.fragment))
        return f"#{anchor if anchor in anchors else key(name)}"

    def _address(self, link: str) -> str:
        return urljoin(self.file.as_uri(), link)

    def _own_ids(self) -> None:
        """Pages use the same ids: each gets its own, and the article the id of the page."""
        for element in self.article.xpath(".//*[@id]"):
            element.set("id", _own(self.name, element.get("id")))
        for attribute in ("aria-labelledby", "aria-describedby", "for"):
            for element in self.article.xpath(f".//*[@{attribute}]"):
                del element.attrib[attribute]
        self.article.set("id", key(self.name))


def _own(page: str, id: str) -> str:
    return f"{key(page)}--{id}"


def _strip(article: Any) -> None:
    """Leave out what paper cannot use, and open what is folded, without its code."""
    for element in article.xpath(_SCREEN_ONLY):
        element.drop_tree()
    for explorer in article.xpath(f".//script[{_VIEW}]"):
        for invitation in explorer.xpath(_INVITATION):
            invitation.drop_tree()
        explorer.drop_tree()  # its stand-in without scripts follows, and is unfolded below
    for figure in article.xpath(_TALL):
        figure.classes.add("tall")
    for fold in article.xpath(_FOLDS):
        fold.drop_tag()
    for mathml in article.xpath(f".//*[{_has('katex-mathml')}]"):
        _name_formula(mathml)


def _name_formula(mathml: Any) -> None:
    """Drop a formula's second copy, in MathML; a screen reader reads its TeX instead."""
    tex = " ".join(mathml.xpath("string(.//annotation)").split())
    mathml.getparent().attrib.update({"role": "img", "aria-label": tex})
    mathml.drop_tree()


def _styles(pages: Iterable[_Page]) -> list[str]:
    """Addresses of all styles that a page uses."""
    return list(dict.fromkeys(style for page in pages for style in page.styles))


def _running_heads(titles: Mapping[str, str]) -> str:
    """Each page's title at the head of its sheets: sheets have a style of the page's name."""
    rules = []
    for page, title in titles.items():
        text = title.replace("\\", "\\\\").replace('"', '\\"')
        rules.append(f'@page {key(page)} {{ @top-left {{ content: "{text}"; }} }}')
        rules.append(f"#{key(page)} {{ page: {key(page)}; }}")
    return "\n".join(rules)


def _cover(cover: Mapping[str, str], picture: Any) -> Any:
    lines = [E.p(text, {"class": name}) for name, text in cover.items()]
    return E.section(*lines, *([] if picture is None else [picture]), {"class": "cover"})


def _contents(book: Iterable[Part], titles: Mapping[str, str]) -> Any:
    contents = E.section(E.h1("Contents"), {"class": "contents bd-article"})
    for part in book:
        if part.caption:
            contents.append(E.p(part.caption, {"class": "caption"}))
        contents.append(E.ol(*(_entry(page, titles[page]) for page in part.pages)))
    return contents


def _entry(page: str, title: str) -> Any:
    number = E.span("000", {"class": "sheet", "id": f"number-of-{key(page)}"})
    return E.li(E.a(E.span(title, {"class": "entry"}), number, href=f"#{key(page)}"))
