"""Claims and controls of chapters 2 and 3, on the recorded runs."""

import pytest

from companion.rlhf.distances import distribution_distance
from companion.studies import formats, judge, load, radius


@pytest.fixture(scope="module")
def of_formats():
    return load("formats")


@pytest.fixture(scope="module")
def of_radius():
    return load("radius")


@pytest.fixture(scope="module")
def verdicts(of_formats, of_radius):
    found = [*judge("formats", of_formats), *judge("radius", of_radius)]
    return {verdict.claim.id: verdict for verdict in found}


def test_no_claim_of_the_chapters_is_contradicted(verdicts):
    assert [id for id, v in verdicts.items() if v.words == "contradicted"] == []


def test_a_change_that_tells_no_forms_apart_moves_them_less_than_chance(verdicts):
    control = verdicts["control"]
    assert control.ours.value < 0.1
    assert control.difference.value < -0.1


def test_paid_for_the_asked_length_every_start_ends_there(of_formats):
    shares = formats.asked_share(of_formats)
    assert shares[shares.condition == "asked length 0.3"].value.min() > 0.9


def test_wrong_answers_fall_in_every_run(of_formats):
    wrong = formats.wrong(of_formats)
    before = wrong[wrong.condition == formats.BEFORE].value
    assert wrong[wrong.condition != formats.BEFORE].value.max() < before.min()


def test_what_is_right_in_each_form_and_what_is_wrong_make_all_answers(of_formats):
    run = of_formats[0]
    right, listed = formats.probability(run, "correct"), formats.probability(run)
    assert 0 < formats.probability(run, "correct", "words") < right < listed
    assert listed == pytest.approx(1, abs=0.05)


def test_shifts_pair_the_starts(of_formats):
    shifts = formats.shifts(of_formats)
    unpaid = formats.asked_share(of_formats.only(formats.NO_CHANGE, repeats=[0]))
    part = shifts[(shifts.measure == "share") & (shifts.condition == "asked length 0.03")]
    assert part.before.tolist() == unpaid[unpaid.start.isin(part.start)].value.tolist()


def test_inside_the_radius_the_lengths_move_less_than_across_the_tie(verdicts, of_radius):
    assert verdicts["inside"].difference.value < -0.5
    moved = radius.moved(of_radius)
    highest = moved[moved.condition == "inside the radius"].value.max()
    assert highest < moved[moved.condition == "across the tie"].value.min()


def test_beyond_the_radius_the_policies_follow_the_optimum(verdicts):
    assert verdicts["beyond"].ours.value > 0.5
    assert verdicts["sides"].difference.value > 0.5


def test_the_noise_floor_is_larger_at_the_tie(verdicts):
    assert verdicts["chance"].difference.value > 0.1


def test_sizes_are_those_of_the_rewards():
    assert [radius.size_of(step) for step in radius.STEPS] == [0.4, 0.9, 1.1, 0.2, 0.1, 0.1]
    assert radius.size_of("noise floor, tie") == 0


def test_a_policy_is_nowhere_from_itself(of_radius):
    run = of_radius[0]
    apart = formats.lengths_apart(run, run)
    assert apart["value"] == pytest.approx(0, abs=1e-9)
    table = formats.trained_on(run)
    whole = distribution_distance(table, table)
    assert apart["upper"] == pytest.approx(whole.upper, abs=1e-6)


@pytest.mark.parametrize("study", [formats, radius])
def test_live_starts_are_not_of_the_record(study):
    starts = {key.start for key in load(study.STUDY).keys} | set(study.STUDY.starts)
    assert not starts & {key.start for key in study.live_keys()}
