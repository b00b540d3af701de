import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from companion.theory import (
    FiniteMDP,
    optimal_q,
    shaping_norm,
    soft_optimal_q,
    softmax_policy,
)

entries = st.floats(-10, 10)
kernels = arrays(float, (3, 2, 3), elements=st.floats(0.01, 1)).map(
    lambda w: w / w.sum(axis=2, keepdims=True)
)
mdps = st.builds(
    FiniteMDP, kernels, arrays(float, (3, 2), elements=entries), st.sampled_from([0.0, 0.5, 0.95])
)
quick = settings(deadline=None, max_examples=50)


def shaping(mdp, potential):
    return potential[:, None] - mdp.discount * mdp.next_values(potential)


@quick
@given(mdps, arrays(float, 3, elements=entries))
def test_shaping_has_no_size_and_changes_no_policy(mdp, potential):
    bonus = shaping(mdp, potential)
    assert shaping_norm(mdp, bonus) <= 1e-8 * max(1, np.abs(bonus).max())
    other = mdp.with_rewards(mdp.rewards + bonus)
    q, moved = (optimal_q(m, tol=1e-11) for m in (mdp, other))
    np.testing.assert_allclose(q + potential[:, None], moved, atol=1e-7)
    before, after = (softmax_policy(soft_optimal_q(m, 1.0, 1e-11), 1.0) for m in (mdp, other))
    np.testing.assert_allclose(before, after, atol=1e-7)


@quick
@given(mdps, arrays(float, (3, 2), elements=entries), arrays(float, 3, elements=entries))
def test_is_the_least_over_potentials(mdp, change, potential):
    norm = shaping_norm(mdp, change)
    slack = 1e-8 * (1 + np.abs(change).max())
    assert norm <= np.abs(change - shaping(mdp, potential)).max() + slack
    assert norm <= np.abs(change).max() + slack
    assert shaping_norm(mdp, change + shaping(mdp, potential)) == pytest.approx(norm, abs=1e-6)


@quick
@given(mdps, arrays(float, (3, 2), elements=entries))
def test_is_a_seminorm(mdp, change):
    norm = shaping_norm(mdp, change)
    assert shaping_norm(mdp, -2 * change) == pytest.approx(2 * norm, abs=1e-6)


def test_bandit_is_half_the_span():
    bandit = FiniteMDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.9)
    assert shaping_norm(bandit, [[1.0, 5.0, 2.0]]) == pytest.approx(2.0)


def test_sparse_transitions():
    dense = FiniteMDP(np.eye(2)[[[0, 1], [1, 0]]], np.zeros((2, 2)), 0.5)
    sparse = FiniteMDP(sp.csr_matrix(np.eye(2)[[0, 1, 1, 0]]), np.zeros((2, 2)), 0.5)
    change = [[1.0, -2.0], [0.5, 3.0]]
    assert shaping_norm(sparse, change) == pytest.approx(shaping_norm(dense, change))


@pytest.mark.parametrize("bad", [[[1.0]], [1.0, 2.0], [[np.nan, 1.0]], [["a", "b"]]])
def test_refuses_another_shape(bad):
    bandit = FiniteMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    with pytest.raises(ValueError, match="direction"):
        shaping_norm(bandit, bad)
