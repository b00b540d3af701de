"""The finite discounted Markov decision process and its effective reward."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from companion.theory._checks import (
    ROW_SUM_TOLERANCE,
    Array,
    discount_factor,
    distributions,
    fractions,
    is_exact,
    real_array,
    refuse,
)


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A finite MDP (S, A, P, R, γ): the paper's setting (A2.1-A2.3) with finite S and A.

    transitions: (S, A, S), `transitions[s, a, t]` = P(t | s, a); or a SciPy sparse matrix of
        shape (S·A, S), row s·A + a, for large state spaces.
    rewards: (S, A). An object array of Fractions or SymPy Rationals makes the MDP *exact*:
        transitions and discount are then read exactly too (a float counts as the binary
        fraction it is), and `optimal_q` and `evaluate_policy` work in rational arithmetic.
    discount: γ in [0, 1).

    Raises ValueError, naming the argument and its value, for entries that are not finite, rows
    that are not distributions (floats to 1e-9, exactly for an exact MDP), shapes that disagree,
    no state or no action, and a discount outside [0, 1).
    """

    transitions: Any
    rewards: Any
    discount: Any

    def __post_init__(self) -> None:
        rewards = real_array("rewards", self.rewards, ndim=2)
        exact = is_exact(rewards)
        states, actions = rewards.shape
        transitions = _transitions(self.transitions, exact=exact)
        shape = (states * actions, states) if sp.issparse(transitions) else (*rewards.shape, states)
        if transitions.shape != shape:
            raise ValueError(
                f"transitions must have shape {shape} to fit rewards of shape {rewards.shape}, "
                f"got {transitions.shape}"
            )
        object.__setattr__(self, "transitions", transitions)
        object.__setattr__(self, "rewards", _read_only(rewards))
        object.__setattr__(self, "discount", discount_factor(self.discount, exact=exact))

    @property
    def n_states(self) -> int:
        """S."""
        return self.rewards.shape[0]

    @property
    def n_actions(self) -> int:
        """A."""
        return self.rewards.shape[1]

    @property
    def exact(self) -> bool:
        """Whether rewards, transitions and discount are rationals."""
        return is_exact(self.rewards)

    @cached_property
    def max_successors(self) -> int:
        """The largest number of states that one (state, action) can lead to."""
        if sp.issparse(self.transitions):
            return int(np.diff(self.transitions.indptr).max())
        return int(np.count_nonzero(self.transitions, axis=-1).max())

    def next_values(self, values: Array) -> Array:
        """E[values(s') | s, a], shape (S, A), for values of shape (S,)."""
        return expected_next(self.transitions, values)

    def with_rewards(self, rewards: ArrayLike) -> "FiniteMDP":
        """The same dynamics under other rewards of shape (S, A)."""
        return FiniteMDP(self.transitions, rewards, self.discount)


def effective_reward(rewards: ArrayLike, weights: ArrayLike) -> Array:
    """R_eff(s, a) = Σ_k w_k(s) R_k(s, a), shape (S, A) (paper, section 4).

    rewards: (K, S, A), weights: (S, K), rows in the simplex. Raises ValueError for other shapes
    or weights that are negative or do not sum to one.
    """
    stack = real_array("rewards", rewards, ndim=3)
    mix = distributions("weights", real_array("weights", weights, ndim=2))
    if mix.shape != (stack.shape[1], stack.shape[0]):
        raise ValueError(
            f"weights must have shape (S, K) = {(stack.shape[1], stack.shape[0])}, got {mix.shape}"
        )
    if is_exact(stack) and not is_exact(mix):
        mix = distributions("weights", fractions("weights", mix))
    return (mix.T[:, :, None] * stack).sum(axis=0)


def expected_next(transitions: Any, values: Array) -> Array:
    """Σ_t P(t | s, a) values(t), shape (S, A), for dense or sparse transitions."""
    if not sp.issparse(transitions):
        # One matrix-vector product; over three axes NumPy would run S small ones.
        flat = transitions.reshape(-1, values.size) @ values
        return flat.reshape(transitions.shape[:2])
    if not is_exact(values):
        return (transitions @ values).reshape(values.size, -1)
    rows = zip(transitions.indptr, transitions.indptr[1:], strict=False)
    data = fractions("transitions", transitions.data)
    expected = np.empty(transitions.shape[0], dtype=object)
    expected[:] = [data[i:j] @ values[transitions.indices[i:j]] for i, j in rows]
    return expected.reshape(values.size, -1)


def _transitions(given: Any, *, exact: bool) -> Any:
    if sp.issparse(given):
        return _sparse_transitions(sp.csr_array(given), exact=exact)
    array = real_array("transitions", given, ndim=3)
    if exact:
        array = fractions("transitions", array)
    elif is_exact(array):
        array = array.astype(np.float64)
    return _read_only(distributions("transitions", array))


def _sparse_transitions(matrix: sp.csr_array, *, exact: bool) -> sp.csr_array:
    matrix = matrix.astype(np.float64)
    if max(matrix.nnz, *matrix.shape) < 2**31:  # halves the memory that a product reads
        indices, starts = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
        matrix = sp.csr_array((matrix.data, indices, starts), shape=matrix.shape)
    refuse("transitions.data", matrix.data, ~(matrix.data >= 0), "must be finite and not negative")
    totals = np.asarray(matrix.sum(axis=1))
    off = np.abs(totals - 1) > (0 if exact else ROW_SUM_TOLERANCE)
    refuse("transitions row sums", totals, ~np.isfinite(totals) | off, "must be 1")
    return matrix


def _read_only(array: Array) -> Array:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
