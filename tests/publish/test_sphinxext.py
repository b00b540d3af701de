"""What the Sphinx extension makes of the tiny book, as files and in a browser."""

import json
import re

import pytest
from playwright.sync_api import expect

from companion.publish.catalogue import code_address


@pytest.fixture
def chapter(built):
    return (built.html / "chapters" / "01_tiny.html").read_text()


def test_figure_has_a_twin_and_one_caption(chapter):
    (figure,) = re.findall(r"<figure.*?</figure>", chapter, re.DOTALL)
    images = re.findall(r'<img[^>]*class="(only-\w+)"[^>]*src="([^"]+)"', figure)
    assert images == [
        ("only-light", "../_images/fig-tiny.svg"),
        ("only-dark", "../_images/fig-tiny-dark.svg"),
    ]
    assert figure.count("<figcaption>") == 1
    assert "A line that rises." in figure


def test_figure_links_lead_to_files_at_fixed_addresses(built, chapter):
    (line,) = re.findall(r'<p class="figure-links">(.*?)</p>', chapter)
    links = dict(re.findall(r'href="\.\./([^"]+)">([^<]+)<', line))
    assert list(links.values()) == ["SVG", "PDF", "PNG", "data (CSV)", "cite (BibTeX)"]
    assert {name.rpartition(".")[0] for name in links} == {"figures/fig-tiny/fig-tiny"}
    sidecar = json.loads((built.html / "figures/fig-tiny/fig-tiny.json").read_text())
    for name in links:
        assert (built.html / name).stat().st_size
    entry = (built.html / "figures/fig-tiny/fig-tiny.bib").read_text()
    assert re.search(r"Fig\. [\d.]+ \(fig-tiny\), The Policy Cliff: a companion", entry)
    assert sidecar["commit"] in entry


def test_gallery_shows_every_figure_of_the_book(built):
    page = (built.html / "gallery.html").read_text()
    cards = re.findall(r'<li id="([^"]+)" data-chapter="([^"]+)" data-result="([^"]+)"', page)
    assert cards == [("fig-tiny", "chapters/01_tiny", "Proposition 2.10")]
    for address in re.findall(r'(?:href|src)="(figures/[^"]+)"', page):
        if "slide" not in address:
            assert (built.html / address).exists(), address
    assert re.search(r"Fig\. [\d.]+ \(fig-tiny\)", page)
    assert "A line that rises." in page  # the caption
    assert "companion-gallery.js" in page
    assert "companion-gallery.js" not in (built.html / "index.html").read_text()


def test_gallery_filters_and_opens(built, open_site):
    page, record = open_site(built.html, "gallery.html#fig-tiny")
    record.assert_clean()
    assert page.locator("#fig-tiny details").get_attribute("open") is not None
    page.select_option("select[name=family]", "theory alone")
    assert "family=theory+alone" in page.url
    assert page.locator(".gallery > li:visible").count() == 1
    page.goto(f"{page.url.partition('?')[0]}?result=none")
    assert page.locator(".gallery > li:visible").count() == 1  # what is not offered is not chosen


def test_gallery_without_scripts_shows_all(built, open_site):
    page, _ = open_site(built.html, "gallery.html", java_script_enabled=False)
    assert page.locator(".gallery > li:visible").count() == 1
    assert not page.locator(".gallery-filter").is_visible()


@pytest.mark.parametrize(
    ("commit", "source", "repository", "address"),
    [
        (
            "abc",
            "src/a.py#L3",
            "https://github.com/o/n",
            "https://github.com/o/n/blob/abc/src/a.py#L3",
        ),
        ("abc+uncommitted", "src/a.py#L3", "https://github.com/o/n", None),
        ("unknown", "src/a.py#L3", "https://github.com/o/n", None),
        (None, "src/a.py#L3", "https://github.com/o/n", None),
        ("abc", None, "https://github.com/o/n", None),
        ("abc", "src/a.py#L3", None, None),
    ],
)
def test_figure_leads_to_its_code_where_that_is_public(commit, source, repository, address):
    assert code_address({"commit": commit, "source": source}, repository) == address


