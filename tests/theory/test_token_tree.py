from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy.special import rel_entr

from companion.theory import FiniteMDP, TokenTree, greedy_policy, optimal_q, soft_optimal_q

ENDS = ["<eos>", None]


def random_tree(seed, tokens=3, depth=4, discount=0.9, end="<eos>"):
    rng = np.random.default_rng(seed)
    shape = TokenTree(range(tokens), depth, end_of_sequence=end).shape
    levels = [rng.normal(size=shape(t)) for t in range(depth)]
    return TokenTree(range(tokens), depth, levels, discount, end)


def random_policy(tree, seed):
    rng = np.random.default_rng(seed)
    shapes = [tree.shape(t) for t in range(tree.depth)]
    return [rng.dirichlet(np.ones(a), size=n) for n, a in shapes]


@pytest.mark.parametrize("end", ENDS)
def test_completions_are_all_strings_once(end):
    tree = TokenTree("ab", 3, end_of_sequence=end)
    expected = set(product("ab", repeat=3))
    if end:
        expected |= {(*p, end) for t in range(3) for p in product("ab", repeat=t)}
    listed = list(tree.completions())
    assert set(listed) == expected
    assert len(listed) == len(expected)


@pytest.mark.parametrize("end", ENDS)
def test_arrays_over_completions_follow_their_order(end):
    tree = random_tree(0, depth=3, end=end)
    policy = random_policy(tree, 1)
    returns, probabilities = [], []
    for completion in tree.completions():
        node, total, mass = 0, 0.0, 1.0
        for t, token in enumerate(completion):
            action = tree.actions.index(token)
            total += 0.9**t * tree.rewards[t][node, action]
            mass *= policy[t][node, action]
            node += action * 3**t
        returns.append(total)
        probabilities.append(mass)
    np.testing.assert_allclose(tree.completion_returns(), returns)
    np.testing.assert_allclose(tree.completion_probabilities(policy), probabilities)
    assert sum(probabilities) == pytest.approx(1)


@pytest.mark.parametrize("end", ENDS)
def test_root_value_is_the_best_completion(end):
    tree = random_tree(2, end=end)
    assert tree.optimal_q()[0].max() == pytest.approx(tree.completion_returns().max())
    policy = [greedy_policy(q) for q in tree.optimal_q()]
    chosen = tree.completion_probabilities(policy)
    assert chosen[tree.completion_returns().argmax()] == 1


@pytest.mark.parametrize("end", ENDS)
def test_backward_induction_agrees_with_the_mdp(end):
    tree = random_tree(3, end=end)
    mdp = tree.to_mdp()
    np.testing.assert_allclose(optimal_q(mdp)[:-1], np.concatenate(tree.optimal_q()), atol=1e-9)
    soft = soft_optimal_q(mdp, 0.3)
    np.testing.assert_allclose(soft[:-1], np.concatenate(tree.soft_optimal_q(0.3)), atol=1e-9)
    np.testing.assert_allclose(soft[-1], 0, atol=1e-9)


def test_only_a_terminal_end_earns_no_entropy():
    tree = random_tree(3)
    mdp = tree.to_mdp()
    going_on = FiniteMDP(mdp.transitions, mdp.rewards, mdp.discount)
    q = soft_optimal_q(going_on, 0.3)
    assert q[-1] == pytest.approx(0.9 * 0.3 * np.log(4) / (1 - 0.9), rel=1e-9)
    moved = mdp.with_rewards(mdp.rewards + 0.0)
    np.testing.assert_array_equal(soft_optimal_q(moved, 0.3), soft_optimal_q(mdp, 0.3))


@pytest.mark.parametrize(
    ("terminal", "message"),
    [
        ([True, False], "no transition leaves"),
        ([False, True, False], r"terminal .* \(2,\).* \(3,\)"),
        ([0, 1], "terminal .* mask .* int"),
    ],
)
def test_bad_terminal_states_are_refused(terminal, message):
    with pytest.raises(ValueError, match=message):
        FiniteMDP([[[0, 1]], [[0, 1]]], [[1.0], [2.0]], 0.9, terminal)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("beta", [0.05, 0.7, 20.0])
def test_without_discount_steps_and_completions_have_one_optimum(end, beta):
    tree = random_tree(4, discount=1.0, end=end)
    reference = random_policy(tree, 5)
    per_step = tree.soft_optimal_policy(beta, reference)
    whole = tree.kl_optimal_completions(beta, reference)
    np.testing.assert_allclose(tree.completion_probabilities(per_step), whole, atol=1e-12)
    base = tree.completion_probabilities(reference)
    value = whole @ tree.completion_returns() - beta * rel_entr(whole, base).sum()
    q = tree.soft_optimal_q(beta, reference)[0]
    assert beta * np.log(reference[0] @ np.exp(q[0] / beta)) == pytest.approx(value)


def test_discounted_steps_differ_from_completions():
    tree = random_tree(4, discount=0.5)
    reference = random_policy(tree, 5)
    per_step = tree.completion_probabilities(tree.soft_optimal_policy(0.7, reference))
    assert np.abs(per_step - tree.kl_optimal_completions(0.7, reference)).max() > 1e-3


