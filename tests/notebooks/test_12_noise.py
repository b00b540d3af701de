"""What chapter 12 says of its record, controls first."""

import pytest

from companion.studies import interval, judge, load, noise
from companion.studies.forecasts import outcomes


@pytest.fixture(scope="module")
def recorded():
    return load("noise")


def test_no_run_diverged_and_all_but_the_held_ones_learned(recorded):
    assert not noise.diverged(recorded).value.any()
    right = noise.right(recorded)
    for name in noise.STUDY.conditions:
        least = 0.6 if "β = 1" in name else 0.95
        assert interval(right, name).low > least, name


def test_the_one_claim_that_is_contradicted_is_about_runs_that_were_not_at_rest(recorded):
    words = [v.claim.id for v in judge("noise", recorded) if v.words == "contradicted"]
    assert words == ["more-is-less"]
    middle = noise.BETAS[1]
    assert interval(noise.right(recorded), noise.held(middle)).high < noise.rest(middle) - 0.02


def test_noise_grows_with_the_power_of_theory_and_a_penalty_holds_it(recorded):
    verdicts = {verdict.claim.id: verdict for verdict in judge("noise", recorded)}
    for id in ("sgd-slope", "penalty-slope", "sgd-noise", "adam-noise"):
        assert verdicts[id].holds, id
    for beta in noise.BETAS:
        assert verdicts[f"held-{beta:g}"].holds, beta


def test_at_equal_reward_adam_is_nowhere_shown_to_be_the_noisier(recorded):
    table = noise.adam_over_sgd(recorded)
    found = [interval(table, name) for name in table.condition.unique()]
    assert all(gap.low < 0 for gap in found)
    assert sum(gap.high < 0 for gap in found) >= 2


def test_the_page_of_forecasts_shows_misses_too():
    words = {outcome.verdict for outcome in outcomes("noise")}
    assert words == {"hit", "miss"}
