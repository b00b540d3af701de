"""Finite Markov decision processes, optimality, distances, stability. Never imports torch."""

from companion.theory.bellman import (
    evaluate_policy,
    inverse_bellman,
    optimal_q,
    soft_optimal_q,
)
from companion.theory.breakpoints import PolicyBreakpoints, policy_breakpoints
from companion.theory.estimators import Scaling, advantages, settle
from companion.theory.geometry import deterministic_policies, occupancy
from companion.theory.mdp import FiniteMDP, effective_reward
from companion.theory.mixing import mixing_coefficient
from companion.theory.normalised import collapse_threshold
from companion.theory.policies import (
    greedy_policy,
    optimal_actions,
    softmax_policy,
    total_variation,
    uniform_policy,
)
from companion.theory.scores import (
    PromptScores,
    ScoreColumn,
    ScoreReport,
    furthest_move,
    needed_beta,
    score_report,
)
from companion.theory.shaping import shaping_norm
from companion.theory.stability import StabilityRadius, stability_radius
from companion.theory.token_tree import TokenTree

__all__ = [
    "FiniteMDP",
    "PolicyBreakpoints",
    "PromptScores",
    "Scaling",
    "ScoreColumn",
    "ScoreReport",
    "StabilityRadius",
    "TokenTree",
    "advantages",
    "collapse_threshold",
    "deterministic_policies",
    "effective_reward",
    "evaluate_policy",
    "furthest_move",
    "greedy_policy",
    "inverse_bellman",
    "mixing_coefficient",
    "needed_beta",
    "occupancy",
    "optimal_actions",
    "optimal_q",
    "policy_breakpoints",
    "score_report",
    "settle",
    "shaping_norm",
    "soft_optimal_q",
    "softmax_policy",
    "stability_radius",
    "total_variation",
    "uniform_policy",
]
