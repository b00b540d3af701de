from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from companion.theory import (
    effective_reward,
    greedy_policy,
    optimal_actions,
    softmax_policy,
    total_variation,
    uniform_policy,
)

TIED = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])


def test_optimal_actions_within_atol():
    q = np.array([[1.0, 1.0 - 1e-12, 0.0]])
    assert optimal_actions(q).tolist() == [[True, False, False]]
    assert optimal_actions(q, 1e-9).tolist() == [[True, True, False]]


@pytest.mark.parametrize(
    ("rule", "chosen"), [("first", [1, 0]), ("last", [2, 2]), ([2, 0, 1], [2, 2])]
)
def test_tie_break_is_a_selection_from_the_optimal_actions(rule, chosen):
    policy = greedy_policy(TIED, rule)
    assert policy.argmax(axis=1).tolist() == chosen
    assert (policy.sum(axis=1) == 1).all()


def test_uniform_policy_splits_ties():
    np.testing.assert_allclose(uniform_policy(TIED), [[0, 0.5, 0.5], [1 / 3] * 3])


def test_exact_q_gives_exact_policies():
    q = np.array([[Fraction(1, 3), Fraction(2, 6), Fraction(0)]], dtype=object)
    assert uniform_policy(q).tolist() == [[Fraction(1, 2), Fraction(1, 2), 0]]
    assert total_variation(uniform_policy(q), greedy_policy(q)).tolist() == [Fraction(1, 2)]


@pytest.mark.parametrize("temperature", [1e-308, 1.0, 1e308])
def test_softmax_policy_never_gives_nan(temperature):
    policy = softmax_policy([[1e300, -1e300, 1e300]], temperature)
    np.testing.assert_allclose(policy.sum(axis=1), 1)


@given(arrays(float, (2, 4), elements=st.floats(0.01, 1)))
def test_total_variation_is_the_largest_difference_over_events(weights):
    p, q = weights / weights.sum(axis=1, keepdims=True)
    events = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    np.testing.assert_allclose(total_variation(p, q), ((p - q) @ events).max(), atol=1e-12)


def test_effective_reward_mixes_state_by_state():
    rewards = np.array([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]])
    mixed = effective_reward(rewards, [[1.0, 0.0], [0.25, 0.75]])
    np.testing.assert_allclose(mixed, [[1, 2], [0.75 + 22.5, 1 + 30]])
