"""The finite discounted Markov decision process and its effective reward."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from companion.theory._checks import (
    LARGEST,
    ROW_SUM_TOLERANCE,
    Array,
    bounded,
    discount_factor,
    distributions,
    floats,
    fractions,
    frozen,
    indicator,
    is_exact,
    plain,
    real_array,
    refuse,
)

# From so many states on, and with so few successors, a sparse product is the faster one.
SPARSE_STATES = 100
SPARSE_DENSITY = 0.05
# A band is narrow while it is no wider than this and holds no more numbers than that.
BAND_WIDTH, BAND_CELLS = 64, 5_000_000


@dataclass(frozen=True, eq=False)
class FiniteMDP:
    """A finite MDP (S, A, P, R, γ): the paper's setting (A2.1-A2.3) with finite S and A.

    Attributes:
        transitions: (S, A, S), `transitions[s, a, t]` = P(t | s, a); or a SciPy sparse matrix of
            shape (S·A, S), row s·A + a, for large state spaces.
        rewards: (S, A). An object array of Fractions or SymPy Rationals makes the MDP *exact*:
            transitions and discount are then read exactly too (a float counts as the binary
            fraction it is), and `optimal_q` and `evaluate_policy` work in rational arithmetic.
        discount: γ in [0, 1).
        terminal: the states where the episode is over, a mask (S,), or None. No transition may
            leave them. Only `soft_optimal_q` looks: nothing is chosen there, so there is no entropy
            either.

    Arrays are copied and read-only: what becomes of the caller's own does not matter.

    Raises ValueError, naming the argument and its value, for entries that are masked or not
    finite, rewards whose discounted sum does not fit in floats, rows that are not distributions
    (floats to 1e-9, exactly for an exact MDP), shapes that disagree, no state or no action, and a
    discount outside [0, 1).
    """

    transitions: Any
    rewards: Any
    discount: Any
    terminal: Any = None

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
        gamma = discount_factor(self.discount, exact=exact)
        if not exact:
            bounded("rewards", np.abs(rewards).max(), (1 - gamma) * LARGEST)
        object.__setattr__(self, "transitions", transitions)
        object.__setattr__(self, "rewards", frozen(rewards))
        object.__setattr__(self, "discount", gamma)
        if self.terminal is not None:
            object.__setattr__(self, "terminal", self._terminal(self.terminal))

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
    def matrix(self) -> Any:
        """The transitions as an (S·A, S) matrix, sparse where that pays, for the solvers."""
        if sp.issparse(self.transitions):
            return self.transitions
        flat = self.transitions.reshape(-1, self.n_states)
        if self.exact or self.n_states < SPARSE_STATES:
            return flat
        if np.count_nonzero(flat) > SPARSE_DENSITY * flat.size:
            return flat
        return _short_indices(sp.csr_array(flat))

    @cached_property
    def padded(self) -> tuple[Array, Array] | None:
        """(weights, columns), each (S·A, k): the rows of a sparse matrix filled up with zeros.

        Rows of one length are quick to select from. None where most of it would be filling.
        """
        if not sp.issparse(self.matrix) or self.exact:
            return None
        lengths = np.diff(self.matrix.indptr)
        if self.rewards.size * self.max_successors > 2 * self.matrix.nnz:
            return None
        row = np.repeat(np.arange(self.rewards.size), lengths)
        place = np.arange(self.matrix.nnz) - self.matrix.indptr[row]
        weights = np.zeros((self.rewards.size, self.max_successors))
        weights[row, place] = self.matrix.data
        # What fills up points at a successor that is there already, so that bandwidths stay.
        columns = np.repeat(self.matrix.indices[self.matrix.indptr[:-1], None], weights.shape[1], 1)
        columns[row, place] = self.matrix.indices
        return weights, columns

    @cached_property
    def band(self) -> tuple[int, Array] | None:
        """(l, rows) if all successors of s lie from s − l to s + u and that is a narrow band.

        rows: (S·A, l + u + 1), `rows[s·A + a, l + d]` = P(s + d | s, a). None for an exact MDP, for
        a matrix that is not sparse, and for a band that is not narrow.
        """
        if not sp.issparse(self.matrix) or self.exact:
            return None
        row = np.repeat(np.arange(self.rewards.size), np.diff(self.matrix.indptr))
        step = self.matrix.indices - row // self.n_actions
        below, above = max(0, -int(step.min())), max(0, int(step.max()))
        width = below + above + 1
        if width > BAND_WIDTH or self.rewards.size * width > BAND_CELLS:
            return None
        rows = np.zeros((self.rewards.size, width))
        rows[row, step + below] = self.matrix.data
        return below, rows

    @property
    def max_successors(self) -> int:
        """A bound on the number of states that one (state, action) can lead to."""
        if sp.issparse(self.matrix):
            return int(np.diff(self.matrix.indptr).max())
        return self.n_states

    def next_values(self, values: Array) -> Array:
        """E[values(s') | s, a], shape (S, A), for values of shape (S,)."""
        if self.exact and sp.issparse(self.matrix):
            return _exact_product(self.matrix, values).reshape(self.rewards.shape)
        return (self.matrix @ values).reshape(self.rewards.shape)

    def with_rewards(self, rewards: ArrayLike) -> "FiniteMDP":
        """The same dynamics under other rewards of shape (S, A)."""
        return FiniteMDP(self.transitions, rewards, self.discount, self.terminal)

    def as_floats(self) -> "FiniteMDP":
        """The same MDP in floats; a ValueError where a reward or the discount does not fit."""
        if not self.exact:
            return self
        rewards = floats("rewards", self.rewards)
        return FiniteMDP(self.float_transitions, rewards, self.discount, self.terminal)

    @property
    def float_transitions(self) -> Any:
        """The transitions in floats; sparse ones are so always."""
        if sp.issparse(self.transitions) or not self.exact:
            return self.transitions
        return floats("transitions", self.transitions)

    def _terminal(self, given: Any) -> Array:
        mask = plain("terminal", given)
        if mask.dtype != bool or mask.shape != (self.n_states,):
            raise ValueError(
                f"terminal must be a mask of shape ({self.n_states},), "
                f"got {mask.dtype} of shape {mask.shape}"
            )
        leaving = self.next_values(indicator(~mask, exact=self.exact)).max(axis=1)
        refuse("terminal", leaving, mask & (leaving > 0), "must be a set that no transition leaves")
        return frozen(mask)


def effective_reward(rewards: ArrayLike, weights: ArrayLike) -> Array:
    """R_eff(s, a) = Σ_k w_k(s) R_k(s, a), shape (S, A) (paper, section 4).

    rewards: (K, S, A), weights: (S, K), rows in the simplex. Raises ValueError for other shapes
    or weights that are negative or do not sum to one.

    >>> effective_reward([[[1.0, 0.0]], [[0.0, 1.0]]], [[0.75, 0.25]]).tolist()
    [[0.75, 0.25]]
    """
    stack = real_array("rewards", rewards, ndim=3)
    mix = distributions("weights", real_array("weights", weights, ndim=2))
    if mix.shape != (stack.shape[1], stack.shape[0]):
        raise ValueError(
            f"weights must have shape (S, K) = {(stack.shape[1], stack.shape[0])}, got {mix.shape}"
        )
    if is_exact(stack) and not is_exact(mix):
        mix = distributions("weights", fractions("weights", mix))
    if is_exact(mix) and not is_exact(stack):
        mix = floats("weights", mix)
    return (mix.T[:, :, None] * stack).sum(axis=0)


def require_mdp(mdp: Any) -> None:
    """Refuse anything that is not a FiniteMDP by name, before an attribute of it is missed."""
    if not isinstance(mdp, FiniteMDP):
        raise ValueError(f"mdp must be a FiniteMDP, got {type(mdp).__name__}")


def _exact_product(matrix: sp.csr_array, values: Array) -> Array:
    """The product of a float CSR matrix, read exactly, and Fractions."""
    rows = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
    data = fractions("transitions", matrix.data)
    product = np.empty(matrix.shape[0], dtype=object)
    product[:] = [data[i:j] @ values[matrix.indices[i:j]] for i, j in rows]
    return product


def _transitions(given: Any, *, exact: bool) -> Any:
    if sp.issparse(given):
        return _sparse_transitions(given, exact=exact)
    array = real_array("transitions", given, ndim=3)
    if exact:
        array = fractions("transitions", array)
    elif is_exact(array):
        array = floats("transitions", array)
    return frozen(distributions("transitions", array))


def _sparse_transitions(given: Any, *, exact: bool) -> sp.csr_array:
    if given.ndim != 2 or given.dtype.kind not in "biuf":
        raise ValueError(
            "transitions must be a sparse matrix of real numbers, "
            f"got dtype {given.dtype} and shape {given.shape}"
        )
    matrix = sp.csr_array(given, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    matrix = _short_indices(matrix)
    refuse("transitions.data", matrix.data, ~(matrix.data >= 0), "must be finite and not negative")
    if exact:
        one = np.full(matrix.shape[1], Fraction(1), dtype=object)
        totals = _exact_product(matrix, one)
        off = totals != 1
    else:
        totals = np.asarray(matrix.sum(axis=1))
        off = ~(np.abs(totals - 1) <= ROW_SUM_TOLERANCE)
    refuse("transitions row sums", totals, off, "must be 1")
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    return matrix


def _short_indices(matrix: sp.csr_array) -> sp.csr_array:
    """The same matrix with 32-bit indices if they suffice: a product reads less memory."""
    if max(matrix.nnz, *matrix.shape) >= 2**31:
        return matrix
    indices, starts = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    return sp.csr_array((matrix.data, indices, starts), shape=matrix.shape)
