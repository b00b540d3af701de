"""Runs made now against recorded ones."""

import numpy as np
import pytest

from companion.errors import CompanionError
from companion.studies.checks import live_checks
from companion.studies.statistics import next_run_interval

RECORDED = [0.90, 0.91, 0.92, 0.93, 0.94]


def test_a_run_of_the_same_recipe_passes():
    table = live_checks([("share", RECORDED, 0.92)])
    expected = next_run_interval(RECORDED)
    assert table.to_dict("records") == [
        {
            "compared": "share",
            "now": 0.92,
            "expected from": expected.low,
            "to": min(expected.high, 1.0),
        }
    ]


@pytest.mark.parametrize("drifted", [0.5, 1.01])
def test_a_run_that_drifted_stops_the_page(drifted):
    with pytest.raises(CompanionError, match=r"^share: now .* by the recorded runs$"):
        live_checks([("other", RECORDED, 0.92), ("share", RECORDED, drifted)])


@pytest.mark.parametrize("now", [0.2, 0.5])
def test_an_interval_that_tells_nothing_is_refused(now):
    with pytest.raises(CompanionError, match=r"^share: expected 0 to 1, too wide"):
        live_checks([("share", [0.1, 0.9, 0.2, 0.8, 0.5], now)])


def test_width_is_measured_by_what_is_possible():
    with pytest.raises(CompanionError, match="too wide"):
        live_checks([("gain", RECORDED, 0.92)], possible=(0.9, 1.0))


def test_nothing_is_expected_of_another_tier():
    table = live_checks([("share", [0.4, 0.41], 0.9)], tier="gpu")
    line = {"compared": "share", "now": 0.9, "expected from": "–", "to": "–"}
    assert table.to_dict("records") == [line]


@pytest.mark.parametrize("count", [1, 4, 8])
def test_one_table_in_a_hundred_is_falsely_outside_however_long_it_is(count):
    rng = np.random.default_rng(count)
    tables, outside = 1500, 0
    for _ in range(tables):
        starts = rng.normal(0.5, 0.002, size=(count, 10))
        lines = [(str(i), row, rng.normal(0.5, 0.002)) for i, row in enumerate(starts)]
        try:
            live_checks(lines)
        except CompanionError:
            outside += 1
    assert outside <= 0.02 * tables
