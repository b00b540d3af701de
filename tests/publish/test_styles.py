"""One sheet in place of many, on a site of two pages."""

from graphlib import CycleError

import pytest

from companion.publish.project import Project
from companion.publish.sphinxext.styles import bundle

SHEETS = {
    "styles/theme.css": '@import "../basic.css";\n@charset "utf-8";\n.shown{color:red}',
    "basic.css": '.shown{background:url("file.png")}.nowhere{color:blue}',
    "fonts/fonts.css": "@font-face{font-family:A;src:url(./files/a.woff2)}",
    "own.css": '.set-by-script{mask:url("data:image/svg+xml,x")}#last:hover{color:green}',
}
PAGE = """<head><title>x</title>
<link href="{up}_static/styles/theme.css?digest=1" rel="stylesheet" />
{more}<link rel="stylesheet" type="text/css" href="{up}_static/own.css?v=1" />
<link rel="icon" href="{up}_static/favicon.svg"/></head><p class="shown" id="last">words</p>"""
FONTS = '<link rel="stylesheet" href="_static/fonts/fonts.css" />\n'


@pytest.fixture
def site(tmp_path):
    for name, style in SHEETS.items():
        (tmp_path / "_static" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "_static" / name).write_text(style)
    (tmp_path / "_static" / "own.js").write_text('box.classList.add("set-by-script")')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.html").write_text(PAGE.format(up="../", more=""))
    (tmp_path / "index.html").write_text(PAGE.format(up="", more=FONTS))
    return tmp_path


@pytest.fixture
def purgecss(built):
    return Project(built.root).node_modules / "purgecss"


def test_pages_name_one_sheet_with_what_they_use(site, purgecss):
    bundle(site, purgecss)
    (sheet,) = (site / "_static").rglob("*.css")
    style = sheet.read_text()
    assert "nowhere" not in style
    assert 'url("file.png")' in style
    assert 'url("fonts/files/a.woff2")' in style
    assert 'url("data:image/svg+xml,x")' in style
    assert "@import" not in style
    order = [style.index(part) for part in ('url("file.png")', "color:red", "woff2", "#last")]
    assert order == sorted(order)
    for page, up in ((site / "index.html", ""), (site / "deep" / "page.html", "../")):
        html = page.read_text()
        assert html.count('rel="stylesheet"') == 1
        assert f'href="{up}_static/site.css?v=' in html
        assert f'href="{up}_static/favicon.svg"' in html


def test_the_italic_face_is_asked_for_where_a_line_in_italics_opens_the_page(site, purgecss):
    index, other = site / "index.html", site / "deep" / "page.html"
    index.write_text(index.read_text() + "<p><em>Proposition 1</em></p>")
    bundle(site, purgecss)
    asked = 'rel="preload" as="font" type="font/woff2" crossorigin href="_static/fonts/'
    assert f"{asked}source-serif-4-latin-400-italic.woff2" in index.read_text()
    assert "source-serif-4-latin-400-normal" in other.read_text()
    assert "italic" not in other.read_text()


def test_pages_that_disagree_on_the_order_are_refused(site, purgecss):
    own, theme = "_static/own.css", "_static/styles/theme.css?digest=1"
    page = (site / "index.html").read_text()
    page = page.replace(own, "x").replace(theme, own).replace("x?v=1", theme)
    (site / "index.html").write_text(page)
    with pytest.raises(CycleError, match=r"own\.css"):
        bundle(site, purgecss)
