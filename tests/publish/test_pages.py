import re

import pytest

from companion.publish.sphinxext.icons import draw_icons, draw_letters
from companion.publish.sphinxext.pages import lighten, quicken, repair

SCRIPT = (
    'x={github:[496,512,[],"f09b","BRAND"],file:[384,512,[1],"f15b","OUTLINE"],'
    '"angle-left":[1,2,[],"f104","LEFT"],file:[384,512,[1,"f"],"f15b","SOLID"]}'
)


@pytest.mark.parametrize(
    ("icon", "path"),
    [
        ('<i class="fas fa-file"></i>', "SOLID"),
        ('<i class="fa-solid fa-angle-left fa-lg" data-mode="x" title="Left"></i>', "LEFT"),
        ('<i class="fab fa-github"></i>', "BRAND"),
        ('<span class="fa-solid fa-file"></span>', "SOLID"),
    ],
)
def test_icon_is_drawn_in_the_page(icon, path):
    drawn = draw_icons(f"a {icon} b", SCRIPT)
    assert f'd="{path}"' in drawn
    assert not re.search("<(?:i|span) ", drawn)
    assert "title" not in drawn
    assert ("data-mode" in drawn) is ("data-mode" in icon)


def test_script_that_draws_icons_goes():
    page = '<script src="../_static/scripts/fontawesome.js?digest=1"></script><p>text</p>'
    assert draw_icons(page, SCRIPT) == "<p>text</p>"


def test_unknown_icon_is_named():
    with pytest.raises(KeyError, match="fa-nothing"):
        draw_icons('<i class="fas fa-nothing"></i>', SCRIPT)


def test_empty_header_cell_becomes_a_plain_cell_and_others_stay():
    row = '<th class="head"><p></p></th><th class="head"><p>claim</p></th>'
    assert repair(row) == '<td></td><th class="head"><p>claim</p></th>'


def test_letters_of_the_icon_font_become_drawings():
    font = "@font-face{font-family:Font Awesome\\ 6 Free;src:url(a.woff2)}"
    css = font + 'a{--pst-icon-file:"\uf15b";content:"\\f104";b:"x"}@font-face{font-family:A}'
    drawn = draw_letters(css, SCRIPT)
    assert "woff2" not in drawn
    assert draw_letters('a{}.fa-x:before,.fa-y:before{content:"\\f999"}b{}', SCRIPT) == "a{}b{}"
    assert "font-family:A" in drawn
    assert re.search(r'--pst-icon-file:url\("data:image/svg\+xml,[^"]*SOLID', drawn)
    assert re.search(r';content:url\("data:image/svg\+xml,[^"]*LEFT', drawn)
    assert 'b:"x"' in drawn


def test_unknown_letter_is_named():
    with pytest.raises(KeyError, match="f999"):
        draw_letters('a{content:"\\f999"}', SCRIPT)


ASSETS = """<head>
<link rel="preload" as="script" href="../_static/scripts/bootstrap.js?digest=1" />
<script src="_static/documentation_options.js?v=1"></script>
<script src="_static/doctools.js?v=1"></script>
<script defer="defer" src="_static/companion-previews.js"></script>
<script src="searchindex.js"></script>
</head><body>{}</body>"""


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("", set()),
        ('<a class="mention to-x reference">', {"companion-previews.js"}),
        ('<div id="search-results">', {"searchindex.js"}),
    ],
)
def test_a_page_keeps_what_it_uses(body, kept):
    page = lighten(ASSETS.format(body))
    always = {"bootstrap.js", "documentation_options.js", "doctools.js"}
    assert set(re.findall(r"[\w-]+\.(?:js|css)", page)) == always | kept


def test_scripts_do_not_hold_up_the_page():
    page = quicken(lighten(ASSETS.format('<div id="search-results">')), "const OPTIONS = {};")
    assert not re.findall(r"<script src=", page)
    assert "<script>const OPTIONS = {};</script>" in page
    assert "preload" not in page
