"""The tiny book as one PDF, printed as a user does."""

import json
import os
import shutil
import subprocess
import sys
from io import BytesIO

import pytest
from browser import chromium_or_skip
from printed_book import assert_is_a_book
from pypdf import PdfReader

from companion.publish.checksums import checksums
from companion.publish.pdf import NAME
from companion.publish.project import Project


def print_book(root, **environment):
    call = [sys.executable, "-m", "companion.cli", "pdf"]
    return subprocess.run(
        call, cwd=root, env=os.environ | environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def printed(built, tmp_path_factory):
    """The tiny book, printed twice; the PDFs of both times."""
    chromium_or_skip()
    root = tmp_path_factory.mktemp("printed") / "book"
    shutil.copytree(built.root, root, symlinks=True)
    files = []
    for _ in range(2):
        done = print_book(root)
        assert done.returncode == 0, done.stderr
        files.append((root / "_build" / "html" / NAME).read_bytes())
    return Project(root), files


def test_is_a_book(printed):
    project, _ = printed
    titles = ["About this book", "A tiny chapter", "Notation", "Front", "Scores"]
    assert_is_a_book(project.html / NAME, titles)


def test_says_what_it_is(printed):
    project, _ = printed
    about = PdfReader(project.html / NAME).metadata
    assert about.title == "The Policy Cliff: a companion"
    assert about.author == "The Policy Cliff companion contributors"
    assert "Version" in about.subject
    assert "CC BY 4.0" in about.subject


def test_leaves_out_what_a_screen_needs(printed):
    project, _ = printed
    text = " ".join(sheet.extract_text() for sheet in PdfReader(project.html / NAME).pages)
    assert "The largest of 3 values is 4." in text
    assert "six" in text  # in place of the explorer of an executed notebook
    assert "The drawing above says the same." in text  # and of one on a page without code
    for absent in ("power = 2", "BibTeX", "Show code", "as one PDF", "Pull its handle"):
        assert absent not in text


def test_links_lead_to_places_in_it(printed):
    project, _ = printed
    reader = PdfReader(project.html / NAME)
    known = reader.named_destinations
    links = [
        note.get_object()
        for sheet in reader.pages
        for note in sheet.get("/Annots", ())
        if note.get_object()["/Subtype"] == "/Link"
    ]
    inside = [link["/Dest"] for link in links if "/Dest" in link]
    assert len(inside) > 4
    assert {str(place) for place in inside} <= set(known)
    assert not [link for link in links if str(link.get("/A", {}).get("/URI")).startswith("file:")]


def test_site_offers_it_and_stays_whole(printed):
    project, _ = printed
    offers = [page for page in project.html.rglob("*.html") if NAME in page.read_text()]
    assert [page.name for page in offers] == ["index.html"]
    record = json.loads(project.html.with_name("site.json").read_text())
    assert record["files"] == checksums(project.html)


def test_site_without_it_links_to_none(built):
    assert not [page for page in built.html.rglob("*.html") if NAME in page.read_text()]


def test_a_second_print_says_the_same(printed):
    _, files = printed
    first, second = (
        [sheet.extract_text() for sheet in PdfReader(BytesIO(file)).pages] for file in files
    )
    assert first == second


def test_says_what_is_missing(built, tmp_path):
    done = print_book(built.root, PATH=str(tmp_path), PLAYWRIGHT_CHROMIUM="")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "install chromium" in done.stderr
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(built.root / name, tmp_path)
    done = print_book(tmp_path)
    assert done.returncode == 2
    assert "run companion build" in done.stderr
