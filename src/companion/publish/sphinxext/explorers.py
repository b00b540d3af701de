"""An explorer on a page without code, mounted as those of executed notebooks are."""

import json
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from companion import widgets

_STATE = "application/vnd.jupyter.widget-state+json"
_VIEW = "application/vnd.jupyter.widget-view+json"
_SCRIPT = "companion-widgets.js"


class Explorer(SphinxDirective):
    """``explorer``: an explorer of :mod:`companion.widgets` by its name, with its own defaults.

    One a page; the content says the same to readers whose browser runs no scripts, and after it
    what the explorer itself computes for them, where it has ``without_scripts()``, in Markdown.
    """

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The state and the place of the widget, then what stands in for it without scripts."""
        name = self.arguments[0]
        if name not in widgets.__all__:
            raise self.error(f"explorer {name!r}: there are {', '.join(widgets.__all__)}")
        kind = getattr(widgets, name)
        explorer = kind()
        read = {"_esm", "_css", *kind.class_own_traits()}  # what its JavaScript reads
        state = {key: value for key, value in explorer.get_state().items() if key in read}
        saved = {"state": {name: {"state": state}}}
        html = _data(_STATE, saved) + _data(_VIEW, {"model_id": name})
        without = nodes.container(classes=["without-scripts"])
        self.state.nested_parse(self.content, self.content_offset, without)
        if hasattr(explorer, "without_scripts"):
            computed = StringList(explorer.without_scripts().splitlines(), source=name)
            self.state.nested_parse(computed, self.content_offset, without)
        return [
            nodes.raw("", html, format="html"),
            nodes.raw("", "<noscript>", format="html"),
            without,
            nodes.raw("", "</noscript>", format="html"),
        ]


def _data(kind: str, content: object) -> str:
    text = json.dumps(content, sort_keys=True).replace("<", "\\u003c")
    return f'<script type="{kind}">{text}</script>'


def _load_script(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    raws = doctree.findall(nodes.raw) if doctree else ()
    if any(_VIEW in raw.astext() for raw in raws) and not app.env.doc2path(page).endswith(".ipynb"):
        app.add_js_file(_SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("explorer", Explorer)
    app.connect("html-page-context", _load_script)
