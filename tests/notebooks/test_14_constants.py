"""What chapter 14 says of its record, controls first."""

import pytest

from companion.errors import CompanionError
from companion.studies import constants, constants_trained, judge, live_checks, load
from companion.studies.constants import OPTIMUM, PARTNERS, name_of
from companion.studies.forecasts import outcomes


@pytest.fixture(scope="module")
def recorded():
    return load("constants")


@pytest.fixture(scope="module")
def moved(recorded):
    return constants.moved(recorded)


def test_all_runs_had_come_to_rest(recorded):
    assert len(constants_trained.restless(recorded)) == 0


def test_optima_keep_to_fact_6_and_trained_policies_all_but_do(recorded, moved):
    for name in PARTNERS:
        optima = moved[moved.condition == OPTIMUM + name].value
        assert optima.max() <= constants.guarantee(name) + 1e-9, name
    assert constants.gain(recorded).value.max() < 1.02


def test_every_claim_holds(recorded):
    assert [v.claim.id for v in judge("constants", recorded) if not v.holds] == []


def test_nine_forecasts_in_ten_are_met():
    found = outcomes("constants")
    assert len(found) == 36
    assert sum(outcome.verdict == "hit" for outcome in found) >= 0.9 * len(found)


def test_a_live_pair_that_went_elsewhere_stops_the_page(moved):
    values = moved[moved.condition == name_of(0.2, 1.0)].value
    assert len(live_checks([("distance", values, values.mean())])) == 1
    with pytest.raises(CompanionError, match="by the recorded runs"):
        live_checks([("distance", values, values.mean() + 0.1)])
