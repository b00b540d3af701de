"""How far rewards may move before an optimal policy changes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion.theory._checks import Array
from companion.theory.bellman import optimal_q
from companion.theory.mdp import FiniteMDP


@dataclass(frozen=True)
class StabilityRadius:
    """The outcome of `stability_radius`: `gap`, the `guaranteed` and the `exact` radius."""

    gap: Any
    guaranteed: Any
    exact: Any | None


def stability_radius(mdp: FiniteMDP) -> StabilityRadius:
    """Sup-norm radii around R within which the optimal policy cannot change (beyond the paper)."""
    gap = action_gap(optimal_q(mdp))
    return StabilityRadius(gap=gap, guaranteed=(1 - mdp.discount) * gap / 2, exact=None)


def action_gap(q: Array) -> Any:
    """Δ = min_s (best − second best) of Q(s, ·); ∞ with a single action, 0 at a tie."""
    if q.shape[1] == 1:
        return np.inf
    ordered = np.sort(q, axis=1)
    return (ordered[:, -1] - ordered[:, -2]).min()
