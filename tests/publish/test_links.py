"""The links and previews that a small Sphinx book gets from its statements."""

import json
import re

import nbformat
import pytest
from nbformat import v4
from sphinx.application import Sphinx

INDEX = """
A book
======

See Prop 2.9, Propositions 2.9 and 2.10, Prop 9.9, chapters 1 and 2, and ``Prop 2.9`` in code.
Every tie and every other tie.

About Prop 2.9
--------------

One more tie, and :doc:`chapter 2 <second>`.

.. toctree::
   :numbered:

   first
   second

.. toctree::

   words
"""
NOTEBOOKS = {
    "first": [
        "# The cliff\n\nChapter 1 opens so.\n\n## Theorem",
        (
            "**Proposition 2.9.** *A tie is a cliff, as Prop 2.10 says.*\n\n"
            "With $x$ as in Prop 2.10, [linked](https://example.org).",
        ),
        "Beside it: Prop 2.9.",
        ("**No number.** *Nothing.*",),
        "## Check\n\nProp 2.9 and\nProp 2.10.",
    ],
    "second": [
        "# Height",
        ("**Proposition 2.10.** *How far.*",),
        'As HTML <a href="first.html">Prop 2.9</a>, and Prop 2.9 as text.',
    ],
}  # a statement is in brackets
WORDS = """
Words
=====

.. glossary::

   tie
     Two best ones, as in a tie of Prop 2.9.
"""
PYTHON = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
CONF = """
extensions = ["myst_nb"]
extensions += [f"companion.publish.sphinxext.{name}" for name in ("links", "previews")]
html_theme = "basic"
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath"]
"""


def cell(text):
    if isinstance(text, str):
        return v4.new_markdown_cell(text)
    output = v4.new_output("execute_result", {"text/markdown": text[0]}, execution_count=1)
    return v4.new_code_cell("show()", outputs=[output], metadata={"tags": ["theorem"]})


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    for name, text in {"index": INDEX, "words": WORDS}.items():
        (folder / f"{name}.rst").write_text(text)
    for name, cells in NOTEBOOKS.items():
        notebook = v4.new_notebook(cells=list(map(cell, cells)), metadata=PYTHON)
        nbformat.write(notebook, folder / f"{name}.ipynb")
    (folder / "conf.py").write_text(CONF)
    out = folder / "html"
    app = Sphinx(folder, folder, out, folder / "trees", "html", status=None, warningiserror=True)
    app.build()
    return out


def mentions(book, page):
    text = (book / f"{page}.html").read_text()
    links = re.findall(r'<a class="mention to-([\w-]+) [^"]*" href="([^"]*)">([^<]+)<', text)
    return [(name, href, said) for name, href, said in links]


def preview(book, name):
    text = (book / "_static" / "previews" / f"{name}.js").read_text()
    return json.loads(re.fullmatch(r"companionPreview\(\.\.\.(.*)\);\n", text)[1])


def test_mentions_lead_to_the_statements(book):
    assert mentions(book, "index") == [
        ("proposition-2-9", "first.html#proposition-2-9", "Prop 2.9"),
        ("proposition-2-9", "first.html#proposition-2-9", "Propositions 2.9"),
        ("proposition-2-10", "second.html#proposition-2-10", "2.10"),
        ("chapter-1", "first.html", "chapters 1"),
        ("chapter-2", "second.html", "2"),
        ("term-tie", "words.html#term-tie", "tie"),
        ("term-tie", "words.html#term-tie", "tie"),  # the first of the next section
    ]
    for page in ("first", "second"):
        text = (book / f"{page}.html").read_text()
        assert re.search(r'id="proposition-2-\d+"', text)


def test_unknown_numbers_code_and_headings_stay_text(book):
    text = (book / "index.html").read_text()
    assert ", Prop 9.9, " in text
    assert re.search(r"<h2>About Prop 2\.9<", text)


def test_no_link_to_where_the_reader_is(book):
    # not on the chapter's own page, in the section of a statement, or in a statement's heading
    assert mentions(book, "first") == [
        ("proposition-2-10", "second.html#proposition-2-10", "Prop 2.10"),
        ("proposition-2-9", "#proposition-2-9", "Prop 2.9"),
        ("proposition-2-10", "second.html#proposition-2-10", "Prop 2.10"),
    ]


def test_a_link_written_as_html_keeps_its_text(book):
    assert '<a href="first.html">Prop 2.9</a>' in (book / "second.html").read_text()
    linked = ("proposition-2-9", "first.html#proposition-2-9", "Prop 2.9")
    assert mentions(book, "second") == [linked]


def test_preview_is_the_statement_without_links_of_its_own(book):
    name, title, html = preview(book, "proposition-2-9")
    assert (name, title) == ("proposition-2-9", "Proposition 2.9")
    assert "<strong>Proposition 2.9.</strong>" in html
    assert "linked" in html
    assert "<a " not in html
    assert " id=" not in html


def test_every_link_has_its_preview(book):
    for page in ("index", "first", "second", "words"):
        for name, _, _ in mentions(book, page):
            assert preview(book, name)[0] == name
    assert "Two best ones" in preview(book, "term-tie")[2]
    assert "Chapter 1. The cliff" in re.sub("<.*?>", "", preview(book, "chapter-1")[2])


def test_search_finds_a_statement_by_its_number(book):
    index = (book / "searchindex.js").read_text()
    entries = json.loads(index.removeprefix("Search.setIndex(").rstrip(")"))["indexentries"]
    for words in ("2.10", "proposition 2.10"):
        assert [anchor for _, anchor, _ in entries[words]] == ["proposition-2-10"]
    assert [anchor for _, anchor, _ in entries["tie"]] == ["term-tie"]
