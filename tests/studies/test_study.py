"""The studies of the book: their conditions, and the records that belong to them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from companion.data import data_path
from companion.errors import CompanionError
from companion.results import catalogue
from companion.studies import Study, cliff, figures, find, load
from companion.studies.registry import modules
from companion.studies.store import study_folder
from companion.studies.study import Key
from companion.studies.tables import check_tables

NAMES = tuple(modules())
RECORDED = tuple(path.name for path in sorted(data_path("README.md").parent.glob("studies/*")))
every_record = pytest.mark.parametrize("name", RECORDED)


def tiny(**more):
    setting = {"task": "alignment", "rewards": {"oracle": 1.0}}
    return Study("tiny", 0, "?", {"one": setting, "two": setting | more}, starts=(3, 4), repeats=2)


def test_every_record_is_of_a_study_and_every_study_but_those_that_wait_has_one():
    waiting = {"small_replies"}
    assert set(RECORDED) == set(NAMES) - waiting


def test_conditions_by_starts_by_repeats():
    experiments = tiny(beta=0.1).experiments()
    assert list(experiments) == [
        Key(c, s, r) for c in ("one", "two") for s in (3, 4) for r in (0, 1)
    ]
    seeds = [(e.sft_seed, e.seed) for e in experiments.values()]
    assert seeds[:4] == [(3, 3), (3, 100), (4, 4), (4, 100)]


def test_a_run_is_found_by_its_experiment():
    study = tiny(beta=0.1)
    for key, experiment in study.experiments().items():
        assert study.key_of(experiment) == key


def test_two_names_for_one_experiment():
    with pytest.raises(
        CompanionError, match=r"^study tiny: \('one', 3, 0\) and \('two', 3, 0\) are one"
    ):
        tiny().key_of(tiny().experiment("one", 3))


def test_a_condition_that_does_not_fit_together():
    with pytest.raises(CompanionError, match=r"^study tiny, 'two': rewards: .*'no_such'"):
        tiny(rewards={"no_such": 1.0}).experiments()
    with pytest.raises(CompanionError, match=r"^study tiny: no condition 'x', only one; two$"):
        tiny().experiment("x")
    with pytest.raises(CompanionError, match=r"^study tiny: repeats of unknown 'x'$"):
        Study("tiny", 0, "?", {}, repeats={"x": 2})
    with pytest.raises(CompanionError, match=r"^study tiny: starts of unknown 'x'$"):
        Study("tiny", 0, "?", {}, own_starts={"x": (1,)})


def test_a_condition_may_have_starts_of_its_own():
    study = replace(tiny(beta=0.1), own_starts={"two": (7,)}, repeats=1)
    assert list(study.experiments()) == [Key("one", 3, 0), Key("one", 4, 0), Key("two", 7, 0)]


def test_unknown_study():
    with pytest.raises(CompanionError, match=r"^no study 'x', only value, "):
        find("x")


@every_record
def test_a_study_is_named_by_its_module(name):
    assert modules()[name].__name__ == f"companion.studies.{name}"


@every_record
def test_every_recorded_run_belongs_to_a_condition(name):
    study = find(name)
    runs = load(study)
    for key, run in runs.items():
        assert study.key_of(run.experiment) == key


@pytest.mark.parametrize("name", [name for name in RECORDED if not find(name).pairs])
def test_every_condition_has_runs_of_five_starts(name):
    """Those of pretrained models come a start at a time, see chapter 4's tests."""
    recorded = {(key.condition, key.start) for key in load(name).keys}
    for condition in find(name).conditions:
        assert sum(c == condition for c, _ in recorded) >= 5


@every_record
def test_tables_are_those_that_were_written(name):
    check_tables(study_folder(name))


def test_figures_rest_on_results_that_are_there():
    known = {row["name"] for row in catalogue()}
    for id, entry in figures().items():
        assert set(entry.rests_on) <= known, id


def test_a_figure_knows_the_function_that_drew_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = cliff.value_and_policy()
    sidecar = json.loads((saved.folder / f"{saved.id}.json").read_text())
    entry = figures()[saved.id]
    assert (entry.function, entry.source) == ("cliff.value_and_policy", sidecar["source"])
    file, line = sidecar["source"].split("#L")
    lines = (Path(__file__).parents[2] / file).read_text().splitlines()
    assert lines[int(line) - 1].startswith(f'@figure("{saved.id}"')
