"""Figures of the kit: a twin for the dark theme, and the files behind them at fixed addresses.

A figure ``ID`` is a folder ``figures/ID/`` beside its chapter, with a sidecar ``ID.json``.
"""

import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

LINKS = (
    ("svg", "SVG"),
    ("pdf", "PDF"),
    ("png", "PNG"),
    ("csv", "data (CSV)"),
    ("bib", "cite (BibTeX)"),
)


class KitFigures(SphinxTransform):
    """Give each figure of the kit its dark twin and its line of links."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        """Change the document in place."""
        for image in list(self.document.findall(nodes.image)):
            self._add_twin(image)
        for figure in list(self.document.findall(nodes.figure)):
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
        image.parent.insert(image.parent.index(image) + 1, twin)

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
        for suffix, text in LINKS:
            name = f"{folder.name}.{suffix}"
            if (files / name).exists():
                target = f"{up}figures/{folder.name}/{name}"
                line += nodes.reference("", text, refuri=target, internal=False)
                line += nodes.Text(" ")
        legend = nodes.legend("", line)
        figure += legend


def _publish(app: Sphinx, exception: Exception | None) -> None:
    """Copy the figures' folders to fixed addresses, so that links in talks last."""
    source = Path(app.srcdir) / "chapters" / "figures"
    if exception is None and app.builder.format == "html" and source.is_dir():
        shutil.copytree(source, Path(app.outdir) / "figures", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Register the transform and the copying."""
    app.add_transform(KitFigures)
    app.connect("build-finished", _publish)
