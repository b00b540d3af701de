"""Mentions in the built book: where they lead, and what they show before one goes there."""

import re

import pytest
from bs4 import BeautifulSoup
from built_site import HTML, NEEDS_SITE, PAGES

from companion.publish.sphinxext.mentions import numbered
from companion.results.registry import catalogue

pytestmark = NEEDS_SITE

CHAPTER = "chapters/06_tiebreaker.html"
MENTION = "article a.mention.to-proposition-2-9"
PHONE = {"viewport": {"width": 360, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("page", PAGES)
def test_prose_names_no_result_that_there_is_not(page):
    """What stays text is a result that no chapter states yet, or is none of the paper's."""
    article = BeautifulSoup((HTML / page).read_text(), "html.parser").select_one("article")
    if article is None:
        return
    for apart in article.select("a, pre, code, h1, h2, h3, h4, .math, script, style"):
        apart.decompose()
    stated = {path.stem for path in (HTML / "_static" / "previews").iterdir()}
    known = stated | {m.name for row in catalogue() for m in numbered(row["item"])}
    text = " ".join(article.get_text().split())
    unknown = [text[m.start - 30 : m.end + 10] for m in numbered(text) if m.name not in known]
    assert not [words for words in unknown if "Remark" not in words]


@pytest.mark.parametrize("page", PAGES)
def test_mentions_have_anchors_and_previews(page):
    text = (HTML / page).read_text()
    for name, href in re.findall(r'class="mention to-([\w-]+)[^"]*" href="([^"]*)"', text):
        assert (HTML / "_static" / "previews" / f"{name}.js").exists(), name
        path, _, anchor = href.partition("#")
        target = (HTML / page).parent / path if path else HTML / page
        assert not anchor or f'id="{anchor}"' in target.read_text(), href


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pointing_shows_the_statement_and_escape_hides_it(open_site, scheme):
    page, record = open_site(HTML, CHAPTER, color_scheme=scheme)
    page.locator(MENTION).first.hover()
    box = page.locator(".mention-box")
    box.wait_for()
    assert box.inner_text().startswith("Proposition 2.9.")
    assert box.locator(".katex-html").count() > 5
    box.hover()  # and stays while the pointer is on it
    page.wait_for_timeout(400)
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert box.count() == 0
    record.assert_clean()


def test_focus_describes_the_link(open_site):
    page, record = open_site(HTML, CHAPTER)
    page.keyboard.press("Tab")  # from here on focus is the keyboard's
    link = page.locator(MENTION).first
    link.focus()
    page.locator(".mention-box").wait_for()
    described = link.get_attribute("aria-describedby")
    assert page.locator(f"#{described}[role=tooltip]").count() == 1
    page.keyboard.press("Tab")
    link.blur()
    assert link.get_attribute("aria-describedby") is None
    record.assert_clean()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_first_tap_shows_and_offers_the_way(open_site, scheme):
    page, record = open_site(HTML, CHAPTER, color_scheme=scheme, **PHONE)
    link = page.locator(MENTION).first
    link.scroll_into_view_if_needed()
    link.tap()
    box = page.locator(".mention-box[role=dialog]")
    box.wait_for()
    place = box.bounding_box()
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= 360
    assert place["y"] >= 0
    assert place["y"] + place["height"] <= 780
    box.get_by_role("link", name="Go to Proposition 2.9").tap()
    page.wait_for_url("**/04_cliff.html#proposition-2-9")
    record.assert_clean()


def test_statement_shows_from_a_file(chromium):
    page = chromium.new_page()
    page.goto((HTML / CHAPTER).as_uri())
    page.locator(MENTION).first.hover()
    page.wait_for_selector(".mention-box .katex-html")
    page.close()


def test_mention_is_a_link_without_scripts(open_site):
    page, _ = open_site(HTML, CHAPTER, java_script_enabled=False)
    page.locator(MENTION).first.click()
    page.wait_for_url("**/04_cliff.html#proposition-2-9")


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("2.10", "chapters/04_cliff.html#proposition-2-10"),
        ("Prop 2.10", "chapters/04_cliff.html#proposition-2-10"),
        ("Lemma C.1", "chapters/04_cliff.html#lemma-c-1"),
        ("fact 6", "chapters/08_entropy.html#fact-6"),
        ("reward hacking", "notation.html#term-reward-hacking"),
        ("specification gaming", "notation.html#term-specification-gaming"),
    ],
)
def test_search_lands_on_the_section(open_site, query, place):
    page, record = open_site(HTML, f"search.html?q={query}")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert first.get_attribute("href").endswith(place)
    record.assert_clean()
