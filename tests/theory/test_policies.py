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


@given(
    arrays(float, (2, 3), elements=st.floats(-0.5, 1.5)),
    st.sampled_from([0, 1, -1, -2]),
    st.booleans(),
)
def test_total_variation_takes_distributions_only(drawn, axis, exact):
    other = np.full((2, 3), 1 / drawn.shape[axis])
    if exact:
        drawn = np.vectorize(Fraction, otypes=[object])(drawn)
    whole = (drawn >= 0).all() and (np.abs(drawn.sum(axis=axis) - 1) <= 1e-9 * (not exact)).all()
    if whole:
        assert (total_variation(drawn, other, axis) <= 1).all()
    else:
        with pytest.raises(ValueError, match=r"^p must"):
            total_variation(drawn, other, axis)
    if (drawn >= 0).all() and (drawn.sum(axis=axis) > 0).all():
        mended = drawn / drawn.sum(axis=axis, keepdims=True)
        assert total_variation(mended, mended, axis).tolist() == [0] * drawn.shape[1 - axis % 2]
        assert (total_variation(mended, other, axis) <= 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("p", "axis", "message"),
    [
        ([0.5, 0.6], -1, r"p must sum to 1 .* 1\.1"),
        ([1.5, -0.5], -1, r"p\[1\] = -0\.5"),
        ([np.nan, 0.5], -1, r"p\[0\] = nan"),
        (np.ma.masked_equal([0.5, 0.5, 7.0], 7.0), -1, "p must not have masked"),
        (1.0, -1, "p must have an axis"),
        ([1.0], 1, "axis must be one of the 1 axes of p, got 1"),
        ([1.0], 0.0, r"axis .* 0\.0"),
    ],
)
def test_what_is_not_a_distribution_has_no_distance(p, axis, message):
    with pytest.raises(ValueError, match=message):
        total_variation(p, [0.5, 0.5], axis)


def test_effective_reward_mixes_state_by_state():
    rewards = np.array([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 20.0], [30.0, 40.0]]])
    mixed = effective_reward(rewards, [[1.0, 0.0], [0.25, 0.75]])
    np.testing.assert_allclose(mixed, [[1, 2], [0.75 + 22.5, 1 + 30]])
