import json
from uuid import uuid4

from nbformat.v4 import new_code_cell, new_notebook, new_output

from companion.publish.normalise import normalise

WIDGETS = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def executed():
    """What two executions of one notebook differ in, made up at random."""
    slider, layout, hidden = (uuid4().hex for _ in range(3))
    cell = new_code_cell(
        "object()",
        metadata={
            "execution": {"start": str(uuid4())},
            "papermill": {"duration": 1},
            "tags": ["x"],
        },
        outputs=[
            new_output("stream", text=f"<object at 0x{uuid4().hex[:12]}>"),
            new_output(
                "display_data",
                data={VIEW: {"model_id": slider}, "text/plain": f"f at 0x{uuid4().hex[:12]}"},
            ),
        ],
    )
    models = {
        slider: {"state": {"layout": f"IPY_MODEL_{layout}", "x": 1}},
        layout: {"state": {"wide": True}},
        hidden: {"state": {"wide": False}},
    }
    state = {name: models[name] for name in sorted(models)}
    notebook = new_notebook(cells=[cell], metadata={"papermill": {"start_time": str(uuid4())}})
    notebook.metadata["widgets"] = {WIDGETS: {"state": state}}
    return notebook


def test_two_executions_become_the_same():
    forms = {json.dumps(normalise(executed()), sort_keys=True) for _ in range(20)}
    assert len(forms) == 1


def test_widget_keeps_its_references():
    notebook = normalise(executed())
    state = notebook.metadata.widgets[WIDGETS]["state"]
    shown = notebook.cells[0].outputs[1].data[VIEW]["model_id"]
    assert state[shown]["state"] == {"layout": "IPY_MODEL_widget-001", "x": 1}
    assert state["widget-001"]["state"] == {"wide": True}


def test_given_parameters_are_folded_and_other_tags_stay():
    notebook = new_notebook(
        cells=[new_code_cell("a = 1", metadata={"tags": ["injected-parameters"]})]
    )
    assert normalise(notebook).cells[0].metadata.tags == ["injected-parameters", "hide-input"]
    assert normalise(executed()).cells[0].metadata.tags == ["x"]
