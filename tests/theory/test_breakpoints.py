from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdps import mdps, random_mdp

from companion.theory import (
    FiniteMDP,
    deterministic_policies,
    evaluate_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    policy_breakpoints,
)


def bandit(rewards, discount=0.0):
    return FiniteMDP(np.ones((1, len(rewards), 1)), [rewards], discount)


def sets_at(mdp, direction, epsilon, atol=0):
    moved = mdp.with_rewards(mdp.rewards + epsilon * direction)
    return optimal_actions(optimal_q(moved), atol)


def test_a_tie_at_zero_is_a_breakpoint_from_either_side():
    mdp = bandit([1.0, 1.0, 0.0])
    direction = [[0.0, 1.0, 0.0]]
    both = policy_breakpoints(mdp, direction, (-1, 1))
    assert both.epsilons.tolist() == [0]
    assert both.optimal[:, 0].tolist() == [[True, False, False], [False, True, False]]
    assert policy_breakpoints(mdp, direction, (0, 1)).epsilons.tolist() == [0]
    assert policy_breakpoints(mdp, direction, (-1, 0)).epsilons.tolist() == [0]
    assert policy_breakpoints(mdp, direction, (0.5, 1)).epsilons.size == 0


def test_a_direction_that_keeps_the_tie_has_no_breakpoint():
    found = policy_breakpoints(bandit([1.0, 1.0, 0.0]), [[2.0, 2.0, 0.0]], (0, 1))
    assert found.epsilons.size == 0
    assert found.optimal[0, 0].tolist() == [True, True, False]


def test_potential_shaping_never_changes_the_policy():
    # ΔR = φ(s) − γ E φ(s') moves every Q(s, ·) by φ(s).
    mdp = random_mdp(1, states=5, tied=True)
    phi = np.random.default_rng(2).normal(size=5)
    direction = phi[:, None] - mdp.discount * mdp.next_values(phi)
    found = policy_breakpoints(mdp, direction, (-10, 10))
    assert found.epsilons.size == 0
    assert (found.optimal[0] == sets_at(mdp, direction, 0, 1e-8)).all()


def test_three_lines_through_one_point():
    # max(−ε, 0, ε): the middle action is optimal at the kink only.
    found = policy_breakpoints(bandit([0.0, 0.0, 0.0]), [[-1.0, 0.0, 1.0]], (-1, 1))
    assert found.epsilons.tolist() == [0]
    assert found.optimal[:, 0].tolist() == [[True, False, False], [False, False, True]]


def test_several_states_change_at_one_epsilon():
    transitions = np.broadcast_to(np.eye(3)[:, None], (3, 2, 3))
    mdp = FiniteMDP(transitions, np.tile([1.0, 0.0], (3, 1)), 0.5)
    found = policy_breakpoints(mdp, np.tile([0.0, 1.0], (3, 1)), (0, 2))
    assert found.epsilons.tolist() == [1]
    assert (found.policies[1] == [0, 1]).all()


def test_bump_of_prop_2_9_changes_the_policy_at_zero_only():
    mdp = random_mdp(4)
    q = optimal_q(mdp)
    q[0, 1] = q[0].max()
    q[0, 2] = q[0, 0] - 1
    q[0, 0] = q[0, 1]
    tied = mdp.with_rewards(inverse_bellman(q, mdp.transitions, mdp.discount))
    bump = np.zeros_like(q)
    bump[0, 1] = 1
    direction = inverse_bellman(q + bump, mdp.transitions, mdp.discount) - tied.rewards
    found = policy_breakpoints(tied, direction, (0, 1))
    np.testing.assert_allclose(found.epsilons, [0], atol=1e-12)
    assert found.optimal[-1, 0].tolist() == [False, True, False]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999])
def test_segments_match_solving_between_the_breakpoints(seed, discount):
    mdp = random_mdp(seed, discount=discount)
    direction = np.random.default_rng(seed + 100).normal(size=mdp.rewards.shape)
    found = policy_breakpoints(mdp, direction, (-4, 4))
    assert (np.diff(found.epsilons) > 0).all()
    for i, (left, right) in enumerate(found.segments):
        for share in (1e-3, 0.5, 1 - 1e-3):
            epsilon = left + share * (right - left)
            moved = mdp.with_rewards(mdp.rewards + epsilon * direction)
            q = optimal_q(moved)
            assert (optimal_actions(q) == found.optimal[i]).all()
            values = found.intercepts[i] + epsilon * found.slopes[i]
            np.testing.assert_allclose(q.max(axis=1), values, atol=1e-8)
    # Convex: slopes only rise, in every state.
    assert (np.diff(found.slopes, axis=0) >= -1e-9).all()


