"""Intervals and tests over starts, checked by simulation where they promise a frequency."""

import doctest

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from companion.studies import statistics
from companion.studies.statistics import (
    Interval,
    equivalence,
    holm,
    mean_interval,
    mean_test,
    next_run_interval,
    not_beyond,
    paired,
    per_start,
    share_difference,
    share_interval,
    share_test,
    signed,
)

DRAWS = 1000


def normal(rng, size):
    return rng.normal(0.3, 0.2, size)


def bimodal(rng, size):
    """As a share that ends near 0 or near 1, either as likely."""
    return rng.choice([0.05, 0.95], size) + rng.normal(0, 0.02, size)


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize(
    ("draw", "mean", "least"),
    [(normal, 0.3, 0.93), (bimodal, 0.5, 0.92)],
    ids=["normal", "bimodal"],
)
def test_student_covers_the_mean_as_often_as_it_says(draw, mean, least, n):
    rng = np.random.default_rng(n)
    intervals = [mean_interval(sample) for sample in draw(rng, (DRAWS, n))]
    covered = np.mean([i.low <= mean <= i.high for i in intervals])
    assert least < covered < 0.975


def test_the_percentile_bootstrap_would_not():
    rng = np.random.default_rng(5)
    samples = normal(rng, (400, 5))
    picks = rng.integers(5, size=(400, 5))
    means = samples[:, picks].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert ((low <= 0.3) & (high >= 0.3)).mean() < 0.9


@pytest.mark.parametrize("repeats", [2, 4])
def test_repeats_of_a_start_add_no_starts(repeats):
    """Starts differ, repeats hardly: an interval over all runs would be far too narrow."""
    rng = np.random.default_rng(repeats)
    starts = np.repeat(np.arange(5), repeats)
    covered = []
    for _ in range(500):
        values = np.repeat(rng.normal(0.3, 0.2, 5), repeats) + rng.normal(0, 0.01, 5 * repeats)
        interval = mean_interval(values, starts)
        covered.append(interval.low <= 0.3 <= interval.high)
    assert interval.n == 5
    assert 0.92 < np.mean(covered) < 0.975


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_exact_interval_never_promises_too_much(n, share):
    rng = np.random.default_rng(n)
    outcomes = rng.random((500, n)) < share
    intervals = [share_interval(o, np.arange(n)) for o in outcomes]
    assert np.mean([i.low <= share <= i.high for i in intervals]) >= 0.94


def test_a_start_counts_only_if_all_its_repeats_agree():
    interval = share_interval([1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 2, 2])
    assert (interval.value, interval.n, interval.kind) == (pytest.approx(1 / 3), 3, "exact")


def test_shares_are_compared_start_by_start():
    yes, no = pd.Series([True] * 6), pd.Series([False] * 6)
    assert share_test(yes, no) == pytest.approx(2 / 2**6)
    assert share_test(yes, yes) == 1
    assert share_test(yes[:5], no[:5]) > 0.05  # five starts can never show it
    difference = share_difference(yes, no)
    assert difference.value == 1
    assert difference.low < 1 == difference.high


@pytest.mark.parametrize("n", [5, 10])
def test_equivalence_is_seldom_claimed_where_there_is_a_difference(n):
    rng = np.random.default_rng(n)
    at_the_margin = [equivalence(s, 0.1)[1] for s in rng.normal(0.1, 0.05, (DRAWS, n))]
    assert np.mean(np.array(at_the_margin) < 0.05) < 0.06
    none = [equivalence(s, 0.1)[1] for s in rng.normal(0.0, 0.02, (200, n))]
    assert np.mean(np.array(none) < 0.05) > 0.95


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_equivalence_holds_if_and_only_if_its_interval_lies_within(values):
    if np.ptp(values) < 1e-6:
        return
    interval, p = equivalence(values, 0.3)
    assert (p < 0.05) == (interval.low > -0.3 and interval.high < 0.3)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("n", [5, 10])
