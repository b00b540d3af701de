"""Curves that are drawn while runs train."""

import json
import warnings

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from small_runs import small

from companion.figures.faults import off_canvas
from companion.rlhf import curves
from companion.rlhf.curves import LiveCurves, read_points, spread

RUNS = [small(seed=seed, steps=4) for seed in (0, 1)]


def write(root, run, steps, suffix="", tail=""):
    folder = root / f"{run.id}{suffix}"
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"step": s, "mass/honest": s / 10}) + "\n" for s in steps]
    (folder / "metrics.jsonl").write_text("".join(lines) + tail)


def watch(root, column="mass/honest"):
    return LiveCurves(RUNS, column, lambda run: f"seed {run.seed}", root)


def test_half_written_line_waits(tmp_path):
    write(tmp_path, RUNS[0], [0, 1], ".part", tail='{"step": 2, "ma')
    assert read_points(tmp_path / RUNS[0].id, "mass/honest") == [(0, 0.0), (1, 0.1)]
    assert read_points(tmp_path / RUNS[0].id, "reward") == []
    assert read_points(tmp_path / RUNS[1].id, "mass/honest") == []


def test_last_picture_is_the_same_every_time_and_says_what_it_shows(tmp_path):
    pictures = []
    for _ in range(2):
        write(tmp_path, RUNS[0], range(3), ".part")
        with watch(tmp_path) as live:
            write(tmp_path, RUNS[0], range(5))
            write(tmp_path, RUNS[1], range(5))
        pictures.append(live._picture())
    assert pictures[0] == pictures[1]
    assert live.data.groupby("name").step.max().tolist() == [4, 4]
    assert live.alt == (
        "Probability of honest over the steps of training, one line a run. "
        "seed 0: one run, ending at 0.40. seed 1: one run, ending at 0.40."
    )
    assert "left" not in live.figure.axes[0].get_title(loc="left")


def test_the_picture_is_cut_nowhere(tmp_path):
    write(tmp_path, RUNS[0], range(5))
    with watch(tmp_path) as live:
        pass
    live.figure.draw_without_rendering()
    assert off_canvas(live.figure) == []


def test_error_in_drawing_is_a_warning_and_the_runs_own_error_passes(tmp_path, monkeypatch):
    write(tmp_path, RUNS[0], range(5))
    with (
        pytest.warns(UserWarning, match="no 'mass/honset' in the metrics"),
        watch(tmp_path, "mass/honset"),
    ):
        pass
    monkeypatch.setattr(curves, "read_points", lambda *_: 1 / 0)
    with (
        pytest.warns(UserWarning, match="ZeroDivisionError"),
        pytest.raises(KeyError, match="of the run"),
        watch(tmp_path),
    ):
        raise KeyError("of the run")


def test_nothing_to_draw_is_no_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with LiveCurves([], "reward", str) as live:
            pass
    assert live.data.empty


@pytest.mark.parametrize("wished", [[0.5, 0.5, 0.5], [1.0, 0.99, 0.0], [0.95, 1.0, 0.9], [0.2]])
def test_labels_keep_apart_and_below_the_top(wished):
    places = spread(wished, 0.07, 1.0)
    assert np.argsort(places, kind="stable").tolist() == np.argsort(wished, kind="stable").tolist()
    assert (np.diff(np.sort(places)) >= 0.07 - 1e-12).all()
    assert max(places) <= 1.0


class Listener(NotebookClient):
    """Counts the pictures that the notebook was sent."""

    pictures = 0

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.pictures += "image/png" in msg["content"]["data"]
        return super().process_message(msg, cell, cell_index)


SWEEP = """
from companion.rlhf import Experiment, curves, sweep
curves._PAUSE = 0.05
plan = [Experiment(**fields) for fields in {fields!r}]
with curves.LiveCurves(plan, "mass/honest", lambda e: f"seed {{e.seed}}", "runs") as live:
    sweep(plan, "runs", jobs=2, progress=False)
"""


@pytest.mark.slow
def test_notebook_keeps_one_picture_that_shows_every_run_to_its_end(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    plan = [small(seed=seed, steps=20, eval_every=1) for seed in (0, 1)]
    cells = [SWEEP.format(fields=[e.model_dump() for e in plan]), "print(live.data.to_json())"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = Listener(notebook, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert client.pictures > 2  # the empty one, the last one, and some between
    (shown,) = notebook.cells[0].outputs
    assert shown.output_type == "display_data"
    assert "image/png" in shown.data
    assert shown.data["text/plain"].startswith("Probability of honest over the steps")
    drawn = json.loads(notebook.cells[1].outputs[0].text)
    assert sorted(drawn["step"].values()) == sorted([*range(21)] * 2)
