"""What trainers divide by, and where they come to rest."""

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from companion.results import sharp_12_advantage_normalisation as fact_12
from companion.theory import advantages, settle

GUARD = 1e-4


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def world(rng, prompts=3, answers=5, rewards=2):
    policy = rng.dirichlet(np.ones(answers), size=prompts)
    return policy, rng.normal(size=(rewards, prompts, answers)), rng.uniform(0.5, 2, rewards)


def test_no_scaling_rests_at_the_gibbs_policy(rng):
    reference, rewards, weights = world(rng)
    rest = settle(reference, rewards, weights, 0.7, "none", GUARD)
    reward = np.tensordot(weights, rewards, axes=1)
    assert rest == pytest.approx(softmax(np.log(reference) + reward / 0.7, axis=1), abs=1e-9)


@pytest.mark.parametrize("scaling", ["group", "batch", "each", "decoupled"])
def test_at_rest_log_odds_are_advantages_over_beta(rng, scaling):
    reference, rewards, weights = world(rng)
    rest = settle(reference, rewards, weights, 3.0, scaling, GUARD)
    followed = advantages(rest, rewards, weights, scaling, GUARD)
    gap = np.log(rest / reference) - followed / 3.0
    assert np.ptp(gap, axis=1).max() < 1e-5


@pytest.mark.parametrize("epsilon", [1e-5, 1e-3, 0.1])
@pytest.mark.parametrize(("ties", "beta"), [(3, 2.0), (4, 1.0), (4, 0.2)])
def test_a_tied_bandit_rests_where_fact_12_says(epsilon, ties, beta):
    reward = np.zeros((1, 1, ties))
    reward[0, 0, 0] = epsilon
    rest = settle(np.full((1, ties), 1 / ties), reward, [1.0], beta, "group", GUARD)
    expected = fact_12.rest_point(epsilon, beta, ties, GUARD)
    assert rest[0, 0] == pytest.approx(expected, abs=1e-6)


def test_one_reward_divided_on_its_own_is_divided_by_the_batch_again(rng):
    policy, rewards, _ = world(rng, rewards=1)
    followed = advantages(policy, rewards, [1.0], "decoupled", 0.0)
    group = advantages(policy, rewards, [1.0], "group", 0.0)
    assert np.ptp(followed - group, axis=1).max() < 1e-12  # a deviation of one, once more


def test_advantages_forget_the_size_of_a_reward_without_a_guard(rng):
    policy, rewards, _ = world(rng, rewards=1)
    for scaling in ("group", "batch", "each", "decoupled"):
        small, large = (advantages(policy, s * rewards, [1.0], scaling, 0.0) for s in (1e-3, 1.0))
        assert small == pytest.approx(large)


def test_bad_input():
    tied = np.zeros((1, 1, 2))
    with pytest.raises(ValueError, match="reference must sum to 1"):
        settle([[0.5, 0.6]], tied, [1.0], 1.0, "none", GUARD)
    with pytest.raises(ValueError, match="beta must be a finite number above 0"):
        settle([[0.5, 0.5]], tied, [1.0], 0.0, "none", GUARD)
    with pytest.raises(ValueError, match="guard must be a finite number above 0"):
        settle([[0.5, 0.5]], tied, [1.0], 1.0, "group", 0.0)
    with pytest.raises(ValueError, match="scaling must be one of none, group, batch"):
        settle([[0.5, 0.5]], tied, [1.0], 1.0, "std", GUARD)


def test_effective_temperature_of_one_bonus():
    epsilon, beta, mass = 0.01, 2.0, 0.3
    reward = np.array([[[epsilon, 0.0]]])
    rest = settle([[mass, 1 - mass]], reward, [1.0], beta, "group", GUARD)[0, 0]
    deviation = epsilon * np.sqrt(rest * (1 - rest))
    assert rest == pytest.approx(expit(logit(mass) + epsilon / (beta * (deviation + GUARD))))
