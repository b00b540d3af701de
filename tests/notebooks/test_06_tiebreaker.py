"""Chapter 6's tie-breakers and their controls, on recorded runs."""

import numpy as np
import pytest

from companion.studies import (
    asked_length,
    format_bonus,
    judge,
    length,
    length_figures,
    load,
    mean_interval,
    small_instructions,
    tiebreaker_pictures,
)
from companion.studies.format_bonus import bought, boxed


@pytest.fixture(scope="module")
def shares():
    return asked_length.shares()


@pytest.fixture(scope="module")
def lengths():
    return load("length")


@pytest.fixture(scope="module")
def formats():
    return load("format_bonus")


@pytest.fixture(scope="module")
def verdicts(lengths, formats):
    found = [*judge("length", lengths), *judge("format_bonus", formats)]
    return {verdict.claim.id: verdict for verdict in found}


def test_the_largest_bonus_decides_the_length(shares):
    assert mean_interval(asked_length.change(shares, "words", shares.bonus.max())).low > 0


def test_more_reward_that_breaks_no_tie_moves_the_length_less_than_a_bonus(shares):
    (scale,) = shares.paid[shares.paid != 1].unique()
    more_pay = asked_length.change(shares, "words", paid=scale)
    assert abs(more_pay.mean()) < asked_length.change(shares, "words", shares.bonus.max()).mean()


def test_a_start_counts_once_whoever_recorded_it(shares):
    assert not shares.duplicated(["bonus", "paid", "start"]).any()
    unpaid = shares[(shares.bonus == 0) & (shares.paid == 1)]
    assert unpaid["seed effect"].notna().any()


def test_the_papers_penalty_is_among_ours():
    assert length.paper_alpha() == length.PENALTIES[1]
    weight = length.STUDY.conditions[length.at(length.paper_alpha())]["rewards"]["length"]
    assert weight / length.LONGEST == pytest.approx(length.paper_alpha())


@pytest.mark.parametrize("claim", ["largest-alpha", "no-cost", "every-form-seen"])
def test_claims_that_the_chapter_stands_on_hold(verdicts, claim):
    assert verdicts[claim].holds


def test_the_papers_penalty_does_less_than_a_hundred_times_as_much(verdicts):
    small, large = (verdicts[name].difference.value for name in ("paper-alpha", "largest-alpha"))
    assert large < small


def test_where_the_form_is_paid_the_bonus_finds_nothing_to_decide(formats):
    paid = bought(formats)
    paid = paid[paid.condition == "GRPO, form paid, bonus 0.1"]
    assert paid.value.abs().max() < 0.05


def test_the_exact_gradient_boxes_in_every_start(formats):
    share = boxed(formats).set_index("condition").value
    assert share["exact, bonus 1"].min() > 0.9
    assert share["exact, bonus 1"].min() > share["GRPO, bonus 0.1"].mean()


def test_every_bonus_has_its_partner(formats):
    with_bonus = [key for key in formats.keys if key.condition in format_bonus.PARTNERS]
    assert len(bought(formats)) == len(with_bonus)


def test_what_is_done_at_each_length_adds_up(lengths):
    """Length errors by the length asked for average to the error over all prompts."""
    run = lengths.at(length.at(length.LARGEST), 0)
    prompts = run.split("train").prompt.unique()
    asked = [length_figures.read_prompt(prompt).words for prompt in prompts]
    by_length = length_figures.by_budget(run)
    mass = np.exp(run.split("train").logprob).sum() / len(prompts)
    mean = by_length.off[asked].mean()
    # What is off the list has no length there, and counts as the largest error here.
    assert mean * mass + (1 - mass) * length.LONGEST == pytest.approx(
        length.error_of(run), abs=0.02
    )


def test_the_summed_series_is_the_error_of_the_optimum():
    errors = tiebreaker_pictures.mean_errors()
    assert np.allclose(errors.error, errors.formula, rtol=1e-4)


@pytest.mark.parametrize("module", [length, format_bonus])
def test_live_starts_are_not_of_the_record(module):
    starts = {key.start for key in load(module.STUDY).keys} | set(module.STUDY.starts)
    assert not starts & {key.start for key in module.live_keys()}


def test_a_tenth_for_the_form_asked_for_helps_the_real_model_in_every_start():
    kept = small_instructions.follows(load("small_instructions"))
    kept = kept.groupby(["condition", "start"]).value.mean()
    bonus = kept["right answers, bonus 0.1 for following"]
    assert (bonus > kept["right answers"]).all()
