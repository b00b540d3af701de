"""Studies of pretrained models: whatever they name exists, and claims were fixed with a control."""

import pytest

from companion.data import data_path
from companion.rlhf.tiers import SMOLLM2
from companion.studies import find, load
from companion.studies.pairs import sampled_distances
from companion.studies.registry import module_of, modules

FLOOR = " (floor)"
REAL = [name for name in modules() if find(name).pairs]
RECORDED = sorted(folder.name for folder in data_path("studies").iterdir() if folder.name in REAL)
each = pytest.mark.parametrize("name", REAL)
each_record = pytest.mark.parametrize("name", RECORDED)


def test_the_three_families_have_one():
    tasks = {e.task for name in REAL for e in find(name).experiments().values()}
    assert {"python", "instructions", "replies"} <= tasks


@each
def test_every_condition_is_an_experiment_of_its_own_on_the_pretrained_model(name):
    study = find(name)
    experiments = study.experiments()
    assert len({e.id for e in experiments.values()}) == len(experiments)
    for key, experiment in experiments.items():
        assert study.key_of(experiment) == key
        assert experiment.model == SMOLLM2
        assert experiment.trainer == "policy_gradient"
        assert experiment.samples  # what it does is counted in its samples
        assert not experiment.keep_policy  # half a gigabyte a run


@each
def test_runs_of_one_start_begin_from_one_policy(name):
    """Half a gigabyte and the minutes of its training are spent once a start."""
    study = find(name)
    for start in study.starts:
        ids = {e.start.id for key, e in study.experiments().items() if key.start == start}
        assert len(ids) == 1


@each
def test_pairs_name_conditions_of_the_study_and_differ_in_little(name):
    study = find(name)
    assert len(set(study.pairs)) == len(study.pairs)
    for pair in study.pairs:
        assert set(pair) <= set(study.conditions)
        one, other = (study.experiment(condition).model_dump() for condition in pair)
        assert one != other
        kept = {"task", "model", "sft_steps", "beta", "scale_rewards", "seed", "measured_prompts"}
        assert {k: one[k] for k in kept} == {k: other[k] for k in kept}


@each
def test_claims_name_what_is_measured_and_have_a_control(name):
    study, claims = find(name), module_of(name).CLAIMS
    assert claims
    assert len({claim.id for claim in claims}) == len(claims)
    distances = {condition for condition, _ in study.pairs}
    floors = {c + FLOOR for c in study.conditions if study.repeats_of(c) > 1}
    for claim in claims:
        assert claim.confirmatory
        assert claim.against
        assert claim.of != claim.against
        for condition in (claim.of, claim.against):
            if claim.measure is sampled_distances:
                assert condition in distances | floors
            else:
                assert condition in study.conditions


@each
def test_confirmatory_claims_have_ten_starts(name):
    assert len(find(name).starts) >= 10


@each
def test_measures_read_the_splits_that_are_recorded(name):
    assert {"train", "test"} <= set(find(name).splits)


@each_record
def test_every_recorded_start_has_all_conditions_and_their_distances(name):
    """The sweep stops where its time is up: at whole starts."""
    ran = {}
    for key in load(name).keys:
        ran.setdefault(key.start, set()).add(key.condition)
    assert len({frozenset(conditions) for conditions in ran.values()}) == 1
    found = sampled_distances(load(name))
    assert set(found.start) == set(ran)
    assert found.groupby("condition").start.nunique().eq(len(ran)).all()


@each_record
def test_estimates_lie_in_their_intervals_and_in_what_lists_allow(name):
    found = sampled_distances(load(name))
    assert (found.low <= found.value).all()
    assert (found.value <= found.high).all()
    assert (found.low <= found.listed_high).all()
    assert (found.listed_low <= found.high).all()
