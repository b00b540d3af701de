"""Chapter 8: what its study measures, its theory's side, and that its page would notice."""

import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.results import sharp_6_kl_sequence, sharp_7_cliff_width
from companion.studies import entropy, entropy_pictures, entropy_trained, judge, live_checks, load
from companion.studies.study import Key


@pytest.fixture(scope="module")
def recorded():
    return load("entropy")


@pytest.fixture(scope="module")
def moved(recorded):
    return entropy.moved(recorded)


@pytest.fixture(scope="module")
def verdicts(recorded):
    return {verdict.claim.id: verdict for verdict in judge("entropy", recorded)}


def test_every_confirmatory_condition_has_ten_starts():
    for claim in (c for c in entropy.CLAIMS if c.confirmatory):
        for name in {claim.of, claim.against} & set(entropy.STUDY.conditions):
            assert len(entropy.STUDY.starts_of(name)) == 10
            sampled = entropy.STUDY.conditions[name]["trainer"] == "grpo"
            assert entropy.STUDY.repeats_of(name) == (2 if sampled else 1)


def test_every_condition_is_drawn_or_claimed_and_every_pair_has_its_partner():
    keys = entropy.STUDY.experiments()
    for name, partner in entropy.PARTNERS.items():
        assert partner in entropy.STUDY.conditions
        for key in (key for key in keys if key.condition == name):
            assert Key(partner, key.start, key.repeat) in keys


def test_optima_move_as_the_closed_form_says(moved):
    """Fact 7 for the deceptive task, whose starts hold the tied traces about equally; fact 6."""
    aims = entropy_trained.settings(entropy.optima(moved))
    assert len(aims)
    assert (aims.value <= sharp_6_kl_sequence.bound(aims.ratio, 1.0) + 1e-6).all()
    tied = aims[(aims.task == "deceptive") & aims.tied]
    exactly = [float(sharp_7_cliff_width.move(r, entropy_trained.TIES)) for r in tied.ratio]
    assert np.abs(tied.value - exactly).max() < 0.06


def test_optima_depend_on_the_ratio_and_not_on_the_temperature(moved):
    aims = entropy_trained.settings(entropy.optima(moved))
    at_one = aims[(aims.task == "deceptive") & aims.tied & np.isclose(aims.ratio, 1)]
    assert at_one.beta.nunique() == 3
    assert at_one.groupby("beta").value.mean().max() - at_one.value.mean() < 0.01


def test_an_optimum_is_no_further_from_itself_than_rounding(recorded):
    run = recorded.at("deceptive, exact, β = 0.3, bonus 0.3", 0)
    aim = entropy.optimum(run)
    assert entropy.distribution_distance(aim, aim).lower == 0
    rest = entropy.residual(recorded.only("deceptive, exact*"))
    cold, warm = (
        rest[rest.condition == f"deceptive, exact, β = {beta}, bonus 0"].value.mean()
        for beta in (0.03, 0.3)
    )
    assert 0 < warm < cold  # cold, the optimum is further away, and training as long


def test_the_control_moves_next_to_nothing(verdicts):
    """Without this the claim about the tie could hold of a bonus that moves everything."""
    assert verdicts["tie"].control.high < 0.05


def test_what_was_known_wrong_is_a_claim_and_how_near_training_comes_a_table(recorded):
    """The instruction family had been said to fall on one curve; it had not arrived."""
    claim = next(c for c in entropy.CLAIMS if c.id == "one-curve-instruction")
    assert np.isclose(entropy.ratio(claim.of), entropy.ratio(claim.against))
    assert claim.sign == 0
    table = entropy_trained.how_near(recorded)
    assert set(table.family) == set(entropy.FAVOURED)


def test_worth_of_a_uniform_policy(recorded):
    run = recorded.at("deceptive, exact, β = 0.3, bonus 0", 0)
    table = entropy.own_prompts(run)
    sizes = table.groupby("prompt").completion.transform("size")
    even = entropy.worth_of(run, table.assign(logprob=-np.log(sizes)))
    assert even["listed"] == pytest.approx(1)
    assert even["entropy"] == pytest.approx(np.log(sizes).groupby(table.prompt).first().mean())
    assert 0 < even["value"] < entropy.worth_of(run, table)["value"]


def test_price_is_drawn_for_all_families_and_falls_for_optima(recorded):
    table = entropy_trained.price_table(recorded)
    for family in entropy.FAVOURED:
        optima = table[(table.task == family) & (table.policy == "optimum")].sort_values("beta")
        assert (np.diff(optima.value) <= 1e-9).all()
        assert (np.diff(optima.entropy) > 0).any()


@pytest.mark.parametrize("wrong", [0.0, 0.6])
def test_a_live_pair_that_went_elsewhere_stops_the_page(moved, wrong):
    name = "deceptive, exact, β = 0.1, bonus 0.1"
    values = moved[moved.condition == name].value
    assert live_checks([(name, values, values.mean())]).now.item() == values.mean()
    with pytest.raises(CompanionError, match="by the recorded runs"):
        live_checks([(name, values, wrong)])


def test_live_start_is_not_of_the_record(recorded):
    starts = {key.start for key in recorded.keys} | set(entropy.STUDY.starts)
    assert not starts & {key.start for key in entropy.live_keys()}
    assert {key.condition for key in entropy.live_keys()} <= set(entropy.STUDY.conditions)


def test_the_figure_shows_every_run_with_a_bonus(recorded, moved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    today = recorded.only("deceptive, exact, β = 0.1, bonus 0*")
    saved = entropy_trained.collapse(recorded, today)
    data = pd.read_csv(saved.folder / "entropy-collapse.csv")
    assert len(data) == moved.condition.isin(entropy.WITH_DIVERGENCE).sum()


def test_strings_that_change_places_attain_the_bound_at_every_length():
    table = entropy_pictures.strings(np.random.default_rng(0))
    assert np.allclose(table["changing places"], table["fact 6"])
    assert (table["random, largest of 20"] <= table["fact 6"] + 1e-12).all()
