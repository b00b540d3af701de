"""Chapter 6's tie-breaker and its control, on recorded runs."""

import numpy as np
import pytest

from companion.data import data_path
from companion.rlhf.studies import bootstrap_interval, read_study

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def at_asked_length():
    """(seeds,) share of answers at the length asked for, by rewards."""
    shares = {}
    for name in ("02_formats", "03_radius"):
        for record in read_study(data_path(f"runs/{name}")):
            key = tuple(sorted(record.experiment.rewards.items()))
            shares[*key, record.experiment.sft_seed] = record.expected("words")
    return lambda **rewards: np.array([shares[*sorted(rewards.items()), s] for s in SEEDS])


@pytest.mark.parametrize("bonus", [0.1, 1.0])
def test_a_small_bonus_decides_the_length(at_asked_length, bonus):
    gain = at_asked_length(correct=1.0, words=bonus) - at_asked_length(correct=1.0)
    assert bootstrap_interval(gain)[0] > 0


def test_more_reward_that_breaks_no_tie_decides_nothing(at_asked_length):
    gain = at_asked_length(correct=1.3) - at_asked_length(correct=1.0)
    bonus = at_asked_length(correct=1.0, words=0.1) - at_asked_length(correct=1.0)
    assert bootstrap_interval(bonus - gain)[0] > 0
    assert abs(gain).max() < 0.1


def test_length_penalty_controls_length_and_costs_no_correctness():
    runs = {
        (e.scale_rewards, e.rewards.get("length", 0.0), e.sft_seed): record
        for record in read_study(data_path("runs/06_length"))
        for e in [record.experiment]
    }
    gain, price = (
        [
            runs["group", 0.18, s].expected(name) - runs["group", 0.0, s].expected(name)
            for s in SEEDS
        ]
        for name in ("length", "correct")
    )
    assert bootstrap_interval(gain)[0] > 0
    assert bootstrap_interval(price)[1] > 0


def test_format_bonus_acts_on_a_tie_and_not_where_the_form_is_paid():
    shares = {}
    for name in ("06_format", "06_length"):
        for record in read_study(data_path(f"runs/{name}")):
            e = record.experiment
            if e.scale_rewards == "group" and "length" not in e.rewards:
                key = ("form" in e.rewards, e.rewards.get("boxed", 0.0), e.sft_seed)
                shares[key] = record.expected("boxed")
    tied, paid = ([shares[f, 0.1, s] - shares[f, 0.0, s] for s in SEEDS] for f in (False, True))
    assert bootstrap_interval(tied)[0] > 0
    assert np.abs(paid).max() < 0.02
