import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from companion.theory import mixing_coefficient

kernels = arrays(float, (3, 2, 3), elements=st.floats(0.01, 1)).map(
    lambda w: w / w.sum(axis=2, keepdims=True)
)


def test_equal_rows_mix_at_once():
    assert mixing_coefficient(np.full((4, 2, 4), 0.25)) == 0


def test_rows_apart_do_not_mix():
    assert mixing_coefficient(np.eye(2)[:, None, :]) == 1


@given(kernels, arrays(float, 3, elements=st.floats(-10, 10)))
def test_one_step_shrinks_a_span(kernel, values):
    after = kernel @ values
    assert np.ptp(after) <= mixing_coefficient(kernel) * np.ptp(values) + 1e-9


@given(kernels)
def test_is_attained_by_some_function(kernel):
    """The indicator of the states where one of the two farthest rows has more mass."""
    rows = kernel.reshape(-1, 3)
    best = max(np.ptp(np.stack([p, q]) @ (p > q).astype(float)) for p in rows for q in rows)
    assert mixing_coefficient(kernel) == pytest.approx(best)


@given(kernels)
def test_sparse_rows_are_the_same(kernel):
    flat = sp.csr_matrix(kernel.reshape(-1, 3))
    assert mixing_coefficient(flat) == pytest.approx(mixing_coefficient(kernel))


@pytest.mark.parametrize("bad", [np.ones((2, 1, 2)), np.ones((2, 2)), [[["a"]]], sp.eye(2) * 2])
def test_refuses_what_is_no_kernel(bad):
    with pytest.raises(ValueError, match="transitions"):
        mixing_coefficient(bad)
