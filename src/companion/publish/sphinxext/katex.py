"""Set math with KaTeX while the book is built, so that no page needs JavaScript for it."""

import json
import subprocess
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from companion.publish.project import Project
from companion.publish.vendor import NODE

logger = logging.getLogger(__name__)
_STYLE = "katex/katex.css"


class Renderer:
    """A Node process that turns TeX into HTML with MathML, for as long as Sphinx runs."""

    def __init__(self, katex: Path) -> None:
        script = Path(__file__).with_name("katex.js")
        self._process = subprocess.Popen(
            [str(NODE / "node"), str(script), str(katex)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._known: dict[str, dict[str, str]] = {}

    def render(self, tex: str, display: bool, macros: dict[str, str]) -> str:
        """HTML of a formula.

        Raises:
            ValueError: with KaTeX's message, if it cannot set the formula.
        """
        request = json.dumps({"tex": tex, "display": display, "macros": macros})
        if request not in self._known:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            self._known[request] = json.loads(self._process.stdout.readline())
        answer = self._known[request]
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _set(translator: HTML5Translator, node: nodes.Element, tex: str, display: bool) -> str:
    """HTML of ``tex``; what KaTeX cannot set is a warning, hence fails the build."""
    builder: Any = translator.builder
    if not hasattr(builder, "katex"):
        builder.katex = Renderer(Project(Path(builder.srcdir).parent).node_modules / "katex")
    try:
        return builder.katex.render(tex, display, builder.config.katex_macros)
    except ValueError as error:
        logger.warning("%s", error, location=node, type="katex")
        return translator.encode(tex)


def _display_tex(node: nodes.math_block) -> str:
    """The TeX of a display; bare line breaks get the environment that Sphinx promises for them."""
    tex = node.astext()
    if r"\\" in tex and r"\begin" not in tex:
        return rf"\begin{{split}}{tex}\end{{split}}"
    return tex


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Inline math."""
    html = _set(self, node, node.astext(), display=False)
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate") + html + "</span>")
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Displayed math with its number, if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    self.body.append(_set(self, node, _display_tex(node), display=True))
    if node.get("number"):
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _close(app: Sphinx, exception: Exception | None) -> None:
    renderer = getattr(app.builder, "katex", None)
    if renderer is not None:
        renderer.close()


def setup(app: Sphinx) -> None:
    """Make KaTeX the math renderer called ``katex``."""
    app.add_config_value("katex_macros", {}, "html")
    app.add_html_math_renderer("katex", (visit_math, None), (visit_math_block, None))
    app.add_css_file(_STYLE)
    app.connect("build-finished", _close)
