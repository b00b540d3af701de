"""Chapter 5's first page: its measures, its controls and what the records show, by the studies."""

import numpy as np
import pandas as pd
import pytest

from companion.data import data_path
from companion.errors import CompanionError
from companion.rlhf import policy_distance
from companion.studies import (
    Runs,
    graders,
    graders_pictures,
    judge,
    live_checks,
    load,
    phases,
    pressure,
)


@pytest.fixture(scope="module")
def recorded():
    return load("graders")


@pytest.fixture(scope="module")
def thoughts():
    return load("pressure")


@pytest.fixture(scope="module")
def grid():
    return load("phases")


def differing(study, one, other):
    """Fields in which the experiments of two conditions differ."""
    a, b = (study.experiment(name).model_dump() for name in (one, other))
    return {field for field in a if a[field] != b[field]}


@pytest.mark.parametrize(
    ("module", "claims"),
    [
        (graders, ["weak", "weak-unseen", "weak-reworded", "strong", "strong-unseen"]),
        (pressure, ["candid-caught", "candid-uncaught", "candid-honest", "pressed-caught"]),
        (phases, ["small-deeds", "large-deeds", "no-noise"]),
    ],
)
def test_a_control_differs_in_what_is_paid_alone(module, claims):
    declared = {claim.id: claim for claim in module.CLAIMS}
    for claim in (declared[id] for id in claims):
        assert differing(module.STUDY, claim.of, claim.against) == {"rewards"}


def test_the_competent_start_differs_in_its_demonstrations_alone():
    (claim,) = (claim for claim in graders.CLAIMS if claim.id == "competent")
    assert differing(graders.STUDY, claim.of, claim.against) == {"traces"}


def test_the_broken_tie_is_a_tenth_of_the_strong_grader():
    one, other = graders.GRADERS["weak"], graders.GRADERS["weak + a tenth of strong"]
    assert other == one | {"strong": 0.1}


@pytest.mark.parametrize("module", [graders, pressure, phases])
def test_confirmatory_claims_are_given_their_starts_and_seeds(module):
    study = module.STUDY
    for claim in (claim for claim in module.CLAIMS if claim.confirmatory):
        for name in {claim.of, claim.against} & set(study.conditions):
            assert len(study.starts_of(name)) == 10
            sampled = study.experiment(name).trainer == "grpo"
            assert study.repeats_of(name) == (2 if sampled else 1)


def test_the_papers_numbers_are_those_of_its_figures():
    coding = pd.read_csv(data_path("paper/fig_o3_mini_coding.csv"))
    weak = coding[coding.grader == "weak grader"].cheating_attempts_percent
    claims = {claim.id: claim for module in (graders, pressure) for claim in module.CLAIMS}
    assert claims["weak"].reported == pytest.approx((weak.iloc[-1] - weak.iloc[0]) / 100)
    baker = pd.read_csv(data_path("paper/fig_cot_pressure.csv"))
    last = baker.groupby(["panel", "agent"]).fraction_of_samples.last()
    for id, panel in (("candid-caught", "caught"), ("candid-uncaught", "not caught")):
        change = last[panel, "CoT pressure"] - last[panel, "baseline"]
        assert claims[id].reported == pytest.approx(change)


def test_cheating_gained_is_what_the_completions_say(recorded):
    run = recorded.at("struggling, weak", 0)
    table = run.split("train")
    tampers = table.label.isin(["open", "hidden"])
    after, before = (np.exp(table[c].to_numpy())[tampers] for c in ("logprob", "start_logprob"))
    gain = (after.sum() - before.sum()) / table.prompt.nunique()
    found = graders.more_cheating(recorded)
    row = found[(found.condition == "struggling, weak") & (found.start == 0)]
    assert row[row["repeat"] == 0].value.item() == pytest.approx(gain)


def test_held_out_prompts_are_others_than_those_trained_on(recorded):
    run = recorded.at("struggling, weak", 0)
    splits = {split: set(run.split(split).prompt) for split in ("train", "test", "ood")}
    assert not splits["train"] & splits["test"]
    assert not splits["train"] & splits["ood"]


def test_five_starts_do_not_settle_what_the_weak_grader_teaches(recorded):
    """Some starts end cheating and some do not, which a mean over five cannot tell from chance."""
    verdicts = {verdict.claim.id: verdict for verdict in judge("graders", recorded)}
    assert {verdicts[id].words for id in ("weak", "strong")} == {"not shown"}
    assert verdicts["weak"].difference.value > 0.2 > -0.2 > verdicts["strong"].difference.value
    ends = graders.masses(recorded)
    controls = ends[ends.condition.str.endswith("strong")]
    assert controls.cheating.max() < 0.05


def test_a_pressed_policy_gives_up_what_is_caught(thoughts):
    verdicts = {verdict.claim.id: verdict for verdict in judge("pressure", thoughts)}
    assert verdicts["candid-caught"].holds
    ends = graders.masses(thoughts)
    watched = ends[ends.condition == "candid, monitor 1"]
    assert graders_pictures.leading(watched)["open"] == 0
    assert graders_pictures.leading(watched).sum() == len(watched)


def test_any_weight_on_deeds_ends_honest(grid):
    honest = phases.honest(grid)
    paid = [grid.study.conditions[name]["rewards"]["strong"] > 0 for name in honest.condition]
    assert honest[paid].value.min() > 0.9
    assert not all(paid)


def test_turning_and_scaling_are_told_apart(grid):
    moved = phases.moved(grid)
    one, other = (moved[moved.condition == name] for name in (phases.TURNED, phases.SCALED))
    assert set(one.start) == set(other.start)
    start = one.start.iloc[0]
    deeds = [phases.name(0.0, size) for size in (phases.SMALL, phases.LARGE)]
    alone = [phases.name(size, 0.0) for size in (phases.SMALL, phases.LARGE)]
    turned = np.mean(
        [
            policy_distance(grid.at(a, start), grid.at(b, start)).lower
            for a, b in zip(alone, deeds, strict=True)
        ]
    )
    assert one[one.start == start].value.item() == pytest.approx(turned)


@pytest.mark.parametrize("module", [graders, pressure])
def test_live_starts_are_not_of_the_record(module):
    assert not set(module.STUDY.starts) & {key.start for key in module.live_keys()}
    assert {key.condition for key in module.live_keys()} == set(module.DECIDED)


def test_a_live_run_that_went_elsewhere_stops_the_page(recorded):
    strong = recorded.only("struggling, strong", repeats=[0])
    table = live_checks(graders.compared(recorded, strong, graders.DECIDED))
    assert len(table) == len(strong)
    cheats = {
        key._replace(condition="struggling, strong"): run
        for key, run in recorded.only("struggling, weak").items()
        if run.masses()["honest"] < 0.5
    }
    assert cheats
    with pytest.raises(CompanionError, match="struggling, strong: honest"):
        live_checks(graders.compared(recorded, Runs(recorded.study, cheats), graders.DECIDED))
