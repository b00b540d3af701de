"""Chapter 4's cliff and its control, on the recorded runs."""

import pytest

from companion.studies import cliff, judge, load


@pytest.fixture(scope="module")
def recorded():
    return load("cliff")


@pytest.fixture(scope="module")
def verdicts(recorded):
    return {verdict.claim.id: verdict for verdict in judge("cliff", recorded)}


@pytest.mark.parametrize("claim", ["small-bonus", "large-bonus", "no-slope", "sampled", "honesty"])
def test_claims_that_the_chapter_makes_hold(verdicts, claim):
    assert verdicts[claim].holds


@pytest.mark.parametrize("claim", ["share", "winner"])
def test_claims_that_five_starts_cannot_settle_are_not_made(verdicts, claim):
    assert verdicts[claim].words == "not shown"
    assert verdicts[claim].difference.value > 0


def test_without_a_tie_the_same_bonus_moves_next_to_nothing(recorded):
    moved = cliff.moved(recorded)
    assert moved[moved.condition == "no tie, bonus 0.1"].value.max() < 0.01


def test_the_bonus_decides_which_trace_wins(recorded):
    wins = cliff.paid_trace_wins(recorded)
    paid = wins[wins.condition.str.startswith("GRPO, bonus 0.1")]
    assert {cliff.paid_trace(name) for name in paid.condition} == set(cliff.TIED)
    assert paid.value.all()


def test_every_recorded_run_with_a_bonus_has_its_partner(recorded):
    with_bonus = [key for key in recorded.keys if key.condition in cliff.PARTNERS]
    moved = cliff.moved(recorded)
    assert len(moved) == len(with_bonus) + (moved.condition == cliff.FLOOR).sum()
    assert (moved.upper >= moved.value).all()


def test_live_starts_are_not_of_the_record(recorded):
    starts = {key.start for key in recorded.keys} | set(cliff.STUDY.starts)
    assert not starts & {key.start for key in cliff.live_keys()}
