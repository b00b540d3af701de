"""Catalogue, presentation, Beamer document and ZIP of a small book of two figures."""

import io
import re
import time
import zipfile

import pytest
from PIL import Image
from pptx import Presentation
from pptx.util import Pt
from pybtex.database import parse_string

from companion.errors import CompanionError
from companion.figures.citing import attribution, figure_bibtex
from companion.publish.catalogue import Catalogue, Part, Shown, read, result_name
from companion.publish.decks import ALL, BEAMER, DECK, write_all
from companion.publish.project import PACKAGE

TITLE = "50 % of β: what {braces} & $x^2$ do"


def shown(id, number, slide=True):
    url = f"https://example.org/chapters/04_cliff.html#fig-{id}"
    return Shown(
        id=id,
        number=number,
        title=TITLE,
        alt="A line\tthat rises <steeply>.",
        caption="A *line*.",
        page="chapters/04_cliff",
        chapter="The cliff",
        results=("Proposition 2.10",),
        family="theory alone",
        attribution=attribution(id, number, url),
        bibtex=figure_bibtex(id, TITLE, "2026", "abc1234", number, url, "10.5281/zenodo.1"),
        code=None,
        slide=slide,
    )


CATALOGUE = Catalogue(
    book=Part("book", "The Policy Cliff: a companion", "@misc{book}\n"),
    paper=Part("paper", "The Policy Cliff", "@misc{paper}\n"),
    chapters=(Part("04_cliff", "The cliff", "@misc{chapter}\n"),),
    figures=(shown("a-line", "Fig. 4.1"), shown("a-table", "", slide=False)),
)


@pytest.fixture
def folder(tmp_path, small_png):
    def lay(name):
        for figure in CATALOGUE.figures:
            own = tmp_path / name / figure.id
            own.mkdir(parents=True)
            for file in figure.files():
                (own / file).write_bytes(small_png if file.endswith("png") else file.encode())
        CATALOGUE.write(tmp_path / name)
        write_all(CATALOGUE, tmp_path / name)
        return tmp_path / name

    return lay


@pytest.fixture(scope="session")
def small_png():
    buffer = io.BytesIO()
    Image.new("RGB", (160, 90), "white").save(buffer, format="png")
    return buffer.getvalue()


def test_two_times_the_same_bytes_whatever_the_clock_says(folder, monkeypatch):
    first = folder("one")
    later = time.time() + 1e7
    monkeypatch.setattr(time, "time", lambda: later)
    second = folder("two")
    for name in (ALL, DECK, f"{BEAMER}.zip", "catalogue.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_presentation_has_a_titled_described_attributed_slide_a_figure(folder):
    deck = Presentation(folder("one") / DECK)
    assert deck.slide_width / deck.slide_height == pytest.approx(16 / 9, rel=1e-4)
    (slide,) = deck.slides  # the other figure has none
    assert slide.shapes.title.text == TITLE
    assert slide.shapes.title.text_frame.paragraphs[0].font.size >= Pt(20)
    picture = next(shape for shape in slide.shapes if shape.name == "a-line")
    assert picture._element.nvPicPr.cNvPr.get("descr") == CATALOGUE.figures[0].alt
    words = [shape.text_frame.text for shape in slide.shapes if shape.has_text_frame]
    assert CATALOGUE.figures[0].attribution in words
    for shape in slide.shapes:
        assert shape.left >= 0
        assert shape.top >= 0
        assert shape.left + shape.width <= deck.slide_width
        assert shape.top + shape.height <= deck.slide_height
    assert deck.core_properties.author == "The Policy Cliff companion contributors"


def test_beamer_includes_files_that_are_there_and_is_plain_tex(folder):
    with zipfile.ZipFile(folder("one") / f"{BEAMER}.zip") as archive:
        names = set(archive.namelist())
        document = archive.read(f"{BEAMER}/figures.tex").decode()
    included = re.findall(r"\\companionfigure\{([^}]+)\}", document)
    assert included == ["a-line.pdf"]
    assert names == {f"{BEAMER}/figures.tex", f"{BEAMER}/a-line.pdf"}
    assert r"\begin{frame}{50 \% of $\beta$: what" in document
    assert document.isascii()
    assert document.count(r"\begin{frame}") == document.count(r"\end{frame}") == 1
    assert not re.search(r"<\w+>", document)  # every place of the template is filled


def test_zip_holds_every_file(folder):
    made = folder("one")
    with zipfile.ZipFile(made / ALL) as archive:
        names = set(archive.namelist())
    files = {f"{f.id}/{name}" for f in CATALOGUE.figures for name in f.files()}
    assert names == files | {"README.txt"}


def test_catalogue_is_read_as_it_was_written(folder, tmp_path):
    assert read(folder("one")) == CATALOGUE
    with pytest.raises(CompanionError, match="no built figures; run companion build"):
        read(tmp_path / "nowhere")


def test_entry_names_number_version_address_and_doi():
    (entry,) = parse_string(CATALOGUE.figures[0].bibtex, "bibtex").entries.values()
    assert re.search(
        r"Fig\. 4\.1 \(a-line\).* version \d+\.\d+.* commit abc1234", entry.fields["note"]
    )
    assert entry.fields["url"].endswith("04_cliff.html#fig-a-line")
    assert entry.fields["doi"] == "10.5281/zenodo.1"
    plain = figure_bibtex("a-line", TITLE, "2026", "abc1234")
    assert not {"url", "doi"} & set(
        parse_string(plain, "bibtex").entries["policy-cliff-a-line"].fields
    )


def test_results_have_the_names_that_readers_know():
    modules = sorted((PACKAGE / "results").glob("*_[0-9c]*_*.py"))
    items = {
        file.stem: re.search(r'^ITEM = "(.+)"$', file.read_text(), re.MULTILINE)[1]
        for file in modules
    }
    assert len(items) > 25
    for module, item in items.items():
        assert result_name(module).startswith(item), module
