"""What a page is about, in a line for those who find it in a search."""

import html
import textwrap
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

_LONGEST = 160  # letters; search pages show no more


def _describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """The first words of the page's own text; without any, its title and the book's."""
    title = app.env.titles.get(page)
    name = f"{title.astext()}. {app.config.html_title}" if title else app.config.html_title
    said = (doctree and _opening(doctree)) or name
    short = textwrap.shorten(said, _LONGEST, placeholder="…")
    tag = f'<meta name="description" content="{html.escape(short)}" />'
    context["metatags"] = f"{context.get('metatags', '')}\n{tag}"


def _opening(doctree: nodes.document) -> str:
    """The first paragraph that stands in no box."""
    for section in doctree.findall(nodes.section):
        for child in section.children:
            if isinstance(child, nodes.paragraph):
                return child.astext()
    return ""


def setup(app: Sphinx) -> None:
    """Register the description."""
    app.connect("html-page-context", _describe)
