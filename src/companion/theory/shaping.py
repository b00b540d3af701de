"""The size of a reward change that no shaping can take away (Ng, Harada and Russell 1999)."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.optimize import linprog

from companion.theory._checks import real_array
from companion.theory.mdp import FiniteMDP

TOLERANCE = 1e-10
"""Feasibility and optimality that the linear programme is solved to, with ‖D‖∞ scaled to 1."""


def shaping_norm(mdp: FiniteMDP, direction: ArrayLike) -> float:
    """‖D‖_sh = min_Φ ‖D − Φ + γPΦ‖∞, the distance of D from the shaping rewards Φ − γPΦ.

    direction: (S, A), D; Φ is a potential, a number for each state. It is zero exactly when D is a
    shaping reward, which changes no optimal policy, with or without entropy. The linear programme
    is solved in floats, also for an exact MDP; the value returned is that of the potential found,
    so it is an upper bound, to about 1e-10 of max|D|. Raises ValueError for another shape.
    """
    change = real_array("direction", direction, ndim=2).astype(np.float64)
    if change.shape != mdp.rewards.shape:
        raise ValueError(f"direction must have shape {mdp.rewards.shape}, got {change.shape}")
    size = np.abs(change).max()
    if size == 0:
        return 0.0
    shaping = _shaping_matrix(mdp)
    flat = change.ravel() / size
    rows = sp.block_array(
        [[-shaping, -np.ones((flat.size, 1))], [shaping, -np.ones((flat.size, 1))]], format="csr"
    )
    solved = linprog(
        np.r_[np.zeros(mdp.n_states), 1.0],
        A_ub=rows,
        b_ub=np.r_[-flat, flat],
        bounds=[(None, None)] * mdp.n_states + [(0, None)],
        options={
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
        },
    )
    if not solved.success:
        raise ArithmeticError(f"the linear programme of the shaping norm failed: {solved.message}")
    return float(size * np.abs(flat - shaping @ solved.x[:-1]).max())


def _shaping_matrix(mdp: FiniteMDP) -> sp.csr_array:
    """Φ ↦ Φ − γPΦ as an (S·A, S) matrix."""
    matrix = sp.csr_array(mdp.matrix.astype(np.float64))
    own = np.repeat(np.arange(mdp.n_states), mdp.n_actions)
    cells = (np.ones(own.size), (np.arange(own.size), own))
    return sp.csr_array(cells, shape=matrix.shape) - float(mdp.discount) * matrix
