"""The linear equations of policy iteration, solved by the cheapest means that works."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lu_factor, lu_solve
from scipy.linalg.lapack import dgbtrf, dgbtrs
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator, gmres, splu

from companion.theory._checks import Array
from companion.theory.mdp import FiniteMDP

UNIT_ROUNDOFF = float(np.finfo(np.float64).eps) / 2
# Up to so many states a direct solve is cheaper than looking for something better.
DIRECT_STATES = 100
SWEEPS_PER_STEP = 20
SWEEP_REDUCTION = 0.1
# LU that costs no more sweeps than this is the cheapest from the start.
CHEAP_LU = 100
# The sweeps after which LU of a sparse matrix is considered, GMRES is tried, and LU is forced.
FIRST_SWEEPS, KRYLOV_SWEEPS, MAX_SWEEPS = 150, 4000, 20_000
KRYLOV_SIZE = 50

Solver = Callable[[Array], Array]


class PolicySystem:
    """The matrix I − γP_π of one policy, given as actions (S,) or as probabilities (S, A)."""

    def __init__(self, mdp: FiniteMDP, policy: Array) -> None:
        self.mdp, self.policy = mdp, policy

    @cached_property
    def discounted(self) -> Any:
        """γP_π, (S, S), dense or sparse like `mdp.matrix`."""
        return self.mdp.discount * policy_transitions(self.mdp, self.policy)

    @cached_property
    def solve(self) -> Solver:
        """b ↦ (I − γP_π)⁻¹ b by LU, for b of shape (S,) or (S, K)."""
        if self.mdp.band is not None:
            return _band_solver(self.mdp, self.policy)
        states = self.mdp.n_states
        if sp.issparse(self.discounted):
            return splu(sp.csc_matrix(sp.eye_array(states) - self.discounted)).solve
        factors = lu_factor(np.eye(states) - self.discounted, check_finite=False)
        return lambda right: lu_solve(factors, right, check_finite=False)

    def values(self, rewards: Array) -> Array:
        """V^π but for a constant, refined as far as it goes, for R_π = `rewards`, (S,).

        Its residual R_π + γP_πV − V is constant to within rounding. Where recurrent classes earn
        differently, V^π is a large number on each; a correction of values that are wrong by as
        much would lose the digits that tell tied policies apart.
        """
        values, spread = np.zeros_like(rewards), np.inf
        better = values
        while True:
            after = policy_mean(self.policy, self.mdp.next_values(better))
            rest = rewards + self.mdp.discount * after - better
            if not np.ptp(rest) <= spread / 2:
                return values
            values, spread = better, np.ptp(rest)
            if spread <= rounding(self.mdp, np.abs(rewards).max() + np.abs(values).max()):
                return values
            better = centred(values + self.solve(centred(rest)))


class PolicySolver:
    """Solves (I − γP_π)x = b well enough for Newton's method, policy after policy.

    Sweeps first (modified policy iteration, Puterman and Shin 1978): they suffice where the chain
    mixes or ends soon. LU once they have cost as much as LU would, and at once where LU is cheap.
    Before that, in large chains that LU cannot factor, GMRES, which copes with a few slow modes.

    enough: the spread of Newton's residual that the caller asks for.
    """

    def __init__(self, mdp: FiniteMDP, enough: float) -> None:
        self.mdp, self.enough = mdp, enough
        self.system: PolicySystem | None = None
        self.sweeps, self.sweeps_per_step = 0, SWEEPS_PER_STEP
        self.lu_cost = _lu_cost(mdp)
        self.krylov = True

    def __call__(self, policy: Array, right: Array) -> Array:
        """An x for `policy` (see `PolicySystem`) and b = `right`, both per state."""
        system = self._adopt(policy)
        if self.lu_cost == np.inf and self.sweeps >= FIRST_SWEEPS:
            self.lu_cost = _sparse_lu_cost(system.discounted)
        if self.direct:
            return system.solve(right)
        if self.sweeps >= KRYLOV_SWEEPS and self.krylov:
            solution, self.krylov = _gmres(system.discounted, right)
            if self.krylov:
                return solution
        return self._sweep(system, right)

    @property
    def direct(self) -> bool:
        """Whether LU is what pays from now on."""
        return self.sweeps >= self.lu_cost

    def afresh(self, policy: Array, rewards: Array) -> Array:
        """V^π but for a constant, from nothing: `PolicySystem.values`."""
        return self._adopt(policy).values(rewards)

    def _adopt(self, policy: Array) -> PolicySystem:
        """The policy's system; if it stays, it deserves more sweeps before the next improvement."""
        if self.system is not None and np.array_equal(policy, self.system.policy):
            self.sweeps_per_step *= 2
        else:
            self.system = PolicySystem(self.mdp, policy)
            self.sweeps_per_step = SWEEPS_PER_STEP
        return self.system

    def _sweep(self, system: PolicySystem, right: Array) -> Array:
        """Σ_k (γP)^k b, cut where the rest is small but for a constant."""
        total, rest = right.copy(), right
        goal = max(SWEEP_REDUCTION * np.ptp(right), self.enough / 2)
        for sweep in range(self.sweeps_per_step):
            rest = system.discounted @ rest
            total += rest
            if sweep % 8 == 7 and np.ptp(rest) <= goal:
                break
        self.sweeps += sweep + 1
        return total