def test_stagnation_is_seldom_claimed_of_what_moves_by_the_margin(n, sign):
    rng = np.random.default_rng(n)
    at_the_margin = rng.normal(-sign * 0.1, 0.05, (DRAWS, n))
    claimed = np.mean([not_beyond(s, sign, 0.1)[1] < 0.05 for s in at_the_margin])
    assert 0.03 < claimed < 0.07
    declines = rng.normal(sign * 0.5, 0.2, (200, n))
    assert np.mean([not_beyond(s, sign, 0.1)[1] < 0.05 for s in declines]) > 0.95


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_stagnation_holds_if_and_only_if_the_interval_ends_within_the_margin(values):
    if np.ptp(values) < 1e-6:
        return
    interval, p = not_beyond(values, -1, 0.3)
    assert (p < 0.05) == (interval.high < 0.3)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_interval_excludes_zero_if_and_only_if_the_test_does(values):
    if np.ptp(values) < 1e-6:
        return
    assert (mean_test(values) < 0.05) == mean_interval(values).excludes_zero


def test_equal_numbers_are_taken_at_their_word():
    assert mean_test([0.0, 0.0]) == 1
    assert mean_test([0.2, 0.2]) == 0
    assert equivalence([0.1, 0.1], 0.2)[1] == 0
    assert not_beyond([0.1, 0.1], -1, 0.2)[1] == 0
    assert not_beyond([0.1, 0.1], -1, 0.1)[1] == 1
    assert mean_interval([0.2, 0.2]).ends == (0.2, 0.2)


def test_holm_against_the_definition():
    p = {"a": 0.01, "b": 0.04, "c": 0.03}
    assert holm(p) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({}) == {}


def test_prediction_interval_covers_the_next_run():
    samples = np.random.default_rng(7).normal(3.0, 2.0, size=(1000, 6))
    intervals = [next_run_interval(s[:5], level=0.9) for s in samples]
    inside = [i.low <= s[5] <= i.high for i, s in zip(intervals, samples, strict=True)]
    assert 0.87 < np.mean(inside) < 0.93


def test_interval_prints_itself():
    interval = mean_interval([0.1, 0.25, 0.4])
    reach = stats.t.ppf(0.975, 2) * 0.15 / np.sqrt(3)
    assert f"{interval:.2f}" == f"0.25 [−{reach - 0.25:.2f}, {0.25 + reach:.2f}]"
    assert str(interval) == f"{interval:.3f}"
    assert f"{Interval(0.1, -0.2, 0.3, 5, 't'):+.1%}" == "+10.0% [−20.0%, +30.0%]"
    assert (-100 * interval).ends == pytest.approx((-100 * interval.high, -100 * interval.low))


@pytest.mark.parametrize(
    ("number", "spec", "text"),
    [
        (-0.0001, ".2f", "0.00"),
        (-0.0001, "+.2f", "+0.00"),
        (-2, ".1f", "−2.0"),
        (0.5, ".0%", "50%"),
    ],
)
def test_numbers_show_real_minus_signs_and_no_negative_zero(number, spec, text):
    assert signed(number, spec) == text


@pytest.mark.parametrize("values", [[1.0], [], [1.0, np.nan], [[1.0, 2.0], [3.0, 4.0]]])
@pytest.mark.parametrize("interval", [mean_interval, next_run_interval, mean_test])
def test_refuses_what_has_no_interval(interval, values):
    with pytest.raises(ValueError, match="two or more finite"):
        interval(values)


@pytest.mark.parametrize(("sign", "margin"), [(0, 0.1), (-1, 0.0)])
def test_one_side_needs_a_sign_and_a_margin(sign, margin):
    with pytest.raises(ValueError, match="margin: must be > 0 and sign -1 or 1"):
        not_beyond([0.1, 0.2], sign, margin)


def test_pairs_need_the_same_starts():
    a, b = per_start([1, 2, 3, 5], [0, 0, 1, 1]), pd.Series({0: 1.0, 2: 1.0})
    assert a.to_dict() == {0: 1.5, 1: 4.0}
    with pytest.raises(ValueError, match=r"starts: \[1, 2\]"):
        paired(a, b)
    with pytest.raises(ValueError, match="one for each start"):
        per_start([1.0], [0, 1])


def test_examples_in_docstrings():
    found = doctest.testmod(statistics)
    assert found.attempted
    assert not found.failed
