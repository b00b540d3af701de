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


def test_another_sampling_seed_does_less_than_a_small_bonus(at_asked_length):
    replicas = {
        r.experiment.sft_seed: r.expected("words")
        for r in read_study(data_path("runs/03_radius_floor"))
        if "words" not in r.experiment.rewards
    }
    again = np.array([replicas[s] for s in SEEDS])
    alone = at_asked_length(correct=1.0)
    gain = at_asked_length(correct=1.0, words=0.1) - (alone + again) / 2
    assert bootstrap_interval(gain)[0] > abs((again - alone).mean())


def by_seed(records, component):
    """(seeds,) mean of a component after training."""
    ends = {r.experiment.sft_seed: r.expected(component) for r in records}
    return np.array([ends[s] for s in SEEDS])


@pytest.fixture(scope="module")
def lengths():
    """Records by (scaling, weight of the length component), and the noise floor by scaling."""
    runs = {}
    for record in read_study(data_path("runs/06_length")):
        e = record.experiment
        runs.setdefault((e.scale_rewards, e.rewards.get("length", 0.0)), []).append(record)
    for name in ("05_obedience_floor_short", "06_floor"):
        for record in read_study(data_path(f"runs/{name}")):
            if record.experiment.hidden_size == 64:
                runs.setdefault((record.experiment.scale_rewards, "floor"), []).append(record)
    return runs


def test_length_penalty_controls_length_beyond_the_noise_floor(lengths):
    alone, again, penalised = (
        by_seed(lengths["group", key], "length") for key in (0.0, "floor", 0.18)
    )
    gain = penalised - (alone + again) / 2
    assert bootstrap_interval(gain)[0] > abs((again - alone).mean())


def test_length_penalty_costs_no_correctness(lengths):
    alone, penalised = (by_seed(lengths["group", key], "correct") for key in (0.0, 0.18))
    assert bootstrap_interval(penalised - alone)[0] > -0.02


def test_the_papers_penalty_stays_within_the_noise_floor(lengths):
    """What the chapter reports against the paper: at its alpha nothing shows here."""
    for scaling in ("group", "none"):
        alone, again, penalised = (
            by_seed(lengths[scaling, key], "length") for key in (0.0, "floor", 0.0018)
        )
        gain = penalised - (alone + again) / 2
        assert gain.mean() < np.abs(bootstrap_interval(again - alone)).max()


@pytest.fixture(scope="module")
def boxed():
    """(seeds,) share of boxed answers by (trainer, form is paid, bonus for a box)."""
    runs = {}
    for name in ("06_format", "06_format_exact", "06_length"):
        for record in read_study(data_path(f"runs/{name}")):
            e = record.experiment
            if e.scale_rewards == "group" and "length" not in e.rewards:
                key = (e.trainer, "form" in e.rewards, e.rewards.get("boxed", 0.0))
                runs.setdefault(key, []).append(record)
    return {key: by_seed(records, "boxed") for key, records in runs.items()}


def test_format_bonus_acts_on_a_tie_and_not_where_the_form_is_paid(boxed):
    tied, paid = (boxed["grpo", f, 0.1] - boxed["grpo", f, 0.0] for f in (False, True))
    assert bootstrap_interval(tied)[0] > 0
    assert np.abs(paid).max() < 0.02
    assert bootstrap_interval(tied - paid)[0] > 0


def test_format_bonus_decides_where_every_form_is_seen(boxed):
    """The exact gradient; sampled runs may never see the form that the bonus is for."""
    exact = boxed["exact", False, 1.0] - boxed["exact", False, 0.0]
    assert bootstrap_interval(exact)[0] > 0
    assert boxed["exact", False, 1.0].min() > boxed["grpo", False, 1.0].min()
