"""Forecasts: as declared, as committed, and what becomes of them."""

import dataclasses

import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import forecasts, normaliser
from companion.studies.forecasts import (
    COLUMNS,
    Forecast,
    committed,
    declared,
    forecasts_of,
    outcomes,
    write,
)
from companion.studies.registry import modules
from companion.studies.statistics import Interval
from companion.studies.store import load

NAMES = [name for name in modules() if forecasts_of(name)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_what_follows_from_theory_today(name):
    file = committed()
    written = file[file.study == name].reset_index(drop=True)
    again = declared(name)
    pd.testing.assert_frame_equal(
        written.drop(columns="predicted"), again.drop(columns="predicted")
    )
    assert written.predicted.to_numpy() == pytest.approx(again.predicted.to_numpy(), abs=2e-6)


def test_the_file_holds_the_forecasts_of_every_study_that_makes_some():
    assert tuple(committed().columns) == COLUMNS
    assert set(committed().study) == set(NAMES)
    assert not committed().duplicated(["study", "claim"]).any()


@pytest.mark.parametrize("name", NAMES)
def test_forecasts_are_about_conditions_of_their_study_or_what_is_made_of_them(name):
    conditions = set(forecasts.find(name).conditions)
    for forecast in forecasts_of(name):
        if forecast.of not in conditions:
            assert forecast.of in set(forecast.measure(load(name)).condition)


def outcome(measured):
    return forecasts.Outcome("a", 11, "normaliser", "share", 0.5, 0.1, "theory", measured)


@pytest.mark.parametrize(
    ("measured", "verdict"), [(0.41, "hit"), (0.59, "hit"), (0.39, "miss"), (0.61, "miss")]
)
def test_a_forecast_hits_within_its_margin(measured, verdict):
    assert outcome(Interval(measured, 0, 1, 10, "t")).verdict == verdict


def test_the_met_are_counted_among_all():
    measured = [Interval(x, 0, 1, 10, "t") for x in (0.5, 0.9)]
    found = [outcome(interval) for interval in (*measured, None)]
    assert forecasts.how_many_met(found).startswith("1 of 3 numbers")


def test_what_has_not_been_run_is_said_to_be_open():
    assert outcome(None).verdict == "not yet measured"


def test_every_committed_forecast_has_an_outcome():
    assert [o.claim for o in outcomes()] == committed().claim.tolist()


def test_a_chapter_reads_the_record_of_its_own_study_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(forecasts, "has_record", lambda study: asked.append(study) or False)
    found = outcomes("constants")
    assert asked == ["constants"]
    assert {outcome.study for outcome in found} == {"constants"}
    assert len(found) == len(forecasts_of("constants"))


@pytest.fixture
def run_but_for_the_last(monkeypatch, tmp_path):
    """A study of two forecasts with a committed file and a record of the first one's runs."""
    first, last = normaliser.FORECASTS[6:8]
    table = pd.DataFrame({"condition": [first.of], "start": [0], "repeat": [0], "value": [1.0]})
    both = tuple(dataclasses.replace(f, measure=lambda runs: table) for f in (first, last))
    monkeypatch.setattr(forecasts, "has_record", lambda study: False)
    monkeypatch.setattr(normaliser, "FORECASTS", both[:1])
    file = tmp_path / "claims.csv"
    write("normaliser", file)
    monkeypatch.setattr(forecasts, "has_record", lambda study: True)
    monkeypatch.setattr(forecasts, "load", lambda study: None)
    return file, both


def test_forecasts_of_a_study_that_was_run_stand(run_but_for_the_last, monkeypatch):
    file, (first, _) = run_but_for_the_last
    before = file.read_text()
    other = dataclasses.replace(first, predict=lambda: 17.0)
    monkeypatch.setattr(normaliser, "FORECASTS", (other,))
    with pytest.raises(CompanionError, match=r"^study normaliser: it has been run, its forecasts"):
        write("normaliser", file)
    assert file.read_text() == before


def test_a_condition_that_has_no_runs_yet_joins_them(run_but_for_the_last, monkeypatch):
    file, (first, last) = run_but_for_the_last
    standing = pd.read_csv(file)
    monkeypatch.setattr(
        normaliser, "FORECASTS", (dataclasses.replace(first, predict=lambda: 17.0), last)
    )
    assert write("normaliser", file) == 2
    written = pd.read_csv(file)
    assert written.claim.tolist() == [first.claim, last.claim]
    assert written.predicted[0] == standing.predicted[0] != 17


def test_it_is_too_late_to_forecast_what_has_been_run(run_but_for_the_last, monkeypatch):
    file, (first, last) = run_but_for_the_last
    late = dataclasses.replace(last, of=first.of)
    monkeypatch.setattr(normaliser, "FORECASTS", (first, late))
    with pytest.raises(CompanionError, match=r"has been run, forecast too late$"):
        write("normaliser", file)


def test_writing_again_replaces_a_studys_own_rows_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(forecasts, "has_record", lambda study: False)
    monkeypatch.setattr(normaliser, "FORECASTS", normaliser.FORECASTS[6:8])
    file = tmp_path / "claims.csv"
    other = dict.fromkeys(COLUMNS, 1) | {"study": "other", "claim": "theirs", "chapter": 12}
    pd.DataFrame([other, other | {"study": "normaliser"}]).to_csv(file, index=False)
    assert write("normaliser", file) == 2
    written = pd.read_csv(file)
    assert written.study.tolist() == ["normaliser", "normaliser", "other"]
    assert written.claim.tolist()[-1] == "theirs"


def test_two_forecasts_of_one_name(monkeypatch):
    twice = (normaliser.FORECASTS[0],) * 2
    monkeypatch.setattr(normaliser, "FORECASTS", twice)
    with pytest.raises(CompanionError, match="two forecasts are called 'gain: no scaling"):
        forecasts_of("normaliser")


def test_a_forecast_has_a_margin():
    with pytest.raises(CompanionError, match="margin must be > 0, is 0"):
        Forecast("a", "share", normaliser.share, "x", lambda: 1.0, 0.0, "theory")