def test_no_page_loads_what_it_does_not_use(built, chapter):
    pages = {page.name: page.read_text() for page in built.html.glob("*.html")}
    assert "companion-widgets.js" in chapter
    for name, page in pages.items():
        assert ("companion-widgets.js" in page) is (name in ("front.html", "scores.html")), name
    for page in (chapter, *pages.values()):
        scripts = re.findall(r'<script[^>]*src="([^"]+)"', page)
        assert scripts
        assert not re.findall("thebe|mathjax|require|fontawesome", " ".join(scripts))


def test_every_page_has_the_one_sheet_and_a_description(built):
    site = built.html
    (sheet,) = (site / "_static").rglob("*.css")
    style = sheet.read_text()
    assert "carousel-caption" not in style  # a class of the theme that nothing here has
    for used in (".katex", ".bd-article", ".companion-widget", ".figure-dialog", ".mention-box"):
        assert used in style
    for address in re.findall(r'url\("(?!data:)([^"]+)"\)', style):
        assert (sheet.parent / address).exists(), address
    for page in site.rglob("*.html"):
        if "_static" in page.parts:
            continue
        html = page.read_text()
        (link,) = re.findall(r'<link rel="stylesheet" href="([^"?]+)', html)
        assert (page.parent / link).resolve() == sheet
        for face in re.findall(r'<link rel="preload"[^>]*href="([^"]+)"', html):
            assert (page.parent / face).exists()
        assert re.search(r'<meta name="description" content="[^"]+"', html), page


def test_numbered_equation_and_its_reference(built):
    notation = (built.html / "notation.html").read_text()
    assert '<span class="eqno">(2)' in notation
    assert '<a class="reference internal" href="#equation-eq-tv">(2)</a>' in notation


def test_widget_lives_on_the_page(open_site, built):
    page, record = open_site(built.html, "chapters/01_tiny.html")
    widget = page.locator(".companion-widget")
    assert widget.locator("output").inner_text() == "6"
    widget.locator("input").focus()
    page.keyboard.press("ArrowRight")
    assert widget.locator("output").inner_text() == "8"
    record.assert_clean()


def test_what_stands_in_for_a_widget_of_a_chapter_is_seen_without_scripts_alone(open_site, built):
    for scripts in (True, False):
        page, _ = open_site(built.html, "chapters/01_tiny.html", java_script_enabled=scripts)
        assert page.get_by_text("six", exact=True).count() == (not scripts)
        assert page.locator(".companion-widget").count() == scripts


def test_front_page_knows_the_chapters(built):
    front = (built.html / "front.html").read_text()
    (cards,) = re.findall(r'<ul class="chapter-cards.*?</ul>', front, re.DOTALL)
    (card,) = re.findall(r"<li>.*?</li>", cards, re.DOTALL)
    assert 'href="chapters/01_tiny.html"' in card
    words = re.sub(r"<[^>]+>", " ", card).split()
    assert " ".join(words) == "A tiny chapter It rises How a line rises."
    images = re.findall(r'<img [^>]*alt="" class="(only-\w+)" src="([^"]+)"', card)
    assert images == [
        ("only-light", "_images/fig-tiny.svg"),
        ("only-dark", "_images/fig-tiny-dark.svg"),
    ]


def test_a_picture_of_a_chapter_stands_elsewhere_without_an_anchor_of_its_own(built):
    front = (built.html / "front.html").read_text()
    (figure,) = re.findall(r"<figure.*?</figure>", front, re.DOTALL)
    assert 'alt="A rising line"' in figure
    assert 'href="chapters/01_tiny.html#fig-fig-tiny"' in figure
    assert "It rises" in figure
    assert 'id="fig-fig-tiny"' not in front
    said = re.findall(r'It says <a [^>]*href="([^"]+)"[^>]*><span[^>]*>([^<]+)', front)
    assert said == [("chapters/01_tiny.html#fig-fig-tiny", "It rises")]


