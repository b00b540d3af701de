"""Figures of the kit: a twin for the dark theme, and the files behind them at fixed addresses.

A figure ``ID`` is a folder ``figures/ID/`` beside its chapter, with a sidecar ``ID.json``.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from companion.publish.catalogue import FIGURES, Catalogue, code_address, collect
from companion.publish.compat import figure_numbers
from companion.publish.decks import write_all
from companion.publish.project import Project

LINKS = {
    ".svg": "SVG",
    ".pdf": "PDF",
    ".png": "PNG",
    "-slide.pdf": "slide",
    ".csv": "data (CSV)",
    ".bib": "cite (BibTeX)",
}


class KitFigures(SphinxTransform):
    """Give each figure of the kit its dark twin and its line of links."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        """Change the document in place."""
        for image in list(self.document.findall(nodes.image)):
            self._add_twin(image)
        for figure in list(self.document.findall(nodes.figure)):
            for caption in figure.findall(nodes.caption):
                _escape(caption)
            self._add_links(figure)

    def _file(self, uri: str) -> Path:
        return Path(self.env.srcdir, self.env.docname).parent / uri

    def _add_twin(self, image: nodes.image) -> None:
        uri = image["uri"]
        dark = uri.removesuffix(".svg") + "-dark.svg"
        if not uri.endswith(".svg") or uri == dark or not self._file(dark).exists():
            return
        twin = image.deepcopy()
        twin["uri"] = dark
        twin["ids"] = []
        twin["classes"] = [*image["classes"], "only-dark"]
        image["classes"].append("only-light")
        # one node for both: docutils looks for a figure's caption right after its first child
        image.parent.replace(image, nodes.inline("", "", image.deepcopy(), twin))

    def _add_links(self, figure: nodes.figure) -> None:
        image = next(iter(figure.findall(nodes.image)), None)
        if image is None:
            return
        folder = Path(image["uri"]).parent
        files = self._file(image["uri"]).parent
        if folder.parent.name != "figures" or not (files / f"{folder.name}.json").exists():
            return
        up = "../" * self.env.docname.count("/")
        line = nodes.paragraph(classes=["figure-links"])
        sidecar = json.loads((files / f"{folder.name}.json").read_text())
        for end, text in LINKS.items():
            if end != "-slide.pdf" or f"{folder.name}{end}" in sidecar["sha256"]:
                target = f"{up}figures/{folder.name}/{folder.name}{end}"
                line += nodes.reference("", text, refuri=target, internal=False)
                line += nodes.Text(" ")
        code = code_address(sidecar, Project(Path(self.env.srcdir).parent).repository)
        if code:
            line += nodes.reference("", "code", refuri=code, internal=False)
        figure += nodes.legend("", line)


def _escape(caption: nodes.caption) -> None:
    """Show HTML in a caption as the text that it is."""
    for raw in list(caption.findall(nodes.raw)):
        raw.parent.replace(raw, nodes.Text(raw.astext()))


def catalogue(app: Sphinx) -> Catalogue:
    """What the finished environment knows of the book's figures."""
    pages = {name: title.astext() for name, title in app.env.titles.items()}
    order = [name for name in reading_order(app.env) if name in pages]
    project = Project(Path(app.srcdir).parent)
    return collect(project, {name: pages[name] for name in order}, figure_numbers(app.env))


def reading_order(env: Any) -> list[str]:
    """The pages as the table of contents lists them, the root first."""
    found: list[str] = []

    def visit(page: str) -> None:
        if page not in found:
            found.append(page)
            for child in env.toctree_includes.get(page, ()):
                visit(child)

    visit(env.config.root_doc)
    return found


def _publish(app: Sphinx, exception: Exception | None) -> None:
    """Copy the figures' folders to fixed addresses, so that links in talks last.

    Their BibTeX entries, which name number and address, get files of their own to link to.
    """
    if exception is not None or app.builder.format != "html":
        return
    folder, known = Path(app.outdir) / FIGURES, catalogue(app)
    for figure in known.figures:
        target = folder / figure.id
        shutil.copytree(Path(app.srcdir) / "chapters" / FIGURES / figure.id, target)
        (target / f"{figure.id}.bib").write_text(figure.bibtex, encoding="utf-8")
    folder.mkdir(exist_ok=True)
    known.write(folder)
    write_all(known, folder)


def setup(app: Sphinx) -> None:
    """Register the transform and the copying."""
    app.add_transform(KitFigures)
    app.connect("build-finished", _publish)
