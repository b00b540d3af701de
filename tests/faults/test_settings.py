"""Whatever ``run`` and ``sweep`` are given ends as one line; nothing is trained here."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_one_line import OPTIONS, TRIES, VALUES, WORDS, YAML, ends_well

from companion.rlhf import commands
from companion.rlhf.experiment import Experiment

__all__ = ["ends_well"]

FIELDS = st.sampled_from([*Experiment.model_fields, "steps ", ""]) | WORDS
TASKS = st.sampled_from(["deceptive", "instruction", "alignment", "none", ""])
ROWS = st.dictionaries(FIELDS, YAML | st.lists(YAML, max_size=2), max_size=3)


@pytest.fixture
def no_training(monkeypatch):
    def stop(*_, **__):
        raise SystemExit(0)

    monkeypatch.setattr(commands, "run", stop)
    monkeypatch.setattr(commands, "sweep", stop)


@given(TASKS, st.dictionaries(FIELDS, YAML, max_size=3))
@TRIES
def test_any_setting_of_a_run(ends_well, no_training, task, settings):
    given = [f"{k}={yaml.safe_dump(v, default_flow_style=True)}" for k, v in settings.items()]
    ends_well(["run", task, *(word for setting in given for word in ("--set", setting))])


@given(st.dictionaries(st.sampled_from(["base", "grid", "x"]), ROWS | YAML, max_size=3))
@TRIES
def test_any_grid(ends_well, no_training, project, grid):
    file = project.root / "grid.yaml"
    file.write_text(yaml.safe_dump(grid, allow_unicode=True), encoding="utf-8")
    ends_well(["sweep", str(file)])


@given(st.sampled_from(["run", "sweep"]), st.lists(st.one_of(OPTIONS, VALUES), max_size=4))
@TRIES
def test_any_arguments(ends_well, no_training, command, arguments):
    ends_well([command, *arguments])
