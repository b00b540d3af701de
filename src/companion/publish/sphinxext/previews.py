"""What a mention's target says, as a small file of its own that a page asks for when it is wanted.

The files are scripts, not data: a page opened from a disk may load scripts beside it, and nothing
else.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from companion.publish.sphinxext.links import STATEMENT, Target, targets

_LEFT_OUT = (addnodes.index, addnodes.highlightlang, nodes.target, nodes.raw)


def _write(app: Sphinx, document: nodes.document, page: str) -> None:
    """Write the previews of what stands on a page."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "previews"
    folder.mkdir(parents=True, exist_ok=True)
    builder: Any = app.builder
    for name, target in targets(app).on(page).items():
        body = nodes.container("", *_bare(_said(document, target)))
        call = json.dumps([name, target.title, builder.render_partial(body)["fragment"]])
        (folder / f"{name}.js").write_text(f"companionPreview(...{call});\n")


def _said(document: nodes.document, target: Target) -> list[nodes.Node]:
    """A statement, a word's meaning, or how a chapter opens."""
    if not target.anchor:
        section = next(iter(document.findall(nodes.section)))
        opening = [child for child in section.children if isinstance(child, nodes.paragraph)]
        title = nodes.strong("", "", nodes.Text(f"{target.title}. "), *section[0].children)
        return [nodes.paragraph("", "", title), *opening[:1]]
    node = next(n for n in document.findall(nodes.Element) if target.anchor in n.get("ids", ()))
    if STATEMENT in node.get("classes", ()):
        containers = node.findall(nodes.container)
        outputs = [part for part in containers if "cell_output" in part["classes"]]
        return [child for output in outputs for child in output.children]
    title = nodes.paragraph("", "", nodes.strong("", target.title))
    meanings = [child for child in node.parent.children if isinstance(child, nodes.definition)]
    return [title, *(child for meaning in meanings for child in meaning.children)]


def _bare(said: Iterable[nodes.Node]) -> list[nodes.Node]:
    """Copies without anchors and links, which would lead astray from another page."""
    copy = nodes.container("", *(node.deepcopy() for node in said))
    for node in list(copy.findall(nodes.Element)):
        node["ids"] = []
        if isinstance(node, _LEFT_OUT):
            node.parent.remove(node)
        elif isinstance(node, nodes.reference):
            node.parent.replace(node, node.children or nodes.Text(""))
    return list(copy.children)


def setup(app: Sphinx) -> None:
    """Register the writing, when all links are made."""
    app.connect("doctree-resolved", _write, priority=900)
    app.add_js_file("companion-previews.js", loading_method="defer")
