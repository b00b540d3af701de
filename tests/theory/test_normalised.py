import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from companion.theory import collapse_threshold


def smallest_beta(ties):
    """Least β for which β (u + ½ log(m − 1)) touches cosh u, by minimising the quotient."""
    offset = np.log(ties - 1) / 2
    found = minimize_scalar(
        lambda u: np.cosh(u) / (u + offset),
        bounds=(1e-6, 3),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return found.fun


@pytest.mark.parametrize(("ties", "rounded"), [(2, 1.509), (4, 0.988), (8, 0.750)])
def test_known_values(ties, rounded):
    assert collapse_threshold(ties) == pytest.approx(rounded, abs=5e-4)


@given(st.integers(2, 10**9))
def test_is_the_least_beta_with_a_rest_point(ties):
    assert collapse_threshold(ties) == pytest.approx(smallest_beta(ties), rel=1e-9)


@given(st.integers(2, 10**400))
def test_falls_with_the_number_of_ties(ties):
    assert 0 < collapse_threshold(2 * ties) < collapse_threshold(ties) < 1.51


@pytest.mark.parametrize("ties", [1, 0, -3, 2.5, 2.0, True, "4", None, np.nan])
def test_refuses_what_is_no_number_of_ties(ties):
    with pytest.raises(ValueError, match="ties must be a whole number of at least 2"):
        collapse_threshold(ties)


def test_takes_numpy_integers():
    assert collapse_threshold(np.int64(4)) == collapse_threshold(4)
