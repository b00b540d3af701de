from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mdps import mdps, patient_mdp, random_mdp, twins
from scipy.special import entr, logsumexp

from companion.theory import (
    FiniteMDP,
    evaluate_policy,
    greedy_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
)
from companion.theory.bellman import error_bound
from companion.theory.rational import whole_rows


def bellman(mdp, q):
    return mdp.rewards + mdp.discount * mdp.next_values(q.max(axis=1))


def soft_bellman(mdp, q, alpha):
    return mdp.rewards + mdp.discount * mdp.next_values(alpha * logsumexp(q / alpha, axis=1))


def test_one_step_q_is_the_reward():
    mdp = random_mdp(0, discount=0.0)
    np.testing.assert_array_equal(optimal_q(mdp), mdp.rewards)


def test_known_two_state_chain():
    # Stay for 1 or leave for 0 to a state that pays 3 for ever.
    transitions = [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]
    mdp = FiniteMDP(transitions, [[1, 0], [3, 3]], 0.5)
    np.testing.assert_allclose(optimal_q(mdp), [[2.5, 3], [6, 6]], atol=1e-12)


@settings(deadline=None)
@given(mdps(exact=True), st.sampled_from([1e-3, 1e-9]))
def test_float_solution_is_within_its_bound_of_the_exact_one(mdp, tol):
    reference = optimal_q(mdp).astype(float)
    floats = FiniteMDP(
        mdp.transitions.astype(float), mdp.rewards.astype(float), float(mdp.discount)
    )
    # The docstring's rounding term (k ≤ 5 successors), and rows and discount read as floats.
    rounding = 3 * (5 + 4 + 4) * 2.0**-53 * max(1.0, np.abs(reference).max())
    error = np.abs(optimal_q(floats, tol) - reference).max()
    assert error <= tol + rounding / (1 - floats.discount)


@settings(deadline=None, max_examples=50)
@given(
    mdps(exact=True, discounts=(0.0, 0.5, 0.9, 0.99, 1 - Fraction(1, 10**30))),
    st.sampled_from([1, Fraction(10) ** 400, Fraction(1, 10**400)]),
)
def test_exact_solution_is_the_fixed_point(mdp, scale):
    mdp = mdp.with_rewards(scale * mdp.rewards)
    q = optimal_q(mdp)
    assert (q == bellman(mdp, q)).all()
    assert all(isinstance(value, Fraction) for value in q.flat)


PATIENT = tuple(1 - 10.0**-k for k in range(6, 13))


@settings(deadline=None, max_examples=200)
@given(twins((*PATIENT, 0.0, 1e-3, 0.1, 0.9, 0.9999), scales=(1.0, 1e8, 1e-8, 1e290)))
def test_error_bound_holds_at_all_discounts_and_sizes(pair):
    floats, exact = pair
    q, reference = optimal_q(floats), optimal_q(exact)
    error = max(abs(Fraction(x) - y) for x, y in zip(q.flat, reference.flat, strict=True))
    assert error <= Fraction(error_bound(floats, q, 1e-9))
    assert error_bound(exact, reference, 1e-9) == 0


def test_policy_iteration_does_not_go_round_in_circles():
    transitions = [[[0, 1], [1, 0]], [[0, 1], [0.5, 0.5]]]
    q = optimal_q(FiniteMDP(transitions, [[-2.0, 1.0], [2.0, 1.0]], 1 - 1e-9))
    np.testing.assert_allclose(q - q[1, 0], [[-4, -5], [0, -3]], atol=1e-5)
    assert q[1, 0] == pytest.approx(2e9, rel=1e-7)


@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_patient_mdps_are_solved(count):
    rng = np.random.default_rng(0)
    for case in range(count):
        mdp, transitions = patient_mdp(rng)
        q, alpha = optimal_q(mdp), float(rng.choice([1e-6, 1e-3, 0.1, 1.0, 100.0]))
        soft = soft_optimal_q(mdp, alpha)
        most = alpha * np.log(mdp.n_actions) / (1 - mdp.discount)
        slack = 1e-9 * (np.abs(q).max() + most + 1)
        assert (soft - q >= -slack).all()
        assert (soft - q <= most + slack).all()
        policy = rng.dirichlet(np.ones(mdp.n_actions), size=mdp.n_states)
        values = evaluate_policy(mdp, policy)
        atol = 1e-9 + 1e-9 * float(np.abs(mdp.rewards).max()) / (1 - mdp.discount)
        assert (values <= q.max(axis=1) + atol).all()
        if case % 10 == 0:
            rewards = np.vectorize(Fraction, otypes=[object])(mdp.rewards)
            twin = FiniteMDP(transitions, rewards, Fraction(mdp.discount))
            exact = optimal_q(twin)
            np.testing.assert_allclose(q, exact.astype(float), rtol=0, atol=atol)
            of_policy = evaluate_policy(twin, whole_rows("policy", policy)).astype(float)
            np.testing.assert_allclose(values, of_policy, rtol=0, atol=atol)


