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

from companion.publish.project import UNCOMMITTED, Project

LINKS = {"svg": "SVG", "pdf": "PDF", "png": "PNG", "csv": "data (CSV)", "bib": "cite (BibTeX)"}


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
        for suffix, text in LINKS.items():
            target = f"{up}figures/{folder.name}/{folder.name}.{suffix}"
            line += nodes.reference("", text, refuri=target, internal=False)
            line += nodes.Text(" ")
        sidecar = json.loads((files / f"{folder.name}.json").read_text())
        code = code_address(sidecar, Project(Path(self.env.srcdir).parent).repository)
        if code:
            line += nodes.reference("", "code", refuri=code, internal=False)
        figure += nodes.legend("", line)


def code_address(sidecar: dict[str, Any], repository: str | None) -> str | None:
    """Where the function that drew a figure stands, at the commit it was drawn from.

    Args:
        sidecar: of the figure; figures that a notebook draws itself name no ``source``.
        repository: web address of the public repository, if there is one.
    """
    commit, source = sidecar.get("commit") or "", sidecar.get("source")
    if not (repository and source) or commit in ("", "unknown") or commit.endswith(UNCOMMITTED):
        return None
    return f"{repository}/blob/{commit}/{source}"


def _escape(caption: nodes.caption) -> None:
    """Show HTML in a caption as the text that it is."""
    for raw in list(caption.findall(nodes.raw)):
        raw.parent.replace(raw, nodes.Text(raw.astext()))


def _publish(app: Sphinx, exception: Exception | None) -> None:
    """Copy the figures' folders to fixed addresses, so that links in talks last.

    The BibTeX entry stands in the sidecar; it gets a file of its own to link to.
    """
    if exception is not None or app.builder.format != "html":
        return
    for sidecar in sorted((Path(app.srcdir) / "chapters" / "figures").glob("*/*.json")):
        target = Path(app.outdir) / "figures" / sidecar.parent.name
        shutil.copytree(sidecar.parent, target)
        entry = json.loads(sidecar.read_text())["bibtex"]
        (target / f"{sidecar.stem}.bib").write_text(entry)


def setup(app: Sphinx) -> None:
    """Register the transform and the copying."""
    app.add_transform(KitFigures)
    app.connect("build-finished", _publish)
