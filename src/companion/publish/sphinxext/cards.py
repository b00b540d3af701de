"""Pages that point into the book and type nothing twice.

The front page has a card for each chapter: its number, title and first picture, what it teaches. A
chapter is a page of the table of contents that opens with a box of class ``opening``. What a figure
says in one line stands in its sidecar, from where a page takes it with ``takeaway``.
"""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from companion.publish.catalogue import FIGURES
from companion.publish.sphinxext.figures import reading_order

logger = logging.getLogger(__name__)
OPENING = "opening"
_FIGURES = f"chapters/{FIGURES}"


class _Cards(nodes.General, nodes.Element):
    """Where the cards go, once all pages have been read."""


class ChapterCards(SphinxDirective):
    """``chapter-cards``: a card for each chapter, in the order of the table of contents."""

    def run(self) -> list[nodes.Node]:
        """Leave a place to fill."""
        return [_Cards()]


class KitPicture(SphinxDirective):
    """``kit-picture``: a figure of the kit once more, by its id, with its take-away as caption."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The figure without a number or anchor, which belong to its chapter."""
        self.env.note_reread()  # whatever it says now
        id = self.arguments[0]
        sidecar = _sidecar(self.env, id)
        drawing = f"{_FIGURES}/{id}/{id}.svg"
        up = "../" * self.env.docname.count("/")
        title = nodes.paragraph("", "", _link(id, sidecar["title"]))
        image = nodes.image(uri=up + drawing, alt=sidecar["alt"])
        return [nodes.figure("", image, nodes.legend("", title))]


class Takeaway(SphinxRole):
    """``takeaway``: what a figure of the kit says in one line, as a link to it, by its id."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The link."""
        self.env.note_reread()
        return [_link(self.text, _sidecar(self.env, self.text)["title"])], []


def _sidecar(env: Any, id: str) -> dict[str, Any]:
    """What the kit wrote of a figure; a warning, hence no site, if no chapter has drawn it."""
    path = Path(env.srcdir, _FIGURES, id, f"{id}.json")
    if not path.exists():
        logger.warning("%s: no chapter draws a figure of this name", id)
        return {"title": id, "alt": ""}
    sidecar: dict[str, Any] = json.loads(path.read_text())
    return sidecar


def _link(id: str, text: str) -> addnodes.pending_xref:
    """A link to the figure where its chapter shows it; Sphinx warns if there is none."""
    return addnodes.pending_xref(
        "",
        nodes.inline("", text, classes=["std", "std-ref"]),
        refdomain="std",
        reftype="ref",
        reftarget=f"fig-{id}",
        refexplicit=True,
        refwarn=True,
    )


def _card(app: Sphinx, here: str, page: str) -> nodes.list_item | None:
    """The card of a page; None if the page does not open with a box."""
    env: Any = app.env
    doctree = env.get_doctree(page)
    boxes = [box for box in doctree.findall(nodes.Admonition) if OPENING in box["classes"]]
    if not boxes:
        return None
    number = ".".join(map(str, env.toc_secnumbers.get(page, {}).get("", ())))
    title = nodes.strong("", env.titles[page].astext())
    heading = nodes.inline("", f"{number} " if number else "", title, classes=["card-title"])
    know = next(iter(boxes[0].findall(nodes.paragraph))).astext()
    link = nodes.reference("", "", refuri=app.builder.get_relative_uri(here, page), internal=True)
    figure = next(iter(doctree.findall(nodes.figure)), None)
    if figure is None:
        link += heading
    else:
        link += _picture(figure)
        link += heading
        link += nodes.inline("", _takeaway(env, figure), classes=["card-takeaway"])
    return nodes.list_item("", nodes.paragraph("", "", link), nodes.paragraph("", know))


def _picture(figure: nodes.figure) -> nodes.inline:
    """The figure's drawings, light and dark, for eyes alone: the words beside it say the rest."""
    images = [image.deepcopy() for image in figure.findall(nodes.image)]
    for image in images:
        image["alt"] = ""
    return nodes.inline("", "", *images, classes=["card-picture"])


def _takeaway(env: Any, figure: nodes.figure) -> str:
    image = next(iter(figure.findall(nodes.image)))
    title: str = _sidecar(env, Path(image["uri"]).parent.name)["title"]
    return title


def _fill(app: Sphinx, doctree: nodes.document, here: str) -> None:
    for place in list(doctree.findall(_Cards)):
        cards = nodes.bullet_list(classes=["chapter-cards"])
        for page in reading_order(app.env):
            if card := _card(app, here, page):
                cards += card
        place.replace_self([cards] if len(cards) else [])


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_node(_Cards)
    app.add_directive("chapter-cards", ChapterCards)
    app.add_directive("kit-picture", KitPicture)
    app.add_role("takeaway", Takeaway())
    app.connect("doctree-resolved", _fill)
