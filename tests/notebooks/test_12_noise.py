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


def test_no_claim_of_the_chapter_is_contradicted(recorded):
    assert [v.claim.id for v in judge("noise", recorded) if v.words == "contradicted"] == []


def test_noise_grows_and_a_penalty_holds_it(recorded):
    verdicts = {verdict.claim.id: verdict for verdict in judge("noise", recorded)}
    for id in ("sgd-noise", "held-0.2", "held-1"):
        assert verdicts[id].holds, id


def test_the_page_of_forecasts_shows_misses_too():
    words = {outcome.verdict for outcome in outcomes("noise")}
    assert words == {"hit", "miss"}
