"""Words and outputs that carry code of their own."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybtex.database import parse_string
from tiny_book import add_chapter, command, edit

from companion.figures.citing import figure_bibtex

FIGURE = """
import matplotlib.pyplot as plt
import pandas as pd

from companion.figures import save, style

with style():
    fig, ax = plt.subplots()
    ax.plot([0, 1], [0, 1])
plt.close(fig)
data = pd.DataFrame({{"x": [0, 1]}})
save(fig, "planted", title={title!r}, caption={caption!r}, alt={alt!r}, data=data)
"""
CAPTION = "Before <script>alert(1)</script> <img src=x onerror=alert(1)> *after*.\n\n:::\n"
ALT = '"><script>alert(1)</script>'
TITLE = '50 % of {braces & \\commands_ "quoted" $x^2$ } #1, @book{x,'


def in_the_book(project, source):
    first = "chapters/01_tiny"
    edit(project.root / "_toc.yml", first, f"{first}\n      - file: chapters/02_second")
    add_chapter(project, "02_second", source)


def test_captions_titles_and_alt_texts_are_words(project):
    in_the_book(project, FIGURE.format(title=TITLE, caption=CAPTION, alt=ALT))
    done = command(project)
    assert done.returncode == 0, done.stderr
    page = (project.html / "chapters" / "02_second.html").read_text()
    (figure,) = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in figure
    assert "<em>after</em>" in figure
    assert not re.findall(r"<script>alert|<img src=x", page)
    sidecar = json.loads((project.html / "figures" / "planted" / "planted.json").read_text())
    entries = parse_string(sidecar["bibtex"], "bibtex").entries
    assert list(entries) == ["policy-cliff-planted"]
    assert entries["policy-cliff-planted"].fields["title"].startswith(r"50 \% of {\textbraceleft}")


@given(st.text(max_size=40))
def test_any_title_is_one_field_of_one_entry(title):
    entries = parse_string(figure_bibtex("some-figure", title, "2026", "abc1234"), "bibtex").entries
    assert list(entries) == ["policy-cliff-some-figure"]
    assert set(entries["policy-cliff-some-figure"].fields) == {"title", "year", "note"}


@pytest.mark.parametrize(
    "html", ["<script>window.planted = 1</script>", "<img src='x' onerror='window.planted = 1'>"]
)
def test_a_cell_cannot_put_a_script_on_a_page(project, html):
    in_the_book(project, f"from IPython.display import HTML\nHTML({html!r})")
    done = command(project)
    assert done.returncode == 2
    assert "chapters/02_second.html: " in done.stderr
    assert not project.html.exists()
