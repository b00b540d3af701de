"""The map of results knows every figure of the book and no other."""

import ast
import re
from pathlib import Path

import jupytext

from companion.results import catalogue
from companion.studies import figures

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def mapped():
    """The map's FIGURES, figure to results, without those that studies bring."""
    for cell in jupytext.read(NOTEBOOKS / "results_map.md").cells:
        for statement in ast.parse(cell.source).body if cell.cell_type == "code" else []:
            if isinstance(statement, ast.Assign) and statement.targets[0].id == "FIGURES":
                return ast.literal_eval(statement.value)
    raise AssertionError("no FIGURES in the map")


def saved():
    """The figures that notebooks save."""
    text = "".join(path.read_text() for path in NOTEBOOKS.glob("*.md"))
    return re.findall(r'\bsave\(\s*[\w.]+,\s*"([a-z0-9-]+)"', text)


def test_every_figure_stands_on_the_map():
    assert set(mapped()) == set(saved())


def test_figure_names_are_unique():
    names = [*saved(), *figures()]
    assert len(names) == len(set(names))


def test_every_figure_of_a_study_is_called_in_a_notebook():
    text = "".join(path.read_text() for path in NOTEBOOKS.glob("*.md"))
    for id, entry in figures().items():
        assert f"{entry.function}(" in text, id


def test_every_figure_rests_on_a_result():
    assert all(mapped().values())


def stated():
    """(chapter, result) for every statement that the chapters show, as a reader meets them."""
    found = []
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.md")):
        full = {}
        for cell in jupytext.read(path).cells:
            for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else []:
                if isinstance(node, ast.ImportFrom):
                    full |= {alias.asname or alias.name: alias.name for alias in node.names}
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "show.statement":
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
