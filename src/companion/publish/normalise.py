"""Make an executed notebook say the same thing twice: no times, no random ids, no addresses."""

import json
import re
from typing import Any

import nbformat
from nbformat import NotebookNode

_ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}")
_WIDGETS = "application/vnd.jupyter.widget-state+json"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """A copy of an executed ``notebook`` that depends on its content alone.

    Cell ids count up, papermill's and nbclient's times go, widget models are numbered as they
    appear, memory addresses become ``0x…``, and the cell with given parameters is folded
    like the parameters cell it follows.
    """
    notebook = nbformat.from_dict(json.loads(_numbered_models(notebook)))
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.metadata.tags.append("hide-input")
        for output in cell.get("outputs", []):
            _drop_addresses(output)
    return notebook


def _numbered_models(notebook: NotebookNode) -> str:
    """The notebook as JSON with each widget model's random id replaced by a number."""
    text = json.dumps(notebook)
    state = notebook.metadata.get("widgets", {}).get(_WIDGETS, {}).get("state", {})
    for number, model in enumerate(_models_in_order(notebook, state)):
        text = text.replace(model, f"widget-{number:03d}")
    return text


def _models_in_order(notebook: NotebookNode, state: dict[str, Any]) -> list[str]:
    """Models as the page shows them, each followed by those it refers to; the hidden ones last."""
    cells = json.dumps(notebook.cells)
    saved = {model: json.dumps(state[model], sort_keys=True) for model in state}
    shown = sorted((model for model in state if model in cells), key=cells.index)
    hidden = sorted(state, key=lambda model: re.sub(r"IPY_MODEL_\w+", "", saved[model]))
    order: list[str] = []

    def visit(model: str) -> None:
        if model in state and model not in order:
            order.append(model)
            for other in re.findall(r"IPY_MODEL_(\w+)", saved[model]):
                visit(other)

    for model in [*shown, *hidden]:
        visit(model)
    return order


def _drop_addresses(output: NotebookNode) -> None:
    if "text" in output:
        output.text = _ADDRESS.sub(" at 0x…", output.text)
    for mime, value in output.get("data", {}).items():
        if mime.startswith("text/") and isinstance(value, str):
            output.data[mime] = _ADDRESS.sub(" at 0x…", value)
