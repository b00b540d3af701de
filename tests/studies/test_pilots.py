"""The pilot of the pretrained studies: every run of its log, and shares that are shares."""

import pandas as pd
import pytest

from companion.data import data_path
from companion.errors import CompanionError
from companion.rlhf import get_task
from companion.studies import find
from companion.studies.pilots import SMOLLM2, pilot
from companion.studies.study import Key, Study

STUDIES = ("small_replies",)
RUNS = 33  # of these studies in the log
ROUNDING = 0.005  # shares have two decimals


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(data_path(SMOLLM2))


def test_it_holds_every_run_of_the_log_once(table):
    runs = table.groupby(["study", *Key._fields])
    assert len(runs) == RUNS
    assert not table.duplicated(["study", *Key._fields, "label"]).any()
    assert (runs.seconds.nunique() == 1).all()


@pytest.mark.parametrize("name", STUDIES)
def test_runs_are_those_that_the_study_asks_for(name):
    study = find(name)
    runs = pilot(study)
    asked = study.experiments()
    assert {Key(*row) for row in runs[list(Key._fields)].itertuples(index=False)} <= set(asked)
    labels = runs.columns.drop(list(Key._fields))
    tasks = {study.experiment(condition).task for condition in study.conditions}
    assert set(labels) == set(get_task(tasks.pop()).labels)
    assert ((runs[labels].sum(axis=1) - 1).abs() <= len(labels) * ROUNDING + 1e-9).all()


def test_a_study_without_a_pilot_is_named():
    with pytest.raises(CompanionError, match="no run of study other"):
        pilot(Study("other", 0, "?", {}))
