from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mdps import mdps, random_mdp

from companion.theory import (
    FiniteMDP,
    TokenTree,
    greedy_policy,
    optimal_actions,
    optimal_q,
    stability_radius,
)


def optimal_sets(mdp):
    if isinstance(mdp, TokenTree):
        return np.concatenate([optimal_actions(q, 1e-10) for q in mdp.optimal_q()])
    return optimal_actions(optimal_q(mdp), 1e-8 if not mdp.exact else 0)


def moved(mdp, step):
    if isinstance(mdp, TokenTree):
        levels = [r + d for r, d in zip(mdp.rewards, step, strict=True)]
        return TokenTree(mdp.vocabulary, mdp.depth, levels, mdp.discount, mdp.end_of_sequence)
    return mdp.with_rewards(mdp.rewards + step)


def scaled(direction, factor):
    if isinstance(direction, list):
        return [factor * level for level in direction]
    return factor * direction


def assert_attained(mdp, radius):
    before = optimal_sets(mdp)
    inside = moved(mdp, scaled(radius.direction, 0.999 * radius.exact))
    outside = moved(mdp, scaled(radius.direction, 1.001 * radius.exact))
    assert (optimal_sets(inside) == before).all()
    assert (optimal_sets(outside) != before).any()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("discount", [0.0, 0.9, 0.99])
def test_exact_radius_is_attained_and_above_the_guarantee(seed, discount):
    mdp = random_mdp(seed, discount=discount)
    radius = stability_radius(mdp)
    assert radius.guaranteed <= radius.exact * (1 + 1e-12)
    assert_attained(mdp, radius)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_nothing_changes_inside_the_exact_radius(seed):
    mdp = random_mdp(seed % 7)
    radius = stability_radius(mdp)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=mdp.rewards.shape)
    inside = moved(mdp, 0.999 * radius.exact * signs)
    assert (greedy_policy(optimal_q(inside)) == greedy_policy(optimal_q(mdp))).all()


@settings(deadline=None, max_examples=40)
@given(mdps(exact=True, discounts=(0.0, 0.5, 0.9), max_states=4))
def test_exact_radius_in_rationals(mdp):
    radius = stability_radius(mdp)
    if mdp.n_actions == 1:
        assert radius.exact == np.inf
        return
    assert radius.guaranteed <= radius.exact
    at = radius.exact * np.vectorize(Fraction, otypes=[object])(radius.direction)
    state, action = radius.binding
    # On the wall itself the rival has just tied, to the last bit.
    assert optimal_actions(optimal_q(moved(mdp, at)))[state, action]


def test_guarantee_is_attained_by_disjoint_absorbing_branches():
    # State 0 chooses between two absorbing states; there, action 1 is far worse.
    transitions = np.zeros((3, 2, 3))
    transitions[0, 0, 1] = transitions[0, 1, 2] = 1
    transitions[1, :, 1] = transitions[2, :, 2] = 1
    rewards = [[0.3, 0.0], [1.0, -99.0], [1.0, -99.0]]
    mdp = FiniteMDP(transitions, rewards, 0.9)
    radius = stability_radius(mdp)
    assert radius.guaranteed == pytest.approx(0.015, rel=1e-9)
    assert radius.exact == pytest.approx(radius.guaranteed, rel=1e-9)
    assert_attained(mdp, radius)


def test_one_step_radius_is_half_the_gap():
    mdp = FiniteMDP(np.ones((1, 3, 1)), [[1.0, 0.4, 0.0]], 0.0)
    radius = stability_radius(mdp)
    assert radius.exact == pytest.approx(0.3)
    assert_attained(mdp, radius)


def test_a_tie_has_radius_zero():
    radius = stability_radius(random_mdp(0, tied=True, discount=0.0).with_rewards(np.zeros((6, 3))))
    assert (radius.gap, radius.guaranteed, radius.exact) == (0, 0, 0)


@settings(deadline=None)
@given(
    mdps(exact=True, discounts=(0.0, 0.5, 0.9, 0.99), max_states=4),
    st.sampled_from([Fraction(1), Fraction(10**8, 3), Fraction(10**15, 7), Fraction(1, 10**6)]),
)
def test_ties_are_ties_at_every_size_of_the_rewards(mdp, scale):
    exact = stability_radius(mdp.with_rewards(scale * mdp.rewards))
    floats = FiniteMDP(
        mdp.transitions.astype(float),
        (scale * mdp.rewards).astype(float),
        float(mdp.discount),
    )
    tol = 1e-12 * float(scale)
    found = stability_radius(floats, tol=tol)
    assert (found.exact == 0) == (exact.exact == 0)
    assert (found.gap == 0) == (exact.gap == 0)
    assert found.exact == pytest.approx(float(exact.exact), rel=1e-6)


