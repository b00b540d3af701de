import pytest

from companion.publish.sphinxext.pages import draw_icons, repair

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
    ],
)
def test_icon_is_drawn_in_the_page(icon, path):
    drawn = draw_icons(f"a {icon} b", SCRIPT)
    assert f'd="{path}"' in drawn
    assert "<i " not in drawn
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