def regularised_value(tree, policy, alpha, reference):
    """E Σ γ^t (R − α KL) at the root, by backward induction with the given policy."""
    below = None
    for t in reversed(range(tree.depth)):
        q = tree.rewards[t].copy()
        if below is not None:
            q[:, :3] += tree.discount * below.reshape(3, -1).T
        penalty = rel_entr(policy[t], reference[t]).sum(axis=1)
        below = (policy[t] * q).sum(axis=1) - alpha * penalty
    return below[0]


@pytest.mark.parametrize("seed", range(3))
def test_per_step_optimum_beats_nearby_policies(seed):
    tree, alpha = random_tree(6), 0.5
    reference = random_policy(tree, 7)
    best = tree.soft_optimal_policy(alpha, reference)
    other = random_policy(tree, 10 + seed)
    top = regularised_value(tree, best, alpha, reference)
    q = tree.soft_optimal_q(alpha, reference)[0][0]
    assert top == pytest.approx(alpha * np.log(reference[0][0] @ np.exp(q / alpha)))
    for mix in (1e-3, 0.1, 1.0):
        near = [(1 - mix) * b + mix * o for b, o in zip(best, other, strict=True)]
        assert regularised_value(tree, near, alpha, reference) < top


def test_entropy_is_kl_to_the_uniform_policy_up_to_a_constant():
    tree = random_tree(9)
    uniform = [np.full(tree.shape(t), 1 / 4) for t in range(4)]
    # KL to uniform = log A − H: at full depth only, strings that end early pay log A less often.
    levels = [level + 0.4 * np.log(4) for level in tree.rewards]
    shifted = TokenTree(range(3), 4, levels, 0.9)
    for entropy, kl in zip(
        tree.soft_optimal_policy(0.4),
        shifted.soft_optimal_policy(0.4, uniform),
        strict=True,
    ):
        np.testing.assert_allclose(entropy, kl, atol=1e-12)


@pytest.mark.parametrize("beta", [1e-308, 0.1])
def test_reference_may_forbid_tokens(beta):
    levels = [level.copy() for level in random_tree(1, depth=3).rewards]
    levels[2][:, 2] += 10  # what is forbidden would be best
    tree = TokenTree(range(3), 3, levels, 0.9)
    reference = [np.zeros(tree.shape(t)) for t in range(3)]
    for level in reference:
        level[:, :2] = 0.5
    policy = tree.soft_optimal_policy(beta, reference)
    assert all((level[:, 2:] == 0).all() for level in policy)
    np.testing.assert_allclose(np.concatenate(policy).sum(axis=1), 1)
    assert all(np.isfinite(q).all() for q in tree.soft_optimal_q(beta, reference))
    assert tree.kl_optimal_completions(beta, reference).sum() == pytest.approx(1)


@pytest.mark.parametrize("end", ENDS)
def test_rewards_of_completions_come_back_as_returns(end):
    def reward(completion):
        return len(completion) + sum(t == "b" for t in completion) / 7

    tree = TokenTree.from_completions("ab", 4, reward, end_of_sequence=end)
    expected = [reward(y) for y in tree.completions()]
    np.testing.assert_allclose(tree.completion_returns(), expected)


def test_exact_rewards_keep_ties():
    fifth = Fraction(1, 5)
    tree = TokenTree.from_completions(
        range(2), 2, lambda y: fifth * 3 if y == (0, 1) else fifth + fifth + fifth, Fraction(1)
    )
    assert set(tree.optimal_q()[0].flat) == {fifth * 3}


def test_exact_tree_and_its_mdp_agree_to_the_last_bit():
    tree = TokenTree.from_completions(range(3), 3, lambda y: Fraction(len(y), 7), Fraction(1, 3))
    assert (optimal_q(tree.to_mdp())[:-1] == np.concatenate(tree.optimal_q())).all()
    soft = soft_optimal_q(tree.to_mdp(), 0.3)[:-1]
    np.testing.assert_allclose(soft, np.concatenate(tree.soft_optimal_q(0.3)), atol=1e-9)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TokenTree([], 2), r"vocabulary .* \[\]"),
        (lambda: TokenTree("aa", 2), "vocabulary .* 'aa'"),
        (lambda: TokenTree("ab", 0), "depth .* 0"),
        (lambda: TokenTree("ab", 2.0), r"depth .* 2\.0"),
        (lambda: TokenTree("ab", 2, [np.zeros((1, 3))]), "rewards must have 2 levels, got 1"),
        (lambda: TokenTree("ab", 1, [np.zeros((1, 2))]), r"rewards\[0\] .*\(1, 3\).*\(1, 2\)"),
        (lambda: TokenTree("ab", 1, [[[0, np.nan, 0]]]), r"rewards\[0\]\[0, 1\] = nan"),
        (lambda: TokenTree("ab", 1, discount=1.5), r"discount .* 1\.5"),
        (lambda: TokenTree("ab", 2).to_mdp(), r"discount .* 1\.0"),
        (lambda: TokenTree("ab", 2).soft_optimal_q(-1), "temperature .* -1"),
        (lambda: TokenTree("ab", 1).soft_optimal_q(1, [[[1, 1, 0]]]), r"reference\[0\] .* sum"),
        (lambda: TokenTree("ab", 1).completion_probabilities([[[2, -1, 0]]]), r"policy\[0\]"),
    ],
)
def test_bad_trees_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
