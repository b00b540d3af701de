"""The built book in a real browser: asks no one, says what it should, nothing raw left."""

import json
import re

import pytest
from built_site import HTML, NEEDS_SITE, PAGES
from lxml import html
from playwright.sync_api import expect

from companion.studies.registry import figures

AXE = HTML.parents[1] / "node_modules" / "axe-core" / "axe.min.js"
RAW = re.compile(
    r"\{prf:|\{cite|\{numref|\{figure|\{eq\}|:::|```\{|Traceback|\bnan\b", re.IGNORECASE
)
ROOMS = ["Theorem", "Derivation", "Bandit check", "In a language model"]

pytestmark = NEEDS_SITE


@pytest.mark.parametrize("page", PAGES)
def test_page_asks_no_other_host_and_shows_nothing_raw(open_site, page):
    opened, record = open_site(HTML, page)
    record.assert_clean()
    assert not RAW.findall(opened.inner_text("main"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", PAGES)
def test_page_has_no_accessibility_violation_that_axe_knows(open_site, page, scheme):
    # axe itself is a script that the page's policy would refuse
    opened, _ = open_site(HTML, page, color_scheme=scheme, bypass_csp=True)
    # The theme fades its colours in; half-way they have less contrast than they will.
    opened.evaluate("Promise.all(document.getAnimations().map((fade) => fade.finished))")
    opened.add_script_tag(path=AXE)
    violations = opened.evaluate("axe.run()")["violations"]
    assert not [(v["id"], [node["html"] for node in v["nodes"]]) for v in violations]


@pytest.mark.parametrize("page", PAGES)
def test_page_runs_only_scripts_of_the_site(page):
    """By its own policy; the browser reports what breaks it, see ``assert_clean``."""
    text = (HTML / page).read_text()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    allowed = rules["script-src"].split()
    assert {source for source in allowed if not source.startswith("'sha256-")} <= {
        "'self'",
        "blob:",
    }
    assert not re.findall(r"<[^>]*\son[a-z]+\s*=", text)


@pytest.mark.parametrize("page", PAGES)
def test_links_inside_the_site_lead_somewhere(page):
    text = (HTML / page).read_text()
    for link in re.findall(r'(?:href|src)="([^"#?]+)', text):
        if re.match(r"[a-z]+:", link) is None:
            assert ((HTML / page).parent / link).exists(), link


def test_chapter_4_has_its_four_rooms(open_site):
    page, _ = open_site(HTML, "chapters/04_cliff.html")
    headings = [text.rstrip("#").strip() for text in page.locator("article h2").all_inner_texts()]
    assert headings[:4] == ROOMS
    assert headings[-1] == "What would falsify this"


def test_math_is_set_without_javascript(open_site):
    page, record = open_site(HTML, "chapters/04_cliff.html", java_script_enabled=False)
    record.assert_clean()
    assert page.locator("article .katex-html").count() > 10
    assert page.locator("article .katex-error").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figure_shows_its_twin_of_the_theme(open_site, scheme):
    page, _ = open_site(HTML, "chapters/04_cliff.html", color_scheme=scheme)
    figure = page.locator("article figure").first
    expect(figure.locator(f"img.only-{scheme}")).to_be_visible()
    expect(figure.locator("figcaption")).to_be_visible()
    other = {"light": "dark", "dark": "light"}[scheme]
    expect(figure.locator(f"img.only-{other}")).to_be_hidden()


@pytest.mark.parametrize("page", PAGES)
def test_each_explorer_is_followed_by_what_says_the_same_without_scripts(page):
    """The PDF shows it, too, in the explorer's place."""
    views = "//script[@type='application/vnd.jupyter.widget-view+json']"
    for explorer in html.parse(HTML / page).xpath(views):
        assert explorer.getnext().tag == "noscript"


SIDECARS = sorted(HTML.glob("figures/*/*.json"))


def test_every_figure_is_on_a_page():
    assert {sidecar.stem for sidecar in SIDECARS} == {*figures()}


@pytest.mark.parametrize("sidecar", SIDECARS, ids=lambda path: path.stem)
def test_figure_is_cut_nowhere_and_its_slide_can_be_read(sidecar):
    assert json.loads(sidecar.read_text())["missed"] == []


def test_gallery_leads_to_each_figures_slide_at_once(open_site):
    page, record = open_site(HTML, "gallery.html")
    record.assert_clean()
    cards = page.locator(".gallery > li")
    assert cards.count() == len(SIDECARS) > 40
    for card in cards.all():
        link = card.locator("a[href$='-slide.pdf']").first  # a click from here
        assert (HTML / link.get_attribute("href")).stat().st_size
    page.select_option("select[name=chapter]", "chapters/04_cliff")
    shown = page.locator(".gallery > li:visible")
    assert {card.get_attribute("data-chapter") for card in shown.all()} == {"chapters/04_cliff"}


def test_explorer_computes_in_the_browser(open_site):
    page, record = open_site(HTML, "chapters/04_cliff.html")
    explorer = page.locator(".companion-widget").first
    before = explorer.inner_text()
    slider = explorer.locator("input[type=range]").nth(1)
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    assert explorer.inner_text() != before
    record.assert_clean()


def test_explorer_works_from_a_file(chromium):
    page = chromium.new_page()
    page.goto((HTML / "chapters" / "04_cliff.html").as_uri())
    page.wait_for_selector(".companion-widget input")
    page.close()


@pytest.mark.parametrize("page", PAGES)
def test_phone_scrolls_down_only(open_site, page):
    opened, _ = open_site(HTML, page, viewport={"width": 360, "height": 780})
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360


def test_search_finds_the_cliff(open_site):
    page, record = open_site(HTML, "search.html?q=cliff")
    page.wait_for_selector("#search-results li, ul.search li")
    record.assert_clean()
