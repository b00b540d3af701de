"""Pages that load nothing they do not use, and that a screen reader can name.

The theme draws its dozen icons with a script of one and a half megabytes, and Jupyter Book always
loads sphinx-thebe, which asks another host. The finished pages are rewritten instead.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

from companion.publish.compat import drop_extension
from companion.publish.sphinxext.policy import secure

_ICON = re.compile(
    r'<i class="(?P<classes>[^"]*\bfa-[^"]+)"(?P<rest>[^>]*?)(?:\s*title="[^"]*")?></i>'
)
_FONTAWESOME = re.compile(r"\s*<(?:script|link)[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?")
_DRAWING = r'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
_NOT_NAMES = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}

# What axe finds in the theme's and docutils' markup: names that differ from the text shown, content
# outside landmarks, header cells without a heading, roles where they are not allowed.
_REPAIRS = [
    (r'(<button class="btn search-button-field[^>]*?) aria-label="Search"', r"\1"),
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),
    # a chapter's further pages fold in the sidebar: the arrow alone is no name
    (
        r'<summary>(?=<span class="toctree-toggle")',
        '<summary aria-label="Pages of this chapter">',
    ),
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand)',
        '<div class="sidebar-primary-item" role="navigation" aria-label="Home">',
    ),
    (r'<th class="head">\s*(?:<p>\s*</p>)?\s*</th>', "<td></td>"),
    (r' role="doc-(?:biblioentry|backlink)"', ""),
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    (r"<pre>", '<pre tabindex="0">'),  # wide code scrolls, and must do so from the keyboard
]


def draw_icons(html: str, fontawesome: str) -> str:
    """Put each icon's drawing in the page in place of the script that would draw it.

    Raises:
        KeyError: naming an icon that the theme's script does not hold.
    """

    def draw(match: re.Match[str]) -> str:
        classes = match["classes"].split()
        (name,) = (c for c in classes if c.startswith("fa-") and c not in _NOT_NAMES)
        found = re.findall(_DRAWING.format(name=name.removeprefix("fa-")), fontawesome)
        if not found:
            raise KeyError(name)
        # the script holds the brands first, then the outlined set, then the solid one
        width, height, path = found[0] if {"fab", "fa-brands"} & {*classes} else found[-1]
        return (
            f'<svg class="svg-inline--fa {" ".join(classes)}"{match["rest"]} aria-hidden="true" '
            f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
        )

    return _ICON.sub(draw, _FONTAWESOME.sub("", html))


def repair(html: str) -> str:
    """Mend what the theme's markup keeps from a screen reader."""
    for pattern, replacement in _REPAIRS:
        html = re.sub(pattern, replacement, html)
    return html


def _rewrite(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    script = static / "scripts" / "fontawesome.js"
    fontawesome = script.read_text()
    for page in sorted(Path(app.outdir).rglob("*.html")):
        if static not in page.parents:
            html = repair(draw_icons(page.read_text(), fontawesome))
            page.write_text(secure(html, page.relative_to(app.outdir).as_posix()))
    for unused in static.glob("scripts/fontawesome.js*"):
        unused.unlink()


def _drop_thebe(app: Sphinx) -> None:
    drop_extension(app, "sphinx_thebe")


def setup(app: Sphinx) -> None:
    """Register the rewriting."""
    app.connect("builder-inited", _drop_thebe, priority=1)
    app.add_js_file("companion-page.js", loading_method="defer")
    app.connect("build-finished", _rewrite)
