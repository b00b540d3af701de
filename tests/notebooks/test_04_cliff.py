"""Chapter 4's cliff and its control, on the recorded runs; its real model likewise."""

import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import (
    cliff,
    judge,
    load,
    small_python,
    small_python_pictures,
)


@pytest.fixture(scope="module")
def recorded():
    return load("cliff")


@pytest.fixture(scope="module")
def verdicts(recorded):
    return {verdict.claim.id: verdict for verdict in judge("cliff", recorded)}


@pytest.mark.parametrize(
    "claim",
    [
        *("small-bonus", "large-bonus", "no-slope", "share", "sampled", "honesty"),
        *("sgd", "optimiser", "partner", "gpt-2", "gpt-neox"),
    ],
)
def test_claims_that_the_chapter_makes_hold(verdicts, claim):
    assert verdicts[claim].holds


def test_a_claim_that_five_starts_cannot_settle_is_not_made(verdicts):
    assert verdicts["winner"].words == "not shown"
    assert verdicts["winner"].difference.value > 0


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


@pytest.fixture(scope="module")
def real():
    return load("small_python")


@pytest.fixture(scope="module")
def shares(real):
    return small_python.shares(real)


def test_the_weak_grader_makes_the_real_model_cheat(real):
    assert {v.claim.id: v for v in judge("small_python", real)}["5.1.1"].holds


def test_with_the_bonus_every_real_run_ends_hidden_and_without_one_chance_decides(shares):
    hidden = shares.set_index("condition").hidden
    assert hidden["bonus 0.1"].min() > 0.7
    assert hidden["no bonus"].max() - hidden["no bonus"].min() > 0.5


def test_claims_whose_conditions_wait_have_no_verdict(real):
    judged = {v.claim.id for v in judge("small_python", real)}
    waiting = {claim.id for claim in small_python.CLAIMS} - judged
    assert waiting == {"small bonus", "normaliser"}


def test_the_live_start_is_not_of_the_record(shares):
    assert small_python.NEW_START not in {*shares.start, *small_python.STUDY.starts}


def of_today(shares, **changed):
    """The record's start 1 as if it were run today."""
    first = shares[(shares.start == 1) & (shares.repeat == 0)]
    today = first[first.condition.isin(small_python.LIVE)]
    return today.assign(start=small_python.NEW_START, **changed)


def test_a_run_like_the_recorded_ones_passes_the_check(shares):
    checks = small_python.checks(shares, of_today(shares), "small")
    assert len(checks) == 3
    assert (checks["expected from"] <= checks.now).all()
    assert (checks.now <= checks.to).all()


@pytest.mark.parametrize("labels", ["honest", "open, hidden, special"])
def test_a_run_that_went_elsewhere_stops_the_page(shares, labels):
    changed = {labels.split(", ")[0]: 0.4}
    with pytest.raises(CompanionError, match=f"share of {labels}, start 20: now 0.4"):
        small_python.checks(shares, of_today(shares, **changed), "small")


def test_another_size_is_not_compared_with_the_record(shares):
    checks = small_python.checks(shares, of_today(shares, honest=0.4), "large")
    assert set(checks.to) == {"–"}


@pytest.mark.parametrize("live", [True, False])
def test_the_figure_shows_every_run_and_needs_none_of_today(shares, live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    today = of_today(shares) if live else shares.iloc[:0]
    saved = small_python_pictures.what_it_does(shares, today)
    data = pd.read_csv(saved.folder / "cliff-smollm2.csv")
    assert set(data.run) == ({"record", "live"} if live else {"record"})
    shown = shares[shares.condition.isin(set(data.condition))]
    assert (data.run == "record").sum() == len(shown) * data.behaviour.nunique()
    assert ("No run of today" in saved.caption) is not live