def test_explorer_lives_on_a_page_without_code(open_site, built):
    page, record = open_site(built.html, "front.html")
    explorer = page.locator(".companion-widget")
    before = explorer.inner_text()
    explorer.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    assert explorer.inner_text() != before
    record.assert_clean()


def test_what_stands_in_for_an_explorer_is_seen_without_scripts_alone(open_site, built):
    for scripts in (True, False):
        page, _ = open_site(built.html, "front.html", java_script_enabled=scripts)
        assert page.locator("noscript .without-scripts:visible").count() == (not scripts)


def test_an_explorer_and_its_stand_in_without_scripts_say_the_same(open_site, built):
    with_scripts, record = open_site(built.html, "scores.html")
    tables = with_scripts.locator(".companion-widget table")
    without, _ = open_site(built.html, "scores.html", java_script_enabled=False)
    stand_ins = without.locator("noscript table")
    assert tables.count() == stand_ins.count() == 2
    for table, stand_in in zip(tables.all(), stand_ins.all(), strict=True):
        assert texts(table) == texts(stand_in)
    record.assert_clean()


def texts(table):
    return [row.locator("th, td").all_inner_texts() for row in table.locator("tr").all()]


def test_faults_in_pasted_scores_are_said_beside_the_field(open_site, built):
    page, record = open_site(built.html, "scores.html", viewport={"width": 360, "height": 740})
    scores, distance = page.get_by_label("Scores"), page.get_by_label("Distance")
    faults, tables = page.locator(".fault:visible"), page.locator(".companion-widget table")
    scores.fill("prompt,answer,score\na,b,1\na,c,high\n")
    expect(faults).to_have_text(["Line 3: score “high” is no number."])
    expect(scores).to_have_attribute("aria-invalid", "true")
    expect(tables).to_have_count(0)
    scores.fill("prompt,answer,score\na,b,1\na,c,1\n")
    distance.fill("1")
    expect(faults).to_have_text(["Must be a number between 0 and 1."])
    distance.fill("0.2")
    expect(faults).to_have_count(0)
    expect(page.locator(".verdict")).to_have_text("By score, 1 of 1 prompts are on the cliff.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    record.assert_clean()


def test_every_page_carries_a_strict_policy(built):
    pages = sorted(built.html.rglob("*.html"))
    pages = [page for page in pages if "_static" not in page.parts]
    assert len(pages) > 3
    for page in pages:
        text = page.read_text()
        (policy,) = re.findall(
            r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', text
        )
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert "unsafe" not in rules["script-src"]
        assert ("blob:" in rules["script-src"]) is ("companion-widgets.js" in text)
        assert text.index("Content-Security-Policy") < text.index("<script")
        assert not re.findall(r"<[^>]*\son[a-z]+\s*=", text)


@pytest.mark.parametrize(
    "plant",
    [
        "let s = document.createElement('script'); s.text = 'window.ran = 1'; body.append(s)",
        "body.insertAdjacentHTML('beforeend', '<img src=x onerror=window.ran=1>')",
        "body.insertAdjacentHTML('beforeend', '<a id=a href=javascript:window.ran=1>x</a>');"
        "document.getElementById('a').click()",
        "try { window.eval('window.ran = 1') } catch {}",
    ],
    ids=["inline", "attribute", "address", "eval"],
)
def test_the_policy_runs_no_other_script(open_site, built, plant):
    page, _ = open_site(built.html, "chapters/01_tiny.html")
    # in a handler of the page itself: what the debugger evaluates is above the policy
    run = f"const body = document.body; {plant}; setTimeout(done, 200)"
    page.evaluate(f"() => new Promise(done => setTimeout(() => {{ {run} }}))")
    assert page.evaluate("window.ran") is None


def test_buttons_of_the_theme_still_work(open_site, built):
    page, record = open_site(built.html, "index.html")
    page.evaluate("window.print = () => { window.printed = true }")
    page.locator("[data-click=print]").first.dispatch_event("click")
    assert page.evaluate("window.printed")
    record.assert_clean()
