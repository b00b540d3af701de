"""Pages that load nothing they do not use, and that a screen reader can name.

The theme draws its dozen icons with a script of one and a half megabytes, Jupyter Book always loads
sphinx-thebe, which asks another host, and a dozen style sheets hold up each page. The finished
pages are rewritten instead.
"""

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

from companion.publish.compat import drop_extension
from companion.publish.project import Project
from companion.publish.sphinxext.icons import draw_icons, draw_letters
from companion.publish.sphinxext.images import place_images
from companion.publish.sphinxext.policy import secure
from companion.publish.sphinxext.styles import bundle

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
    # with scripts off nobody resolves "auto", and both drawings of a figure would show
    (r'(<html[^>]*) data-theme="auto"', r'\1 data-theme="light"'),
]
# What the theme loads everywhere -> what is on the pages that use it. Styles: see ``bundle``.
_USED_BY = {
    "copybutton.js": r'class="highlight\b',
    "clipboard.min.js": r'class="highlight\b',
    "design-tabs.js": r'class="[^"]*\bsd-tab-set\b',
    "togglebutton.js": r'class="[^"]*\b(?:toggle|dropdown)\b',
    # the theme's search while one types, which the book does not use: a query opens the search page
    "searchtools.js": 'id="search-results"',
    "language_data.js": 'id="search-results"',
    "searchindex.js": 'id="search-results"',
    "companion-figures.js": 'class="figure-open',
    "companion-gallery.js": 'class="gallery"',
    "companion-previews.js": r'class="[^"]*\bmention\b',
}
_ASSET = re.compile(
    r'[ \t]*<(?:script|link)\b[^>]*\b(?:src|href)="[^"]*?(?P<name>[\w.-]+\.(?:js|css))(?:\?[^"]*)?"'
    r"[^>]*>(?:</script>)?\n?"
)
# The theme's inline scripts write into what this one defines: no other script is waited for, so its
# few lines stand in the page.
_AT_ONCE = "documentation_options.js"
_OPTIONS = re.compile(rf'<script src="[^"]*{re.escape(_AT_ONCE)}[^"]*"></script>')
# Scripts that wait for the page need no head start, which would hold up its style.
_HEAD_START = re.compile(r'<link rel="preload" as="script"[^>]*>\n?')
# The theme measures every box of code, laying out the whole page for it, to let the keyboard reach
# those that scroll: companion-page.js does that once they are laid out.
_MEASURING = "e.tabIndex=e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1"


def lighten(html: str) -> str:
    """Drop the styles and scripts that the page has no use for; no other script holds it up."""
    body = html[html.find("<body") :]

    def keep(asset: re.Match[str]) -> str:
        user = _USED_BY.get(asset["name"])
        if user is not None and not re.search(user, body):
            return ""
        waits = re.search(r"<link|\b(?:defer|async)\b", asset.group())
        if waits or asset["name"] == _AT_ONCE:
            return asset.group()
        return asset.group().replace("<script", "<script defer", 1)

    return _ASSET.sub(keep, html)


def repair(html: str) -> str:
    """Mend what the theme's markup keeps from a screen reader."""
    for pattern, replacement in _REPAIRS:
        html = re.sub(pattern, replacement, html)
    return html


def quicken(html: str, options: str) -> str:
    """Let nothing but the style hold up the page.

    Args:
        html: a page.
        options: the text of ``documentation_options.js``.
    """
    return _OPTIONS.sub(lambda _: f"<script>{options}</script>", _HEAD_START.sub("", html))


def _measure_nothing(script: Path) -> None:
    code = script.read_text()
    if _MEASURING not in code:
        raise ValueError(f"{script.name}: the theme measures boxes of code in another way")
    script.write_text(code.replace(_MEASURING, ""))


def _rewrite(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    script = static / "scripts" / "fontawesome.js"
    fontawesome = script.read_text()
    options = (static / _AT_ONCE).read_text().strip()
    _measure_nothing(static / "scripts" / "pydata-sphinx-theme.js")
    for page in sorted(Path(app.outdir).rglob("*.html")):
        if static not in page.parents:
            html = repair(draw_icons(page.read_text(), fontawesome))
            html = quicken(lighten(place_images(html, page.parent)), options)
            page.write_text(secure(html, page.relative_to(app.outdir).as_posix()))
    for style in sorted((static / "styles").glob("*.css")):
        style.write_text(draw_letters(style.read_text(), fontawesome))
    bundle(Path(app.outdir), Project(Path(app.srcdir).parent).node_modules / "purgecss")
    for unused in static.glob("scripts/fontawesome.js*"):
        unused.unlink()
    shutil.rmtree(static / "vendor" / "fontawesome", ignore_errors=True)


def _drop_thebe(app: Sphinx) -> None:
    drop_extension(app, "sphinx_thebe")


def setup(app: Sphinx) -> None:
    """Register the rewriting."""
    app.connect("builder-inited", _drop_thebe, priority=1)
    for script in ("companion-page.js", "companion-figures.js"):
        app.add_js_file(script, loading_method="defer")
    app.connect("build-finished", _rewrite, priority=900)  # when the theme has written its styles
