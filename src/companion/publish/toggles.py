"""Folded code says what it is: ``code: the figure`` in place of "Show code cell source"."""

import ast

from nbformat import NotebookNode

_FOLDED = {"hide-input", "hide-cell"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
# What a cell calls -> what its code is; the first that fits.
_CALLS = {
    "train_live": "the runs",
    "train_pretrained": "the runs",
    "live_checks": "today's runs against the record",
    "checks": "today's runs against the record",
    "verdict_box": "the claims judged",
    "statement": "the statement",
    "symbolic": "the derivation",
    "derivation": "the derivation",
    "counterexample": "the counterexample",
    "counterexamples": "the counterexamples",
    "numeric": "the checks",
    "verdicts": "the checks",
}


def name_toggles(notebook: NotebookNode) -> NotebookNode:
    """Give every folded cell of an executed ``notebook``, in place, a name that says what it hides.

    A cell that names itself (``mystnb: code_prompt_show`` in its metadata) keeps that name.
    """
    exercises = False
    for cell in notebook.cells:
        exercises |= cell.cell_type == "markdown" and "### Exercises" in cell.source
        if cell.cell_type == "code" and _FOLDED & {*cell.metadata.get("tags", [])}:
            own = cell.metadata.setdefault("mystnb", {})
            what = "the solution" if exercises else f"code: {_what(cell)}"
            own.setdefault("code_prompt_show", what)
            own.setdefault("code_prompt_hide", own["code_prompt_show"])
    return notebook


def _what(cell: NotebookNode) -> str:
    """What a folded cell is, told by its tags, then by what it shows, then by what it calls."""
    if {"parameters", "injected-parameters"} & {*cell.metadata.tags}:
        return "what you can set"
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:  # not Python alone: a magic
        return "the cell"
    if all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in tree.body):
        return "imports"
    shown = [output.get("data", {}) for output in cell.get("outputs", [])]
    markdown = "".join(data.get("text/markdown", "") for data in shown)
    called = {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    if any(_WIDGET in data for data in shown):
        return "the explorer"
    for name, what in _CALLS.items():
        if name in called:
            return what
    if "{figure}" in markdown:
        return "the figure"
    return "the table" if "|--" in markdown else "the numbers in the text"