@settings(deadline=None, max_examples=50)
@given(twins(PATIENT), st.sampled_from([0.1, 1.0, 10.0]))
def test_soft_values_are_those_of_the_soft_policy_at_tiny_1_minus_discount(pair, alpha):
    floats, exact = pair
    q = soft_optimal_q(floats, alpha)
    policy = softmax_policy(q, alpha)
    entropy = alpha * entr(policy).sum(axis=1, keepdims=True)
    weights = np.vectorize(Fraction, otypes=[object])(policy)
    for row in weights:
        row[row.argmax()] += 1 - row.sum()
    earned = np.vectorize(Fraction, otypes=[object])(floats.rewards + entropy)
    values = evaluate_policy(exact.with_rewards(earned), weights).astype(float)
    found = alpha * logsumexp(q / alpha, axis=1)
    # Where Q is as large as 1e12, its last digit is 1e-4: the policy is off by 1e-4/α, and what
    # that costs at each step is the square.
    blurred = np.spacing(np.abs(q).max()) ** 2 / alpha
    size = np.abs(floats.rewards).max() + alpha
    atol = 1e-9 + (1e-9 * size + blurred) / (1 - floats.discount)
    np.testing.assert_allclose(found, values, rtol=0, atol=atol)


@settings(deadline=None)
@given(mdps(), st.sampled_from([0.01, 0.3, 1.0, 100.0]))
def test_soft_solution_satisfies_the_soft_bellman_equation(mdp, alpha):
    q = soft_optimal_q(mdp, alpha)
    size = np.abs(q).max() + alpha * np.log(4)
    assert np.abs(q - soft_bellman(mdp, q, alpha)).max() <= 1e-9 + 1e-14 * size


def test_soft_value_is_the_entropy_regularised_value_of_its_policy():
    mdp, alpha = random_mdp(1), 0.4
    q = soft_optimal_q(mdp, alpha)
    policy = softmax_policy(q, alpha)
    entropy = -(policy * np.log(policy)).sum(axis=1, keepdims=True)
    values = evaluate_policy(mdp.with_rewards(mdp.rewards + alpha * entropy), policy)
    np.testing.assert_allclose(values, alpha * logsumexp(q / alpha, axis=1), atol=1e-9)


def test_soft_q_tends_to_hard_q():
    mdp = random_mdp(2)
    gap = soft_optimal_q(mdp, 1e-6) - optimal_q(mdp)
    assert gap.min() >= -1e-9
    assert gap.max() <= 1e-6 * np.log(3) / (1 - mdp.discount) + 1e-9


def test_greedy_policy_attains_the_optimal_value():
    mdp = random_mdp(3, discount=0.9999)
    q = optimal_q(mdp)
    np.testing.assert_allclose(evaluate_policy(mdp, greedy_policy(q)), q.max(axis=1), rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_sparse_and_dense_transitions_agree(seed):
    dense = random_mdp(seed, states=12)
    sparse = FiniteMDP(sp.csr_array(dense.transitions.reshape(36, 12)), dense.rewards, 0.9)
    np.testing.assert_allclose(optimal_q(sparse), optimal_q(dense), atol=1e-8)
    np.testing.assert_allclose(soft_optimal_q(sparse, 0.5), soft_optimal_q(dense, 0.5), atol=1e-8)
    policy = softmax_policy(dense.rewards, 1.0)
    np.testing.assert_allclose(
        evaluate_policy(sparse, policy), evaluate_policy(dense, policy), atol=1e-8
    )


@settings(deadline=None)
@given(mdps(), st.integers(0, 2**32 - 1))
def test_inverse_bellman_inverts_the_bellman_operator(mdp, seed):
    q = np.random.default_rng(seed).normal(size=mdp.rewards.shape)
    reward = inverse_bellman(q, mdp.transitions, mdp.discount)
    np.testing.assert_allclose(optimal_q(mdp.with_rewards(reward)), q, atol=1e-8)


def test_sympy_rationals_keep_a_tie_a_tie():
    third = sympy.Rational(1, 3)
    # 1/3 = 1/5 + 2/15 is false in floats.
    rewards = np.array([[third, sympy.Rational(1, 5) + sympy.Rational(2, 15)]], dtype=object)
    mdp = FiniteMDP([[[1.0], [1.0]]], rewards, Fraction(9, 10))
    q = optimal_q(mdp)
    assert q[0, 0] == q[0, 1] == Fraction(10, 3)
    assert optimal_actions(q).all()


def test_exact_values_of_a_uniform_policy():
    half = Fraction(1, 2)
    transitions = np.array([[[half, half], [1, 0]], [[0, 1], [0, 1]]], dtype=object)
    mdp = FiniteMDP(transitions, np.array([[1, 0], [0, 0]], dtype=object), half)
    policy = np.full((2, 2), half, dtype=object)
    assert evaluate_policy(mdp, policy).tolist() == [Fraction(4, 5), Fraction(0)]