def policy_transitions(mdp: FiniteMDP, policy: Array) -> Any:
    """P_π, (S, S), dense or sparse like `mdp.matrix`, for actions (S,) or a policy (S, A)."""
    states, actions = mdp.rewards.shape
    if policy.ndim == 1:
        rows = np.arange(states) * actions + policy
        if mdp.padded is None:
            return mdp.matrix[rows]
        weights, columns = (part.take(rows, axis=0) for part in mdp.padded)
        starts = np.arange(states + 1, dtype=columns.dtype) * weights.shape[1]
        cells = (weights.ravel(), columns.ravel(), starts)
        return sp.csr_array(cells, shape=(states, states))
    if sp.issparse(mdp.matrix):
        rows = np.arange(states + 1) * actions
        columns = np.arange(states * actions)
        mix = sp.csr_array((policy.ravel(), columns, rows), shape=(states, states * actions))
        return mix @ mdp.matrix
    return np.matmul(policy[:, None, :], mdp.transitions)[:, 0]


def policy_mean(policy: Array, table: Array) -> Array:
    """Σ_a π(a | s) x(s, a), shape (S,), for x of shape (S, A) and a policy as above."""
    if policy.ndim == 1:
        states, actions = table.shape
        return table.reshape(-1).take(np.arange(0, states * actions, actions) + policy)
    return (policy * table).sum(axis=1)


def rounding(mdp: FiniteMDP, size: float) -> float:
    """The most that a residual max_a (R + γPV) − V may be off, by rounding, and twice that.

    size: max|R| + max|V|.
    """
    return 2 * (mdp.max_successors + 4) * UNIT_ROUNDOFF * float(size)


def centred(values: Array) -> Array:
    """`values` less the middle of their range."""
    return values - (values.min() + values.max()) / 2


def _lu_cost(mdp: FiniteMDP) -> float:
    """A rough price of LU in products with a vector; infinite where only a policy's matrix tells.

    The operations of a banded LU run about 16 times as fast as those of a sparse product.
    """
    if mdp.n_states <= DIRECT_STATES:
        return 0
    if mdp.band is not None:
        width = mdp.band[1].shape[1]
        per_state = mdp.matrix.nnz / mdp.rewards.size
        cost = width**2 / (16 * per_state)
        return 0 if cost <= CHEAP_LU else cost
    return np.inf if sp.issparse(mdp.matrix) else mdp.n_states / 20


def _band_solver(mdp: FiniteMDP, policy: Array) -> Solver:
    assert mdp.band is not None
    below, rows = mdp.band
    width = rows.shape[1]
    above = width - 1 - below
    by_action = rows.reshape(*mdp.rewards.shape, width)
    if policy.ndim == 1:
        chosen = by_action[np.arange(mdp.n_states), policy]
    else:
        chosen = np.matmul(policy[:, None], by_action)[:, 0]
    # LAPACK keeps a column of a banded matrix in a column: a row of ours, if it gets the transpose.
    packed = np.zeros((mdp.n_states, width + above))
    packed[:, above:] = -mdp.discount * chosen
    packed[:, above + below] += 1
    factors, pivots, _ = dgbtrf(packed.T, above, below, overwrite_ab=True)
    return lambda right: dgbtrs(factors, above, below, right, pivots, trans=1)[0]


def _sparse_lu_cost(matrix: Any) -> float:
    """A rough price of factoring, in products with a vector: S w² operations for bandwidth w."""
    states = matrix.shape[0]
    order = reverse_cuthill_mckee(sp.csr_matrix(matrix))
    place = np.empty(states)
    place[order] = np.arange(states)
    rows = np.repeat(np.arange(states), np.diff(matrix.indptr))
    bandwidth = np.abs(place[rows] - place[matrix.indices]).max()
    return min(MAX_SWEEPS, states * bandwidth**2 / matrix.nnz)


def _gmres(discounted: Any, right: Array) -> tuple[Array, bool]:
    """A solution of (I − γP)x = b, and whether it is one."""
    system = LinearOperator(discounted.shape, matvec=lambda x: x - discounted @ x, dtype=np.float64)
    solution, info = gmres(system, right, rtol=1e-3, restart=KRYLOV_SIZE, maxiter=1)
    return solution, info == 0
