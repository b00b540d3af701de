"""Pictures, wide formulas and what a page of the built book loads."""

import gzip
import re

import pytest
from browser import serve
from built_site import HTML, NEEDS_SITE, PAGES

pytestmark = NEEDS_SITE

CHAPTER = "chapters/02_optimal_sets.html"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Files that are compressed as they are.
PACKED = {".woff2", ".png"}


@pytest.fixture
def open_counted(chromium):
    """``open_counted(page, **context)`` gives an opened page and the paths that it asked for."""
    closing = []

    def open_page(path, **context):
        server = serve(HTML)
        home = server.__enter__()
        opened = chromium.new_context(**context)
        closing.append((server, opened))
        page, asked = opened.new_page(), []
        page.on("request", lambda request: asked.append(request.url.removeprefix(f"{home}/")))
        page.goto(f"{home}/{path}", wait_until="networkidle")
        return page, asked

    yield open_page
    for server, opened in closing:
        opened.close()
        server.__exit__(None, None, None)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_one_drawing_of_a_figure_is_fetched(open_counted, scheme):
    page, asked = open_counted(CHAPTER, color_scheme=scheme)
    for image in page.locator("article figure img:visible").all():
        image.scroll_into_view_if_needed()
        image.evaluate("image => image.decode()")  # settles when it has been fetched
    drawings = [path for path in asked if path.startswith("_images/")]
    assert len(drawings) == page.locator("article figure").count()
    assert {path.endswith("-dark.svg") for path in drawings} == {scheme == "dark"}


def test_one_drawing_of_a_figure_shows_without_scripts(open_site):
    for scheme in ("light", "dark"):
        page, _ = open_site(HTML, CHAPTER, color_scheme=scheme, java_script_enabled=False)
        shown = page.locator("article figure img:visible").count()
        assert shown == page.locator("article figure").count()


@pytest.mark.parametrize("page", PAGES)
def test_pictures_are_sized_and_lazy(page):
    for image in re.findall(r"<img\b[^>]*>", (HTML / page).read_text()):
        if 'src="data:' not in image:
            assert 'loading="lazy"' in image, image
            assert re.search(r"\b(?:width|style)=", image), image


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_opened_figure_can_be_read_on_a_phone(open_site, scheme):
    page, record = open_site(HTML, CHAPTER, color_scheme=scheme, **PHONE)
    page.locator("a.figure-open:visible").first.tap()
    image = page.locator("dialog[open] img")
    image.wait_for()
    scale = image.evaluate("(image) => image.clientWidth / image.getAttribute('width')")
    assert float(image.get_attribute("data-text")) * scale >= 11
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    record.assert_clean()


def test_wide_formula_is_marked_and_reached_by_the_keyboard(open_site):
    page, _ = open_site(HTML, CHAPTER, **PHONE)
    wide = page.locator(".katex-display.more-after").first
    assert wide.get_attribute("tabindex") == "0"
    assert wide.get_attribute("aria-label") == "Formula, scrolls sideways"
    wide.evaluate("(box) => { box.scrollLeft = box.scrollWidth }")
    page.wait_for_selector(".katex-display.more-before:not(.more-after)")


@pytest.mark.parametrize("page", PAGES)
def test_page_is_light(open_counted, page):
    """At most 500 kB compressed, no icon font, no search index where nothing is searched."""
    _, asked = open_counted(page)
    files = {path.split("?")[0].split("#")[0] for path in asked}
    total = 0
    for file in (HTML / name for name in files):
        if file.is_file():
            content = file.read_bytes()
            total += len(content if file.suffix in PACKED else gzip.compress(content))
    assert total <= 500_000
    assert not [name for name in files if "fontawesome" in name]
    assert page == "search.html" or "searchindex.js" not in files
