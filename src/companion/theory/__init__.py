"""Finite Markov decision processes, optimality, distances, stability. Never imports torch."""

from companion.theory.bellman import (
    evaluate_policy,
    inverse_bellman,
    optimal_q,
    soft_optimal_q,
)
from companion.theory.breakpoints import PolicyBreakpoints, policy_breakpoints
from companion.theory.geometry import deterministic_policies, occupancy
from companion.theory.mdp import FiniteMDP, effective_reward
from companion.theory.policies import (
    greedy_policy,
    optimal_actions,
    softmax_policy,
    total_variation,
    uniform_policy,
)
from companion.theory.stability import StabilityRadius, stability_radius
from companion.theory.token_tree import TokenTree

__all__ = [
    "FiniteMDP",
    "PolicyBreakpoints",
    "StabilityRadius",
    "TokenTree",
    "deterministic_policies",
    "effective_reward",
    "evaluate_policy",
    "greedy_policy",
    "inverse_bellman",
    "occupancy",
    "optimal_actions",
    "optimal_q",
    "policy_breakpoints",
    "soft_optimal_q",
    "softmax_policy",
    "stability_radius",
    "total_variation",
    "uniform_policy",
]
