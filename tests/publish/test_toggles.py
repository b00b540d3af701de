"""Folded code is named after what it hides."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.publish.toggles import name_toggles

FIGURE = {"text/markdown": ":::{figure} figures/a/a.svg\n:::"}
TABLE = {"text/markdown": "| a |\n|-----|\n| 1 |"}
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}


def named(source, data=None, tags=("hide-input",), **metadata):
    outputs = [new_output("display_data", data=data)] if data else []
    metadata |= {"tags": list(tags)}
    cell = new_code_cell(source, outputs=outputs, metadata=metadata)
    name_toggles(new_notebook(cells=[new_markdown_cell("text"), cell]))
    return cell.metadata.get("mystnb", {})


@pytest.mark.parametrize(
    ("source", "data", "tags", "what"),
    [
        ("tier = 1", None, ["parameters", "hide-input"], "what you can set"),
        ("import a\nfrom b import c", None, ["hide-input"], "imports"),
        ("cliff.trained(runs)", FIGURE, ["hide-input"], "the figure"),
        ("x, y = train_live(s)\ny.show(f(x))", FIGURE, ["hide-input"], "the runs"),
        ("show.statement(prop)", {"text/markdown": "**P**"}, ["hide-cell"], "the statement"),
        ("prop.symbolic()", {"text/markdown": "steps"}, ["hide-input"], "the derivation"),
        ("show.derivation(p)", {"text/markdown": "steps"}, ["hide-input"], "the derivation"),
        ("Markdown(t)", TABLE, ["hide-input"], "the table"),
        ("Markdown(t)", {"text/markdown": "words"}, ["hide-input"], "the numbers in the text"),
        ("Explorer()", WIDGET, ["hide-input"], "the explorer"),
        ("%%bash\nls -l", None, ["hide-input"], "the cell"),
    ],
)
def test_a_folded_cell_says_what_it_is(source, data, tags, what):
    prompts = named(source, data, tags)
    assert prompts == {"code_prompt_show": f"code: {what}", "code_prompt_hide": f"code: {what}"}


def test_a_cell_that_names_itself_keeps_its_name():
    prompts = named("x", mystnb={"code_prompt_show": "code: the three runs"})
    assert set(prompts.values()) == {"code: the three runs"}


def test_open_cells_get_no_name():
    assert named("import a", tags=()) == {}


def test_what_is_folded_under_the_exercises_is_a_solution():
    cells = [new_code_cell("x = 1", metadata={"tags": ["hide-cell"]}) for _ in range(2)]
    heading = new_markdown_cell("## Last\n\n### Exercises\n\n*1.* How many?")
    name_toggles(new_notebook(cells=[cells[0], heading, cells[1]]))
    told = [cell.metadata["mystnb"]["code_prompt_show"] for cell in cells]
    assert told == ["code: the numbers in the text", "the solution"]
