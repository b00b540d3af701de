"""The whole book as one PDF, where it has been printed."""

import pytest
from built_site import HTML, NEEDS_SITE
from printed_book import assert_is_a_book
from pypdf import PdfReader

from companion.publish.pdf import NAME
from companion.publish.printed import Document
from companion.publish.project import Project

FILE = HTML / NAME
pytestmark = [
    *NEEDS_SITE,
    pytest.mark.skipif(not FILE.exists(), reason="no PDF beside the book: nox -s pdf"),
]


def test_is_a_book_with_every_page():
    document = Document(Project(HTML.parents[1]), {"title": ""})
    assert_is_a_book(FILE, list(document.titles.values()))


def test_is_of_a_size_to_send():
    assert FILE.stat().st_size < 30e6
    assert len(PdfReader(FILE).pages) > 100
