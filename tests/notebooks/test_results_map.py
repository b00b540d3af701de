"""The map of results knows every figure of the book and no other."""

import ast
from pathlib import Path

import jupytext

from companion.results import catalogue
from companion.studies import figures

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def calls():
    """The functions that notebooks call, as they are written there."""
    for path in NOTEBOOKS.glob("*.md"):
        for cell in jupytext.read(path).cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else []:
                if isinstance(node, ast.Call):
                    yield ast.unparse(node.func)


def test_notebooks_save_no_figure_past_the_map():
    assert not {"save", "figures.save"} & set(calls())


def test_every_figure_is_called_in_a_notebook():
    assert {entry.function for entry in figures().values()} <= set(calls())


def test_every_figure_rests_on_results():
    names = {row["name"] for row in catalogue()}
    for id, entry in figures().items():
        assert entry.rests_on, id
        assert set(entry.rests_on) <= names, id


def stated():
    """(chapter, result) for every statement that the chapters show, as a reader meets them."""
    found = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]*_*.md")):
        full = {}
        for cell in jupytext.read(path).cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else []:
                if isinstance(node, ast.ImportFrom):
                    full |= {alias.asname or alias.name: alias.name for alias in node.names}
                elif (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) == "show.statement"
                    and "theorem" in cell.metadata.get("tags", [])  # else it is repeated
                ):
                    found.append((int(path.name[:2]), full[node.args[0].id]))
    return found


def test_facts_are_numbered_in_reading_order():
    facts = [row for row in catalogue() if row["item"].startswith("Fact ")]
    for number, row in enumerate(facts, start=1):
        assert row["item"] == f"Fact {number}"
        assert row["name"].startswith(f"sharp_{number}_")
    names = [row["name"] for row in facts]
    met = [name for _, name in stated() if name in names]
    assert met == names[: len(met)]


def test_every_result_is_stated_in_its_chapter():
    found = set(stated())
    written = {chapter for chapter, _ in found}
    for row in catalogue():
        assert row["chapter"] not in written or (row["chapter"], row["name"]) in found
