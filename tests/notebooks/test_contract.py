"""Every chapter keeps the contract: four rooms in order, one picture first, a falsifier last.

A chapter of several pages, ``NN_name.md`` and ``NNb_name.md``, may spread its rooms over them.
"""

import re
from functools import cache
from itertools import combinations, groupby
from pathlib import Path

import jupytext
import pytest

from companion.studies import figures

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(NOTEBOOKS.glob("[0-9][0-9]*_*.md"))
ROOMS = ["Theorem", "Derivation", "Bandit check", "In a language model", "What would falsify this"]
CASE_STUDY = ROOMS[3]
NO_CASE_STUDY = {"10": "beyond the paper"}

every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


@cache
def notebook(path):
    return jupytext.read(path)


def cells(path, kind):
    return [cell for cell in notebook(path).cells if cell.cell_type == kind]


def room(path, name):
    """Text of the part under a heading; the part before the first heading is called ''."""
    parts = re.split(r"^## (.+)$", path.read_text(), flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))[name]


def headings(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def test_there_are_chapters():
    assert CHAPTERS


def in_order(pages, rooms):
    """Whether pages, given by their headings, hold all rooms in order: each page neighbouring
    rooms and then the last one, and no room before those that come before it.
    """
    *inner, last = rooms
    runs = [inner[i:j] for i, j in combinations(range(len(rooms)), 2)]
    met = dict.fromkeys(room for page in pages for room in page[:-1])
    return list(met) == inner and all(page[:-1] in runs and page[-1] == last for page in pages)


@pytest.mark.parametrize(
    ("number", "pages"),
    [
        pytest.param(number, list(pages), id=number)
        for number, pages in groupby(CHAPTERS, lambda path: path.stem[:2])
    ],
)
def test_rooms_in_order(number, pages):
    rooms = [r for r in ROOMS if r != CASE_STUDY or number not in NO_CASE_STUDY]
    assert in_order([headings(path) for path in pages], rooms)


@pytest.mark.parametrize(
    ("pages", "kept"),
    [
        (["TDBLW"], True),
        (["TDBW", "LW"], True),
        (["TDBLW", "LW"], True),
        (["TDBLW", "TDBLW"], True),
        (["TDBW"], False),  # a room is missing
        (["TDBL"], False),  # no falsifier
        (["TDBW", "L"], False),
        (["TDB", "LW"], False),
        (["TBDLW"], False),  # out of order
        (["TW", "BLW", "DW"], False),
        (["LW", "TDBW"], False),
        (["TDLW", "BW"], False),  # no neighbours
        (["TDBLW", "W"], False),  # nothing to falsify
        (["TDBLXW"], False),  # no such room
        (["TDBLLW"], False),
    ],
)
def test_a_room_missing_or_out_of_order_is_noticed(pages, kept):
    short = {room[0]: room for room in ROOMS} | {"L": CASE_STUDY, "X": "Appendix"}
    assert in_order([[short[letter] for letter in page] for page in pages], ROOMS) is kept


@every_chapter
def test_opens_with_a_picture(path):
    drawn = ["save(", *(f"{entry.function}(" for entry in figures().values())]
    assert any(call in room(path, "") for call in drawn)


BOX = re.compile(
    r"\A# .+\n\n(?:.+\n)+\n:::\{admonition\} What you will know\n:class: opening\n\n"
    r"(?P<know>(?:.+\n)+)\n(?P<rest>(?:.+\n)+):::\Z"
)


def box(path):
    """What the opening box says, as (what one will know, the line below)."""
    found = BOX.match(notebook(path).cells[0].source)
    assert found, "no box after title and subtitle"
    return " ".join(found["know"].split()), " ".join(found["rest"].split())


@every_chapter
def test_opens_with_what_it_teaches_needs_and_takes(path):
    know, rest = box(path)
    assert not re.search(r"[$`\[]", know), "the front page's card shows it as plain text"
    assert re.fullmatch(
        r"\*\*Needs\*\* .+\. \*\*Takes\*\* about \d+ minutes\. "
        r"\*\*Remember\*\* \[one picture\]\(#fig-[\w-]+\)\.",
        rest,
    )


@every_chapter
def test_the_picture_to_remember_is_the_first(path):
    drawn = {f"{entry.function}(": entry.id for entry in figures().values()}
    before = room(path, "")
    (first,) = [id for call, id in drawn.items() if call in before]
    assert f"(#fig-{first})" in box(path)[1]


@every_chapter
def test_minutes_fit_the_length(path):
    """Forty words of prose a minute, formulas, figures and tables between them."""
    (minutes,) = map(int, re.findall(r"about (\d+) minutes", box(path)[1]))
    words = sum(len(cell.source.split()) for cell in cells(path, "markdown"))
    assert minutes % 5 == 0
    assert 30 * minutes <= words <= 50 * minutes


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_no_three_folded_cells_without_a_word_between(path):
    folded = [
        cell.cell_type == "code"
        and bool({"hide-input", "hide-cell"} & {*cell.metadata.get("tags", [])})
        for cell in notebook(path).cells
    ]
    rows = list(zip(folded, folded[1:], folded[2:], strict=False))
    assert (True, True, True) not in rows


@every_chapter
def test_last_cell_of_the_derivation_asserts(path):
    if "Derivation" not in headings(path):
        pytest.skip("the first page of the chapter derives")
    assert "assert " in room(path, "Derivation").rsplit("```{code-cell}", 1)[1]


@every_chapter
def test_parameters_can_be_set_from_outside(path):
    tagged = [c for c in cells(path, "code") if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1


@every_chapter
def test_runs_outside_the_repository(path):
    code = "\n".join(cell.source for cell in cells(path, "code"))
    for forbidden in ("myst_nb", "glue(", "interact(", "../", "data/paper", "data/studies"):
        assert forbidden not in code


@every_chapter
def test_no_measured_number_is_typed_into_prose(path):
    """Decimal fractions come from a computation; section numbers and links do not count."""
    prose = "\n".join(cell.source for cell in cells(path, "markdown"))
    prose = re.sub(r"\$[^$]*\$|`[^`]*`|\([^)]*\)", " ", prose)
    sections = (
        r"(?:Props?\.?|Propositions?|Lemmas?|Remarks?|Thms?\.?|Theorems?|sections?|§|and|,)\s*"
    )
    prose = re.sub(rf"{sections}[0-9C]+\.[0-9.]+", " ", prose)
    assert re.findall(r"\b\d+\.\d+\b|\b\d+ ?%", prose) == []


@every_chapter
def test_ends_with_exercises_whose_solutions_are_tested(path):
    if re.match(r"\d\d[a-z]", path.stem):
        pytest.skip("the first page of the chapter has them")
    found = path.read_text().partition("### Exercises")[2]
    assert found, "no exercises"
    asked = re.findall(r"^\*\d\.\* .+$", found, re.MULTILINE)
    solutions = found.split("```{code-cell}")[1:]
    assert len(asked) == len(solutions) >= 2
    assert all(":tags: [hide-cell]" in cell and "assert " in cell for cell in solutions)
