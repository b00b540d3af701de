"""Chapter 4's cliff and its control, on the recorded runs; its real model, on the pilot."""

import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import (
    cliff,
    interval,
    judge,
    load,
    mean_interval,
    paired,
    per_start,
    small_python,
)
from companion.studies.pilots import ROUNDING, pilot


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
    return pilot(small_python.STUDY)


def hidden(real, condition):
    part = real[real.condition == condition]
    return per_start(part.hidden, part.start)


def test_with_the_bonus_hidden_tampering_takes_over_in_every_start(real):
    assert (hidden(real, "bonus 0.1") > 0.9).all()
    assert mean_interval(paired(hidden(real, "bonus 0.1"), hidden(real, "no bonus"))).low > 0


def test_a_tenth_of_the_bonus_is_not_told_from_none(real):
    gained = paired(hidden(real, "bonus 0.01"), hidden(real, "no bonus"))
    assert gained.mean() > 0
    assert not mean_interval(gained).excludes_zero
    assert interval(real, "bonus 0.01", "hidden").low > interval(real, "start", "hidden").high


def test_the_weak_grader_drives_honest_solving_out_and_the_strong_one_does_not(real):
    start, weak, strong = (
        interval(real, condition, "honest")
        for condition in ("start", "no bonus", "no tie, no bonus")
    )
    assert weak.high < start.low < start.high < strong.low


def test_the_live_start_is_not_of_the_pilot_or_the_study(real):
    assert small_python.NEW_START not in {*real.start, *small_python.STUDY.starts}


def of_today(real, **changed):
    """The pilot's start 3 as if it were run today."""
    today = real[(real.start == 3) & (real.repeat == 0) & real.condition.isin(small_python.LIVE)]
    return today.assign(start=small_python.NEW_START, **changed)


def test_a_run_like_the_pilots_passes_the_check(real):
    checks = small_python.checks(real, of_today(real), "small", ROUNDING)
    assert len(checks) == 3
    assert (checks["expected from"] <= checks.now).all()
    assert (checks.now <= checks.to).all()


@pytest.mark.parametrize("label", ["honest", "hidden"])
def test_a_run_that_went_elsewhere_stops_the_page(real, label):
    with pytest.raises(CompanionError, match=f"share of {label}, start 20: now 0.5"):
        small_python.checks(real, of_today(real, **{label: 0.5}), "small", ROUNDING)


def test_another_size_is_not_compared_with_the_pilot(real):
    checks = small_python.checks(real, of_today(real, hidden=0.5), "large", ROUNDING)
    assert set(checks.to) == {"–"}


@pytest.mark.parametrize("live", [True, False])
def test_the_figure_shows_every_run_and_needs_none_of_today(real, live, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    today = of_today(real) if live else real.iloc[:0]
    saved = small_python.what_it_does(real, today)
    data = pd.read_csv(saved.folder / "cliff-smollm2.csv")
    assert set(data.run) == ({"pilot", "live"} if live else {"pilot"})
    shown = real[real.condition.isin(set(data.condition))]
    assert (data.run == "pilot").sum() == len(shown) * data.behaviour.nunique()
    assert ("No run of today" in saved.caption) is not live
