"""What an MDP and a token tree keep of what they are given: all of it, and a copy."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from companion.theory import (
    FiniteMDP,
    TokenTree,
    deterministic_policies,
    greedy_policy,
    optimal_actions,
    optimal_q,
    policy_breakpoints,
    soft_optimal_q,
    total_variation,
)

# Ways to hold the same numbers in memory that someone else may write to later.
LAYOUTS = {
    "rows first": np.array,
    "columns first": np.asfortranarray,
    "a view": lambda array: np.repeat(array, 2, axis=0)[::2],
    "read-only, of a writeable one": lambda array: _read_only_view(np.array(array)),
    "integers": lambda array: np.array(array).round().astype(np.int64),
    "objects": lambda array: np.vectorize(Fraction, otypes=[object])(array),
}
SPARSE = (sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.lil_array)


def _read_only_view(array):
    view = array.view()
    view.flags.writeable = False
    return view


def scribble(array):
    """Write over all of the memory behind an array."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    array[...] = 7


@given(st.sampled_from(list(LAYOUTS)), st.sampled_from(list(LAYOUTS)), st.integers(1, 3))
def test_an_mdp_keeps_its_own_numbers(rewards_as, transitions_as, states):
    rng = np.random.default_rng(states)
    given_rewards = LAYOUTS[rewards_as](rng.integers(-3, 4, size=(states, 2)).astype(float))
    given_transitions = LAYOUTS[transitions_as](
        np.eye(states)[rng.integers(states, size=(states, 2))]
    )
    over = np.zeros(states, dtype=bool)
    mdp = FiniteMDP(given_transitions, given_rewards, 0.5, over)
    kept = mdp.rewards.copy(), mdp.transitions.copy(), optimal_q(mdp)
    scribble(given_rewards)
    scribble(given_transitions)
    over[:] = True
    assert (mdp.rewards == kept[0]).all()
    assert (mdp.transitions == kept[1]).all()
    assert (optimal_q(mdp) == kept[2]).all()
    assert not mdp.terminal.any()
    for array in (mdp.rewards, mdp.transitions, mdp.terminal):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("kind", SPARSE)
def test_an_mdp_keeps_its_own_sparse_transitions(kind):
    matrix = kind(np.array([[0.5, 0.5], [0.0, 1.0]]))
    mdp = FiniteMDP(matrix, [[1.0], [0.0]], 0.5)
    before = optimal_q(mdp).copy()
    (matrix.data if kind is not sp.lil_array else matrix)[...] = 0.25
    np.testing.assert_array_equal(mdp.transitions.toarray(), [[0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_array_equal(optimal_q(mdp), before)
    with pytest.raises(ValueError, match="read-only"):
        mdp.transitions.data[0] = 0


def test_mdps_made_of_one_array_are_not_one():
    rewards = np.zeros((1, 2))
    mdps = []
    for size in range(3):
        rewards[0, 0] = size
        mdps.append(FiniteMDP(np.ones((1, 2, 1)), rewards, 0.0))
    assert [mdp.rewards[0, 0] for mdp in mdps] == [0, 1, 2]


@given(st.sampled_from(list(LAYOUTS)), st.integers(1, 3), st.integers(1, 3))
def test_a_tree_keeps_its_own_numbers(layout, tokens, depth):
    rng = np.random.default_rng(depth)
    shapes = [(tokens**t, tokens + 1) for t in range(depth)]
    levels = [LAYOUTS[layout](rng.integers(-3, 4, size=s).astype(float)) for s in shapes]
    tree = TokenTree(range(tokens), depth, levels)
    before = [level.copy() for level in tree.rewards]
    for level in levels:
        scribble(level)
    levels.clear()
    for kept, was in zip(tree.rewards, before, strict=True):
        assert (kept == was).all()
        with pytest.raises(ValueError, match="read-only"):
            kept[...] = 0


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=12), st.booleans())
def test_exact_sparse_rows_must_sum_to_one_exactly(weights, mend):
    row = np.array(weights) / sum(weights)
    total = sum(map(Fraction, row))
    if mend:  # make it whole, if a float can
        row[row.argmax()] = float(Fraction(row.max()) + 1 - total)
        total = sum(map(Fraction, row))
    matrix = sp.csr_array(np.tile(row, (row.size, 1)))
    rewards = np.full((row.size, 1), Fraction(1), dtype=object)
    if total == 1:
        q = optimal_q(FiniteMDP(matrix, rewards, Fraction(1, 2)))
        assert set(q.flat) == {Fraction(2)}
    else:
        with pytest.raises(ValueError, match="row sums must be 1"):
            FiniteMDP(matrix, rewards, Fraction(1, 2))


def test_sparse_entries_given_twice_are_added():
    twice = sp.csr_array(([1.5, -0.5], ([0, 0], [0, 0])), shape=(1, 1))
    assert FiniteMDP(twice, [[1.0]], 0.5).transitions.toarray().tolist() == [[1.0]]


INTEGERS = {
    "int8": np.int8,
    "uint64": np.uint64,
    "int64": np.int64,
    "pandas": lambda number: pd.Series([number], dtype="Int64")[0],
    "pandas int16": lambda number: pd.Series([number], dtype="int16").iloc[0],
}


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_numpy_and_pandas_are_integers(kind):
    whole = INTEGERS[kind]
    tree = TokenTree("ab", whole(2), discount=whole(1))
    assert (tree.depth, tree.discount) == (2, 1.0)
    lengths = TokenTree.from_completions("ab", whole(2), lambda y: whole(len(y)))
    assert sorted(set(lengths.completion_returns())) == [1, 2]
    assert deterministic_policies(whole(2), whole(3)).shape == (9, 2, 3)
    assert total_variation([[0.5, 0.5]], [[1.0, 0.0]], whole(1)).tolist() == [0.5]
    order = [whole(i) for i in (2, 0, 1)]
    assert greedy_policy(np.zeros((1, 3)), order).tolist() == [[0, 0, 1]]
    assert optimal_actions([[whole(1), whole(2)]], whole(1)).all()
    mdp = FiniteMDP(np.ones((1, 2, 1), int), [[whole(3), whole(1)]], whole(0))
    assert optimal_q(mdp, whole(1)).tolist() == [[3, 1]]
    assert soft_optimal_q(mdp, whole(1), whole(1)).tolist() == [[3, 1]]
    found = policy_breakpoints(mdp, [[whole(0), whole(1)]], (whole(0), whole(5)))
    assert found.epsilons.tolist() == [2]


def test_data_frames_and_series_are_arrays():
    frame = pd.DataFrame({"left": [3, 1], "right": [1, 3]}, dtype="Int64")
    mdp = FiniteMDP(np.full((2, 2, 2), 0.5), frame, 0.5)
    assert not mdp.exact
    assert optimal_q(mdp).tolist() == optimal_q(mdp.with_rewards([[3, 1], [1, 3]])).tolist()
    chosen = greedy_policy(frame, pd.Series([1, 0]))
    assert chosen.tolist() == [[1, 0], [0, 1]]
