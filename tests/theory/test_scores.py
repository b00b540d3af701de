"""The report on scores against definitions in exact arithmetic and against the book's results."""

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.results import sharp_3_margins, sharp_6_kl_sequence
from companion.theory import (
    FiniteMDP,
    collapse_threshold,
    furthest_move,
    needed_beta,
    score_report,
    softmax_policy,
    stability_radius,
    total_variation,
)
from companion.theory.normalised import GUARD

SETTINGS = {"epsilon": 0.1, "beta": 0.5}
TENTHS = st.integers(-12, 12)
# One prompt: an answer and its score in tenths, a row each.
GROUPS = st.lists(st.tuples(st.sampled_from("abcdef"), TENTHS), min_size=2, max_size=12)


def report_of(*groups, **settings):
    """One column for groups of (answer, score) rows; prompts are numbered."""
    rows = [(str(i), *row) for i, group in enumerate(groups) for row in group]
    prompts, answers, scores = zip(*rows, strict=True)
    given = SETTINGS | settings
    return score_report(prompts, answers, list(scores), **given).columns[0]


def in_tenths(group):
    return [(answer, tenths / 10) for answer, tenths in group]


@given(GROUPS, st.integers(0, 5), st.integers(0, 5))
def test_counts_are_those_of_exact_arithmetic(group, tolerance, epsilon):
    """Tenths are no floats: 0.8 − 0.7 is above 0.1, and is a tie within 0.1 all the same."""
    column = report_of(in_tenths(group), tolerance=tolerance / 10, epsilon=epsilon / 10)
    (found,) = column.prompts
    of_one = defaultdict(list)
    for answer, tenths in group:
        of_one[answer].append(Fraction(tenths))
    ranked = sorted((np.median(scores) for scores in of_one.values()), reverse=True)
    alone = len(ranked) == 1
    lead = None if alone else ranked[0] - ranked[1]
    width = max(t for _, t in group) - min(t for _, t in group)
    assert found.samples == len(group)
    assert found.answers == len(ranked)
    assert found.ties == sum(ranked[0] - score <= tolerance for score in ranked)
    assert found.within_reach is (not alone and bool(lead <= 2 * epsilon))
    assert found.flat is (width == 0)
    assert found.noise_only is (0 < width <= tolerance)
    assert found.rescored * 10 == pytest.approx(max(max(s) - min(s) for s in of_one.values()))
    assert np.isnan(found.margin) if alone else found.margin * 10 == pytest.approx(float(lead))
    assert found.on_cliff is (found.ties > 1)


@given(st.lists(TENTHS, min_size=2, max_size=8))
def test_half_of_the_lead_is_the_stability_radius(tenths):
    scores = np.array(tenths) / 10
    column = report_of(list(enumerate(scores)))
    bandit = FiniteMDP(np.ones((1, len(scores), 1)), scores[None], 0.0)
    assert column.margin / 2 == pytest.approx(float(stability_radius(bandit).exact), abs=1e-9)


@given(st.lists(TENTHS, min_size=2, max_size=8), st.floats(0.01, 3))
def test_errors_change_the_winners_that_are_within_reach_and_no_others(tenths, epsilon):
    scores = np.array(tenths) / 10
    column = report_of(list(enumerate(scores)), epsilon=epsilon)
    best = scores.argmax()
    worst = scores + epsilon
    worst[best] -= 2 * epsilon
    rival = np.delete(worst, best).max()
    assert column.within_reach == (rival - worst[best] >= -1e-12)
    widest = sharp_3_margins.widest_gap(epsilon)
    assert column.within_reach == (column.margin <= widest + 1e-12)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=6),
    st.floats(0, 2),
    st.floats(0.05, 3),
    st.randoms(use_true_random=False),
)
def test_no_error_moves_the_best_policy_further(rewards, epsilon, beta, random):
    before = np.array([rewards])
    wrong = before + np.array([[random.choice((-epsilon, epsilon)) for _ in rewards]])
    moved = total_variation(softmax_policy(before, beta), softmax_policy(wrong, beta))[0]
    assert moved <= furthest_move(epsilon, beta) + 1e-12


@given(st.floats(1e-6, 10), st.floats(1e-3, 10))
def test_the_move_is_the_bound_of_fact_6_and_needed_beta_turns_it_round(epsilon, beta):
    move = furthest_move(epsilon, beta)
    assert move == pytest.approx(float(sharp_6_kl_sequence.bound(2 * epsilon, beta)))
    if move < 0.99:
        assert needed_beta(epsilon, move) == pytest.approx(beta)


def test_moves_at_the_ends():
    assert furthest_move(0, 0) == 0
    assert furthest_move(0.1, 0) == 1
    assert furthest_move(1.0, 5e-324) == 1
    assert needed_beta(0, 0.1) == 0


def test_deviation_temperature_and_threshold():
    scores = [1.0, 1.0, 0.25, 0.0, 0.0]
    column = report_of(list(zip("abcde", scores, strict=True)), beta=0.2)
    deviation = np.std(scores, ddof=1)
    assert column.deviation == pytest.approx(deviation)
    assert column.temperature == pytest.approx(0.2 * (deviation + GUARD))
    assert column.prompts[0].threshold == collapse_threshold(2)
    assert column.collapsing == 1
    assert report_of(list(zip("abcde", scores, strict=True)), beta=2.0).collapsing == 0


