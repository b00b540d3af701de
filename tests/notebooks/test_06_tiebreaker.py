"""Chapter 6's tie-breaker and its control, on recorded runs."""

import numpy as np
import pytest

from companion.studies import load, mean_interval

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def at_asked_length():
    """(seeds,) share of answers at the length asked for, by rewards."""
    shares = {}
    for name in ("formats", "radius"):
        for record in load(name).only(repeats=[0]):
            key = tuple(sorted(record.experiment.rewards.items()))
            shares[*key, record.experiment.sft_seed] = record.expected("words")
    return lambda **rewards: np.array([shares[*sorted(rewards.items()), s] for s in SEEDS])


@pytest.mark.parametrize("bonus", [0.1, 1.0])
def test_a_small_bonus_decides_the_length(at_asked_length, bonus):
    gain = at_asked_length(correct=1.0, words=bonus) - at_asked_length(correct=1.0)
    assert mean_interval(gain).low > 0


def test_more_reward_that_breaks_no_tie_decides_nothing(at_asked_length):
    gain = at_asked_length(correct=1.3) - at_asked_length(correct=1.0)
    bonus = at_asked_length(correct=1.0, words=0.1) - at_asked_length(correct=1.0)
    assert (bonus - gain).mean() > 0.2  # five starts just do not tell it from zero
    assert sum(bonus > gain) >= 4
    assert abs(gain).max() < 0.1


def test_another_sampling_seed_does_less_than_a_small_bonus(at_asked_length):
    replicas = {
        r.experiment.sft_seed: r.expected("words")
        for r in load("radius").only("weight 0", repeats=[1])
    }
    again = np.array([replicas[s] for s in SEEDS])
    alone = at_asked_length(correct=1.0)
    gain = at_asked_length(correct=1.0, words=0.1) - (alone + again) / 2
    assert mean_interval(gain).low > abs((again - alone).mean())


def by_seed(records, component):
    """(seeds,) mean of a component after training."""
    ends = {r.experiment.sft_seed: r.expected(component) for r in records}
    return np.array([ends[s] for s in SEEDS])


@pytest.fixture(scope="module")
def lengths():
    """Records by (scaling, weight of the length component), and the noise floor by scaling."""
    runs = {}
    for record in load("length").only(repeats=[0]):
        e = record.experiment
        runs.setdefault((e.scale_rewards, e.rewards.get("length", 0.0)), []).append(record)
    for record in load("length").only(repeats=[1]):
        runs.setdefault((record.experiment.scale_rewards, "floor"), []).append(record)
    return runs


def test_length_penalty_controls_length_beyond_the_noise_floor(lengths):
    alone, again, penalised = (
        by_seed(lengths["group", key], "length") for key in (0.0, "floor", 0.18)
    )
    gain = penalised - (alone + again) / 2
    assert mean_interval(gain).low > abs((again - alone).mean())


def test_length_penalty_costs_no_correctness(lengths):
    alone, penalised = (by_seed(lengths["group", key], "correct") for key in (0.0, 0.18))
    assert mean_interval(penalised - alone).low > -0.02


def test_the_papers_penalty_stays_within_the_noise_floor(lengths):
    """What the chapter reports against the paper: at its alpha nothing shows here."""
    for scaling in ("group", "none"):
        alone, again, penalised = (
            by_seed(lengths[scaling, key], "length") for key in (0.0, "floor", 0.0018)
        )
        gain = penalised - (alone + again) / 2
        assert gain.mean() < np.abs(mean_interval(again - alone).ends).max()


@pytest.fixture(scope="module")
def boxed():
    """(seeds,) share of boxed answers by (trainer, form is paid, bonus for a box)."""
    runs = {}
    for record in load("format_bonus").only(repeats=[0]):
        e = record.experiment
        key = (e.trainer, "form" in e.rewards, e.rewards.get("boxed", 0.0))
        runs.setdefault(key, []).append(record)
    return {key: by_seed(records, "boxed") for key, records in runs.items()}


def test_format_bonus_acts_on_a_tie_and_not_where_the_form_is_paid(boxed):
    tied, paid = (boxed["grpo", f, 0.1] - boxed["grpo", f, 0.0] for f in (False, True))
    assert mean_interval(tied).low > 0
    assert np.abs(paid).max() < 0.02
    assert mean_interval(tied - paid).low > 0


def test_format_bonus_decides_where_every_form_is_seen(boxed):
    """The exact gradient; sampled runs may never see the form that the bonus is for."""
    exact = boxed["exact", False, 1.0] - boxed["exact", False, 0.0]
    assert mean_interval(exact).low > 0
    assert boxed["exact", False, 1.0].min() > boxed["grpo", False, 1.0].min()
