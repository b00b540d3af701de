"""The linear equations of policy iteration, solved by the cheapest means that works."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import reverse_cuthill_mckee
from scipy.sparse.linalg import LinearOperator, gmres, splu

from companion.theory._checks import Array
from companion.theory.mdp import FiniteMDP

# Up to so many states a direct solve is cheaper than looking for something better.
DIRECT_STATES = 100
SWEEPS_PER_STEP = 20
SWEEP_REDUCTION = 0.01
# The sweeps after which LU of a sparse matrix is considered, GMRES is tried, and LU is forced.
FIRST_SWEEPS, KRYLOV_SWEEPS, MAX_SWEEPS = 150, 4000, 20_000
KRYLOV_SIZE = 50


class PolicyEvaluator:
    """Solves (I − γP_π)x = b well enough for Newton's method, policy after policy.

    Sweeps first (modified policy iteration, Puterman and Shin 1978): they suffice where the chain
    mixes or ends soon. LU once they have cost as much as LU would. Before that, in large chains
    that LU cannot factor, GMRES, which copes with a few slow modes.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        self.mdp = mdp
        self.policy: Array | None = None
        self.discounted: Any = None
        self.sweeps, self.sweeps_per_step = 0, SWEEPS_PER_STEP
        # In sweeps; for a sparse matrix it depends on the pattern and is looked up when needed.
        self.lu_cost = np.inf if sp.issparse(mdp.matrix) else mdp.n_states / 20
        if mdp.n_states <= DIRECT_STATES:
            self.lu_cost = 0
        self.krylov = True

    def __call__(self, policy: Array, right: Array) -> Array:
        """An x for `policy` (see `policy_transitions`) and b = `right`, both per state."""
        self._adopt(policy)
        if self.lu_cost == np.inf and self.sweeps >= FIRST_SWEEPS:
            self.lu_cost = _sparse_lu_cost(self.discounted)
        if self.sweeps >= self.lu_cost:
            return direct_solver(self.discounted)(right)
        if self.sweeps >= KRYLOV_SWEEPS and self.krylov:
            solution, self.krylov = _gmres(self.discounted, right)
            if self.krylov:
                return solution
        return self._sweep(right)

    def _adopt(self, policy: Array) -> None:
        """Fetch γP_π; a policy that stays deserves more sweeps before the next improvement."""
        if self.policy is not None and np.array_equal(policy, self.policy):
            self.sweeps_per_step *= 2
            return
        self.policy = policy
        self.discounted = self.mdp.discount * policy_transitions(self.mdp, policy)
        self.sweeps_per_step = SWEEPS_PER_STEP

    def _sweep(self, right: Array) -> Array:
        """Σ_k (γP)^k b, cut where the rest is small but for a constant."""
        total, rest = right.copy(), right
        goal = SWEEP_REDUCTION * np.ptp(right)
        for sweep in range(self.sweeps_per_step):
            rest = self.discounted @ rest
            total += rest
            if sweep % 4 == 3 and np.ptp(rest) <= goal:
                break
        self.sweeps += sweep + 1
        return total


def policy_transitions(mdp: FiniteMDP, policy: Array) -> Any:
    """P_π, (S, S), dense or sparse like `mdp.matrix`, for actions (S,) or a policy (S, A)."""
    states, actions = mdp.rewards.shape
    if policy.ndim == 1:
        return mdp.matrix[np.arange(states) * actions + policy]
    if sp.issparse(mdp.matrix):
        rows = np.arange(states + 1) * actions
        columns = np.arange(states * actions)
        mix = sp.csr_array((policy.ravel(), columns, rows), shape=(states, states * actions))
        return mix @ mdp.matrix
    return np.matmul(policy[:, None, :], mdp.transitions)[:, 0]


def direct_solver(discounted: Any) -> Callable[[Array], Array]:
    """b ↦ (I − γP)⁻¹ b by LU, for the matrix γP, dense or sparse."""
    states = discounted.shape[0]
    if sp.issparse(discounted):
        return splu(sp.csc_matrix(sp.eye_array(states) - discounted)).solve
    system = np.eye(states) - discounted
    return lambda right: np.linalg.solve(system, right)


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
