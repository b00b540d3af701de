"""What the Sphinx extension makes of the tiny book, as files and in a browser."""

import json
import re

import pytest

from companion.publish.sphinxext.figures import code_address


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
    assert (built.html / "figures/fig-tiny/fig-tiny.bib").read_text() == sidecar["bibtex"]


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
        assert "companion-widgets.js" not in page, name
    assert "katex.css" in pages["notation.html"]
    assert "katex.css" not in pages["search.html"]
    for page in (chapter, *pages.values()):
        scripts = re.findall(r'<script[^>]*src="([^"]+)"', page)
        assert scripts
        assert not re.findall("thebe|mathjax|require|fontawesome", " ".join(scripts))


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


def test_widget_lives_under_a_strict_content_policy(open_site, built):
    """No eval: a host may forbid it."""
    page, record = open_site(built.html, "index.html")
    policy = "script-src 'self' 'unsafe-inline' blob:"

    def with_policy(route):
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"content-security-policy": policy})

    page.route("**/01_tiny.html", with_policy)
    page.goto(f"{record.home}/chapters/01_tiny.html", wait_until="networkidle")
    assert page.locator(".companion-widget output").inner_text() == "6"
    record.assert_clean()