@given(st.integers(1, 4), st.sampled_from([1.0, 1e8, 1e15]))
def test_ties_are_ties_in_a_large_tree_too(depth, scale):
    # Each string is worth the same, in thirds of which the last takes what is left.
    tree = TokenTree("ab", depth, end_of_sequence=None)
    levels = [np.full(tree.shape(t), scale / 3) for t in range(depth)]
    levels[-1][:, 1] = scale * depth / 3 - sum([scale / 3] * (depth - 1))
    tree = TokenTree("ab", depth, levels, end_of_sequence=None)
    assert stability_radius(tree).exact == 0


def test_rewards_that_may_not_move_do_not_count():
    mdp = FiniteMDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.5)
    only_first = stability_radius(mdp, perturbed=[[True, False]])
    # The state itself recurs under both actions, so only the first step separates them.
    assert only_first.exact == pytest.approx(1.0)
    assert_attained(mdp, only_first)
    assert stability_radius(mdp, perturbed=[[False, False]]).exact == np.inf


@pytest.mark.parametrize("discount", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("end", ["<eos>", None])
@pytest.mark.parametrize("terminal", [True, False])
def test_tree_radius_is_attained(discount, end, terminal):
    rng = np.random.default_rng(5)
    shape = TokenTree(range(3), 4, end_of_sequence=end).shape
    tree = TokenTree(range(3), 4, [rng.normal(size=shape(t)) for t in range(4)], discount, end)
    radius = stability_radius(tree, tree.terminal() if terminal else None)
    assert radius.guaranteed <= radius.exact * (1 + 1e-12)
    assert_attained(tree, radius)


def two_answers(depth, discount, good, bad):
    """A tree in which only two full strings, which part at the root, are worth anything."""
    values = {(0,) * depth: good, (1,) * depth: bad}
    tree = TokenTree.from_completions(
        range(2), depth, lambda y: values.get(y, -100.0), discount, end_of_sequence=None
    )
    # Off the two paths every choice is clear, so that the root binds.
    levels = [level.copy() for level in tree.rewards]
    for t in range(depth):
        for node in range(2**t):
            if node not in (0, 2**t - 1):
                levels[t][node] = [-50.0, -100.0]
    return TokenTree(range(2), depth, levels, discount, end_of_sequence=None)


@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_tree_radius_has_the_closed_form(depth, discount):
    tree = two_answers(depth, discount, 1.0, 0.25)
    gap = 0.75 * discount ** (depth - 1)
    radius = stability_radius(tree)
    expected = gap / (2 * sum(discount**t for t in range(depth)))
    assert radius.binding[0] == (0, 0)
    assert radius.exact == pytest.approx(expected, rel=1e-9)
    assert radius.guaranteed == pytest.approx(expected, rel=1e-9)
    assert_attained(tree, radius)


def test_terminal_rewards_without_discount_have_radius_half_the_gap():
    tree = two_answers(4, 1.0, 1.0, 0.25)
    radius = stability_radius(tree, tree.terminal())
    assert radius.exact == pytest.approx(0.375, rel=1e-9)
    assert_attained(tree, radius)


def test_tree_and_mdp_agree():
    rng = np.random.default_rng(8)
    shape = TokenTree(range(2), 4).shape
    tree = TokenTree(range(2), 4, [rng.normal(size=shape(t)) for t in range(4)], 0.8)
    mdp = tree.to_mdp()
    mask = np.ones(mdp.rewards.shape, dtype=bool)
    mask[-1] = False
    flat, deep = stability_radius(mdp, mask), stability_radius(tree)
    assert flat.exact == pytest.approx(deep.exact, rel=1e-9)
    np.testing.assert_array_equal(flat.direction[:-1], np.concatenate(deep.direction))


def test_exact_tree_radius_is_rational():
    tree = TokenTree(
        range(2), 2, [[[1, 0]], [[Fraction(1, 3), 0], [0, Fraction(1, 7)]]], Fraction(1), None
    )
    with pytest.raises(ValueError, match="perturbed"):
        stability_radius(tree, [])
    radius = stability_radius(tree)
    assert radius.exact == Fraction(1, 14)
