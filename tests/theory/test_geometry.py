from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mdps import mdps, random_mdp

from companion.theory import (
    FiniteMDP,
    deterministic_policies,
    evaluate_policy,
    occupancy,
    optimal_q,
)


def random_policy(mdp, seed):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states), rng.dirichlet(
        np.ones(mdp.n_states)
    )


@given(mdps(), st.integers(0, 1000))
def test_occupancy_obeys_the_flow(mdp, seed):
    policy, start = random_policy(mdp, seed)
    d = occupancy(mdp, policy, start)
    assert (d >= 0).all()
    inflow = np.einsum("sa,sat->t", d, mdp.transitions)
    assert d.sum() == pytest.approx(1 / (1 - mdp.discount), rel=1e-9)
    assert d.sum(axis=1) == pytest.approx(start + mdp.discount * inflow, rel=1e-9)


@given(mdps(discounts=(0.0, 0.5, 0.9)), st.integers(0, 1000))
def test_value_is_linear_in_the_reward(mdp, seed):
    policy, start = random_policy(mdp, seed)
    value = start @ evaluate_policy(mdp, policy)
    assert (occupancy(mdp, policy, start) * mdp.rewards).sum() == pytest.approx(value, abs=1e-9)


@given(mdps(discounts=(0.0, 0.5, 0.9), max_states=3, max_actions=3))
def test_optimal_value_is_the_support_function(mdp):
    start = np.full(mdp.n_states, 1 / mdp.n_states)
    corners = [
        occupancy(mdp, p, start) for p in deterministic_policies(mdp.n_states, mdp.n_actions)
    ]
    best = max((d * mdp.rewards).sum() for d in corners)
    optimum = start @ optimal_q(mdp).max(axis=1)
    assert best == pytest.approx(optimum, abs=1e-8)


def test_exact_occupancy():
    half = Fraction(1, 2)
    transitions = np.array([[[0, 1]], [[1, 0]]])
    mdp = FiniteMDP(transitions, np.array([[Fraction(0)], [Fraction(1)]]), half)
    d = occupancy(mdp, np.ones((2, 1)), [1, 0])
    assert d.tolist() == [[Fraction(4, 3)], [Fraction(2, 3)]]


def test_deterministic_policies_are_all_of_them():
    policies = deterministic_policies(2, 3)
    assert policies.shape == (9, 2, 3)
    assert len({p.tobytes() for p in policies}) == 9
    assert (policies.sum(axis=2) == 1).all()
    assert policies[1].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("policy", "start", "message"),
    [
        (np.ones((2, 2)) / 2, [0.5, 0.5], "policy must have shape"),
        (np.ones((6, 3)), np.ones(6) / 6, "policy must sum to 1"),
        (np.ones((6, 3)) / 3, [0.5, 0.5], "start must have shape"),
        (np.ones((6, 3)) / 3, np.ones(6), "start must sum to 1"),
    ],
)
def test_bad_input(policy, start, message):
    with pytest.raises(ValueError, match=message):
        occupancy(random_mdp(0), policy, start)