@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_scores_of_any_size(size):
    column = report_of([("a", size), ("b", 0.0)])
    assert column.deviation == pytest.approx(size / np.sqrt(2))
    assert column.margin == size


def test_equal_scores_have_no_deviation_and_their_mean_breaks_no_tie():
    """The mean of three times 0.1 is not 0.1 in floats."""
    column = report_of([("a", 0.1), ("a", 0.1), ("a", 0.1), ("b", 0.1)])
    (prompt,) = column.prompts
    assert (prompt.tied_exactly, prompt.answers, prompt.deviation) == (2, 2, 0.0)
    assert (column.tied_exactly, column.flat, column.noise_only) == (1, 1, 0)


def test_one_answer_alone_has_no_lead():
    column = report_of([("a", 1.0), ("a", 0.5)], [("a", 1.0), ("b", 0.5)])
    assert column.margin == 0.5
    assert column.rescored == 0.5
    assert (column.on_cliff, column.within_reach) == (0, 0)
    assert [p.prompt for p in column.nearest()] == ["1", "0"]
    assert np.isnan(report_of([("a", 1.0), ("a", 1.0)]).margin)


def test_several_scores_of_one_table():
    table = pd.DataFrame(
        {
            "prompt": ["x", "x", "y", "y"],
            "answer": ["a", "b", "a", "b"],
            "helpful": [1, 1, 0, 1],
            "safe": [0.2, 0.4, 0.2, 0.4],
        }
    )
    scores = dict(table[["helpful", "safe"]])
    report = score_report(table["prompt"], table["answer"], scores, **SETTINGS)
    assert [c.name for c in report.columns] == ["helpful", "safe"]
    assert [c.tied_exactly for c in report.columns] == [1, 0]
    headings, rows = report.summary()
    assert headings == ["line", "helpful", "safe", "rests on"]
    assert {len(row) for row in rows} == {4}


def test_labels_cannot_break_the_tables():
    hostile = "a | *b* `c` <script>\n$x$ " + 100 * "z"
    report = score_report([hostile] * 2, ["a", "b"], {"s|": [1, 0]}, **SETTINGS)
    lines = report._repr_markdown_().splitlines()
    (row,) = [line for line in lines if "script" in line]
    assert r"a \| \*b\* \`c\` \<script\> \$x\$ z" in row
    columns = row.replace(r"\|", "").count("|")
    assert columns == lines[-2].count("|")


def test_many_prompts_are_cut_to_the_nearest():
    groups = [[("a", 1.0), ("b", 1 - i / 100)] for i in range(50)]
    column = report_of(*groups)
    assert [p.prompt for p in column.nearest(3)] == ["0", "1", "2"]
    rows = [(str(i), *row) for i, group in enumerate(groups) for row in group]
    prompts, answers, scores = zip(*rows, strict=True)
    report = score_report(prompts, answers, list(scores), **SETTINGS)
    assert "30 further prompts" in report._repr_markdown_()


BAD = {
    "nan": (["x", "x"], ["a", "b"], [1.0, np.nan], {}, r"score must be finite, got score\[1\]"),
    "text": (["x", "x"], ["a", "b"], ["1", "2"], {}, "score must be an array of real numbers"),
    "huge": (["x", "x"], ["a", "b"], [1e308, -1e308], {}, r"score must lie within ±1\.12e\+307"),
    "lengths": (["x", "x"], ["a", "b"], [1.0], {}, "must have one length, got 2, 2, 1"),
    "empty": ([], [], [], {}, "prompts must be a column of labels"),
    "one answer": (["x", "x", "y"], ["a", "b", "c"], [1, 2, 3], {}, "prompt 'y' has one answer"),
    "gap": (["x", None], ["a", "b"], [1, 2], {}, r"gaps, got prompts\[1\] = None"),
    "nan label": (["x", "x"], ["a", np.nan], [1, 2], {}, r"gaps, got answers\[1\] = nan"),
    "NA label": (["x", pd.NA], ["a", "b"], [1, 2], {}, r"gaps, got prompts\[1\]"),
    "no column": (["x", "x"], ["a", "b"], {}, {}, "at least one column"),
    "epsilon": (["x", "x"], ["a", "b"], [1, 2], {"epsilon": -1}, "epsilon must be .* got -1"),
    "beta": (["x", "x"], ["a", "b"], [1, 2], {"beta": np.inf}, "beta must be .* got inf"),
    "tolerance": (["x", "x"], ["a", "b"], [1, 2], {"tolerance": "0"}, "tolerance must be .* '0'"),
    "distance": (["x", "x"], ["a", "b"], [1, 2], {"distance": 1}, "distance must lie between"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_on_one_line(case):
    prompts, answers, scores, settings, message = BAD[case]
    with pytest.raises(ValueError, match=message) as raised:
        score_report(prompts, answers, scores, **SETTINGS | settings)
    assert "\n" not in str(raised.value)
