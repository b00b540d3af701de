"""Hypothesis strategies for small MDPs, degenerate ones included."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from companion.theory import FiniteMDP

DISCOUNTS = st.sampled_from([0.0, 0.3, 0.9, 0.99, 0.999])
# A coarse grid makes ties, zero rewards and equal rows common.
NUMBERS = st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-10, 10, width=32))


@st.composite
def kernels(draw, states, actions):
    """Transitions (S, A, S); deterministic rows and absorbing states occur often."""
    successors = draw(hnp.arrays(np.intp, (states, actions), elements=st.integers(0, states - 1)))
    mixing = draw(hnp.arrays(float, (states, actions), elements=st.sampled_from([0.0, 0.5, 1.0])))
    others = draw(hnp.arrays(np.intp, (states, actions), elements=st.integers(0, states - 1)))
    eye = np.eye(states)
    return mixing[..., None] * eye[others] + (1 - mixing[..., None]) * eye[successors]


@st.composite
def mdps(draw, min_actions=1):
    states = draw(st.integers(1, 4))
    actions = draw(st.integers(min_actions, 4))
    rewards = draw(hnp.arrays(float, (states, actions), elements=NUMBERS))
    return FiniteMDP(draw(kernels(states, actions)), rewards, draw(DISCOUNTS))


@st.composite
def changes(draw, shape):
    return draw(hnp.arrays(float, shape, elements=st.floats(-1, 1, width=32)))
