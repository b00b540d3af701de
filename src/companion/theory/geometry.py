"""The occupancy polytope: policies as points, rewards as directions (fact 11)."""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from companion.theory._checks import (
    Array,
    distributions,
    feasible,
    floats,
    fractions,
    indicator,
    real_array,
    whole,
)
from companion.theory.bellman import discounted_sums
from companion.theory.mdp import FiniteMDP, require_mdp


def occupancy(mdp: FiniteMDP, policy: ArrayLike, start: ArrayLike) -> Array:
    """d(s, a) = Σ_t γ^t P(s_t = s, a_t = a), shape (S, A), summing to 1 / (1 − γ).

    policy: (S, A); start: (S,), the distribution of the first state; both rows in the simplex.
    The value of the policy is ⟨d, R⟩ (Puterman 1994, section 6.9). Exact for an exact MDP.
    """
    require_mdp(mdp)
    weights = distributions("policy", real_array("policy", policy, ndim=2))
    if weights.shape != mdp.rewards.shape:
        raise ValueError(f"policy must have shape {mdp.rewards.shape}, got {weights.shape}")
    first = distributions("start", real_array("start", start, ndim=1))
    if first.size != mdp.n_states:
        raise ValueError(f"start must have shape ({mdp.n_states},), got {first.shape}")
    if mdp.exact:
        weights = distributions("policy", fractions("policy", weights))
        first = distributions("start", fractions("start", first))
    else:
        weights, first = floats("policy", weights), floats("start", first)
    states = indicator(np.eye(mdp.n_states, dtype=bool), exact=mdp.exact)
    visits = first @ discounted_sums(mdp, weights, states)
    return visits[:, None] * weights


def deterministic_policies(states: int, actions: int) -> Array:
    """All A^S policies that choose one action per state, shape (A^S, S, A), first state slowest.

    Their occupancies span the polytope: its corners are among them.
    """
    n_actions = whole("actions", actions, 1)
    n_states = whole("states", states, 1)
    feasible("policies are", n_actions, n_states, n_actions)
    choices = np.array(list(product(range(n_actions), repeat=n_states)))
    return indicator(choices[:, :, None] == np.arange(n_actions), exact=False)