@settings(deadline=None, max_examples=40)
@given(
    mdps(exact=True, discounts=(0.0, 0.5, 0.9), max_states=4, max_actions=3),
    st.integers(0, 2**32 - 1),
)
def test_exact_breakpoints_are_complete(mdp, seed):
    drawn = np.random.default_rng(seed).integers(-1, 2, size=mdp.rewards.shape)
    direction = np.vectorize(Fraction, otypes=[object])(drawn)
    found = policy_breakpoints(mdp, direction, (-2, 2))
    for sets, (left, right) in zip(found.optimal, found.segments, strict=True):
        for share in (Fraction(1, 97), Fraction(1, 2), Fraction(96, 97)):
            assert (sets_at(mdp, direction, left + share * (right - left)) == sets).all()
    inside = [e for e in found.epsilons if -2 < e < 2]
    assert [left for left, _ in found.segments[1:]] == inside
    for epsilon in (-2, 2):
        end = found.optimal[0 if epsilon < 0 else -1]
        changes = (sets_at(mdp, direction, Fraction(epsilon)) != end).any()
        assert changes == (epsilon in found.epsilons)
    for before, after in zip(found.optimal, found.optimal[1:], strict=False):
        assert (before != after).any()


@settings(deadline=None, max_examples=40)
@given(
    mdps(exact=True, discounts=(0.0, 0.5, 0.9), max_states=4, max_actions=3),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 10**6, 10**12]),
)
def test_floats_find_the_exact_breakpoints_of_degenerate_mdps(mdp, seed, half):
    drawn = np.random.default_rng(seed).integers(-1, 2, size=mdp.rewards.shape)
    rational = np.vectorize(Fraction, otypes=[object])(drawn)
    exact = policy_breakpoints(mdp, rational, (-half, half))
    floats = FiniteMDP(
        mdp.transitions.astype(float), mdp.rewards.astype(float), float(mdp.discount)
    )
    found = policy_breakpoints(floats, drawn, (-half, half))
    assert found.epsilons.shape == exact.epsilons.shape
    np.testing.assert_allclose(found.epsilons, exact.epsilons.astype(float), atol=1e-9)
    assert (found.optimal == exact.optimal).all()


@pytest.mark.parametrize("half", [5.0, 1e3, 1e6, 1e9, 1e12, 1e300])
def test_breakpoints_do_not_depend_on_the_interval(half):
    mdp = bandit([0.0, 0.1, -0.3])
    found = policy_breakpoints(mdp, [[-1 / 3, 0.0, 1 / 7]], (-half, half))
    np.testing.assert_allclose(found.epsilons, [-0.3, 2.8], rtol=1e-14)


def kinks(mdp, direction, high):
    """The kinks of V*(s; R + εD) over |ε| < high from the lines of all policies, exactly."""
    exact = np.vectorize(Fraction, otypes=[object])
    model = FiniteMDP(exact(mdp.transitions), exact(mdp.rewards), Fraction(mdp.discount))
    along = model.with_rewards(exact(direction))
    lines = []
    for policy in exact(deterministic_policies(mdp.n_states, mdp.n_actions)):
        values = evaluate_policy(model, policy), evaluate_policy(along, policy)
        lines.append(list(zip(*values, strict=True)))
    found = set()
    for of_state in zip(*lines, strict=True):
        epsilon = -Fraction(high)
        top = max(of_state, key=lambda line: (line[0] + epsilon * line[1], line[1]))
        while steeper := [line for line in of_state if line[1] > top[1]]:
            meets = [(top[0] - line[0]) / (line[1] - top[1]) for line in steeper]
            epsilon = min(meets)
            if epsilon >= high:
                break
            found.add(epsilon)
            here = [line for line, at in zip(steeper, meets, strict=True) if at == epsilon]
            top = max(here, key=lambda line: line[1])
    return sorted(found)


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_breakpoints_match_enumeration_on_wide_intervals(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        states, actions = rng.integers(1, 4), rng.integers(2, 4)
        even = np.full(states, 1 / states)
        transitions = rng.multinomial(32, even, size=(states, actions)) / 32
        rewards = 10.0 ** rng.integers(-6, 7) * rng.normal(size=(states, actions))
        direction = rng.normal(size=(states, actions))
        mdp = FiniteMDP(transitions, rewards, rng.choice([0, 0.5, 0.9, 0.99, 0.9999]))
        half = 10 ** rng.uniform(0, 12)
        found = policy_breakpoints(mdp, direction, (-half, half)).epsilons
        expected = np.array(kinks(mdp, direction, half), dtype=float)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("direction", "interval", "message"),
    [
        (np.zeros((2, 2)), (0, 1), r"direction .*\(1, 2\).*\(2, 2\)"),
        ([[0.0, np.nan]], (0, 1), r"direction\[0, 1\] = nan"),
        ([[0.0, 1.0]], (1, 1), r"interval .* \(1, 1\)"),
        ([[0.0, 1.0]], (0, np.inf), "interval .* inf"),
        ([[0.0, 1.0]], 3, "interval .* 3"),
        ([[0.0, 1.0]], (0, 1, 2), r"interval .* pair .* \(0, 1, 2\)"),
        ([[0.0, 1.0]], (0, Fraction(1, 10**400)), "interval .* low < high"),
        ([[0.0, 1.0]], (0, Fraction(10**400)), "interval must fit in floats"),
        ([[0.0, 1.7e308]], (0, 1), "direction .* 1.7e"),
    ],
)
def test_bad_rays_are_refused(direction, interval, message):
    with pytest.raises(ValueError, match=message):
        policy_breakpoints(bandit([1.0, 0.0]), direction, interval)
