"""The gallery: every figure of the book as a card, with all that is needed to show and cite it.

A page holds it where it says ``{gallery}``. It is made of the figures' sidecars while the site is
built, so it cannot be older than they are.
"""

from html import escape
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

from companion.publish.catalogue import ENDS, FIGURES, VERSIONS, Shown
from companion.publish.decks import ALL, BEAMER, DECK
from companion.publish.sphinxext.figures import catalogue


class Place(nodes.General, nodes.Element):
    """Where the gallery goes."""


class Gallery(Directive):
    """``{gallery}``"""

    def run(self) -> list[nodes.Node]:
        """A place for the cards; they are known when every page has been read."""
        return [Place()]


class FillGallery(SphinxPostTransform):
    """Put the cards in their place, before references are resolved: captions hold some."""

    default_priority = 4

    def run(self, **kwargs: Any) -> None:
        """Change the document in place."""
        for place in list(self.document.findall(Place)):
            figures = catalogue(self.app).figures
            cards: list[nodes.Node] = [_html(_downloads() + _filters(figures))]
            for figure in figures:
                cards += [_html(_card(figure)), *self._caption(figure), _html(_citing(figure))]
            place.replace_self([*cards, _html("</ul>")])

    def _caption(self, figure: Shown) -> list[nodes.Node]:
        """The caption as the chapter has it, mathematics and links included."""
        chapter = self.env.get_doctree(figure.page)
        for drawn in chapter.findall(nodes.figure):
            if f"fig-{figure.id}" in drawn["ids"]:
                for caption in drawn.findall(nodes.caption):
                    paragraph = nodes.paragraph("", "", *caption.deepcopy().children)
                    for reference in paragraph.findall(nodes.Element):
                        if "refdoc" in reference:  # links start from this page, not from that
                            reference["refdoc"] = self.env.docname
                    return [paragraph]
        return []


def _html(text: str) -> nodes.raw:
    return nodes.raw("", text, format="html")


def _downloads() -> str:
    files = {
        f"{FIGURES}/{ALL}": "every figure in every format (ZIP)",
        f"{FIGURES}/{DECK}": "one slide for each figure (PowerPoint)",
        f"{FIGURES}/{BEAMER}.zip": "one frame for each figure (Beamer)",
    }
    links = "".join(f'<li><a href="{file}">{text}</a></li>' for file, text in files.items())
    return f'<ul class="gallery-all">{links}</ul>'


def _filters(figures: tuple[Shown, ...]) -> str:
    """Three lists to choose from; hidden until a script is there that heeds them."""
    chapters = {figure.page: figure.chapter for figure in figures}
    results = dict.fromkeys(result for figure in figures for result in figure.results)
    families = dict.fromkeys(figure.family for figure in figures)
    choices = {
        "chapter": chapters,
        "result": {name: name for name in sorted(results, key=_by_number)},
        "family": {name: name for name in families},
    }
    fields = "".join(
        f'<label>{name} <select name="{name}"><option value="">all</option>'
        + "".join(f'<option value="{escape(v)}">{escape(t)}</option>' for v, t in known.items())
        + "</select></label>"
        for name, known in choices.items()
    )
    count = f'<output aria-live="polite">{len(figures)} figures</output>'
    return f'<form class="gallery-filter" hidden>{fields}{count}</form><ul class="gallery">'


def _by_number(name: str) -> tuple[str, list[int]]:
    """Key that puts Proposition 2.10 behind Proposition 2.9, and C.1 behind both."""
    kind, _, number = name.partition(" ")
    return kind, [int(part) if part.isdigit() else 1000 for part in number.split(".")]


def _card(figure: Shown) -> str:
    """The picture, its message and its files, down to where the caption begins."""
    stem = f"{FIGURES}/{figure.id}/{figure.id}"
    alt = escape(figure.alt)
    pictures = "".join(
        f'<img class="only-{theme}" src="{stem}{end}.svg" alt="{alt}" loading="lazy" '
        'width="540" height="300">'
        for theme, end in (("light", ""), ("dark", "-dark"))
    )
    results = ", ".join(figure.results)
    return (
        f'<li id="{figure.id}" data-chapter="{figure.page}" '
        f'data-result="{escape("|".join(figure.results))}" data-family="{escape(figure.family)}">'
        f'<div class="gallery-picture">{pictures}</div>'
        f'<h2><a href="{figure.page}.html#fig-{figure.id}">{escape(figure.title)}</a></h2>'
        f'<p class="gallery-about">{escape(" · ".join(filter(None, _about(figure, results))))}</p>'
        f"{_slide_links(figure, stem)}"
        "<details><summary>Files, caption and citation"
        f'<span class="visually-hidden"> of {escape(figure.id)}</span></summary>'
        f"{_file_table(figure, stem)}<h3>Caption</h3>"
    )


def _about(figure: Shown, results: str) -> tuple[str, ...]:
    return figure.number, figure.chapter, results, figure.family


def _slide_links(figure: Shown, stem: str) -> str:
    if not figure.slide:
        return ""
    return f"<p>Slide: {_links(figure, stem, '-slide')}</p>"


def _links(figure: Shown, stem: str, version: str) -> str:
    """A link for each format of a version; a screen reader hears of which figure."""
    return " ".join(
        f'<a href="{stem}{version}{end}" download aria-label="{end[1:].upper()} of '
        f'{escape(figure.id)}{version.replace("-", ", ")}">{end[1:].upper()}</a>'
        for end in ENDS
    )


def _file_table(figure: Shown, stem: str) -> str:
    lines = "".join(
        f"<li>{name}: {_links(figure, stem, version)}</li>"
        for name, version in VERSIONS.items()
        if figure.slide or "slide" not in name
    )
    rest = f'<li><a href="{stem}.csv" download>data (CSV)</a></li>'
    rest += f'<li><a href="{stem}.json">sidecar (JSON)</a></li>'
    if figure.code:
        rest += f'<li><a href="{escape(figure.code)}">code that draws it</a></li>'
    return f'<ul class="gallery-files">{lines}{rest}</ul>'


def _citing(figure: Shown) -> str:
    """What to copy, after the caption."""
    texts = {
        "Alternative text": figure.alt,
        "Attribution": figure.attribution,
        "BibTeX": figure.bibtex.strip(),
    }
    parts = "".join(f"<h3>{name}</h3><pre>{escape(text)}</pre>" for name, text in texts.items())
    return f"{parts}</details></li>"


def setup(app: Sphinx) -> None:
    """Register the directive and what fills it."""
    app.add_node(Place)
    app.add_directive("gallery", Gallery)
    app.add_post_transform(FillGallery)
    app.add_js_file("companion-gallery.js", loading_method="defer")
    app.add_css_file("companion-gallery.css")
