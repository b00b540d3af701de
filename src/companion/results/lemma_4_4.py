"""Lemma 4.4: the effective optimal actions are upper hemi-continuous in the tuple of rewards."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_2_5, lemma_4_2, prop_4_3
from companion.results.base import (
    BY_DEFINITION,
    Check,
    Counterexample,
    Derivation,
    Step,
    cited,
    identity,
    prove,
    tex,
)
from companion.results.elementary import absolute
from companion.results.samples import (
    DISCOUNTS,
    at_the_radius,
    smallest_size,
    split_reward,
    tilt,
    two_branches,
)
from companion.theory import FiniteMDP, effective_reward, optimal_q

ITEM = "Lemma 4.4"
TITLE = "Effective optimal sets shrink at once, never grow at once"
CHAPTER = 7
uses: tuple[str, ...] = ("lemma_2_5", "prop_4_3", "lemma_4_2")

STATEMENT = r"""
In the setting of Lemma 2.5 with fixed continuous weights as in Lemma 4.2, the correspondence
$\mathbf{R} \mapsto A^*_{\mathrm{eff}}(s; \mathbf{R})$ is non-empty, compact-valued and upper
hemi-continuous in every state, in the norm $\max_k \lVert R_k \rVert_\infty$. The weights must not
depend on the rewards.

*Quantitative form (ours).* With $\Delta$ as in Lemma 2.5, at the effective reward, the same radius
serves:
$$\max_k \lVert R_k - R_{0,k} \rVert_\infty < \frac{(1-\gamma)\,\Delta}{2} .$$
"""


def radius(gap: Any, discount: Any) -> Any:
    """Tuples closer than this let no action in that trailed by ``gap``."""
    return (1 - discount) * gap / 2


def symbolic() -> Derivation:
    """Lemma 2.5 composed with the effective reward."""
    q, q0, best, best0, each, gap, gamma = z3.Reals("q q0 best best0 each gap gamma")
    moved = prop_4_3.bound(each, gamma)
    still_trails = prove(
        q < best,
        absolute(q - q0) <= moved,
        absolute(best - best0) <= moved,
        q0 <= best0 - gap,
        each < radius(gap, gamma),
        each >= 0,
        gamma >= 0,
        gamma < 1,
    )
    delta, discount = sympy.symbols("Delta gamma", positive=True)
    same = identity(lemma_4_2.bound(radius(delta, discount)), lemma_2_5.radius(delta, discount))
    return Derivation(
        steps=(
            Step(
                "The effective reward is continuous in the tuple, with constant 1 (Lemma 4.2).",
                r"\mathbf{R}_n \to \mathbf{R}_0 \implies "
                r"R_{\mathrm{eff}, n} \to R_{\mathrm{eff}, 0}",
                cited("Lemma 4.2"),
            ),
            Step(
                "The effective optimal set is the optimal set of the effective reward: a "
                "continuous map followed by an upper hemi-continuous one (Lemma 2.5).",
                r"A^*_{\mathrm{eff}}(s; \mathbf{R}) = A^*(s; R_{\mathrm{eff}}(\mathbf{R}))",
                (BY_DEFINITION, cited("Lemma 2.5")),
            ),
            Step(
                "A tuple within Lemma 2.5's radius keeps the effective reward within it.",
                r"\max_k \lVert R_k - R_{0,k} \rVert_\infty < "
                + tex(same.rhs)
                + r" \implies \lVert R_{\mathrm{eff}} - R_{\mathrm{eff}, 0} \rVert_\infty < "
                + tex(same.rhs),
                same,
            ),
            Step(
                "So an action that trails by $\\Delta$ still trails (Proposition 4.3).",
                r"|Q - Q_0| \le "
                + tex(prop_4_3.bound(sympy.Symbol("delta"), discount))
                + r",\ \delta < "
                + tex(radius(delta, discount))
                + r" \implies Q(s, a) < \max_b Q(s, b)",
                still_trails,
            ),
        ),
        scope="a corollary of Lemmas 2.5 and 4.2: the radius for all reals (z3) and by "
        "composition (SymPy). The composition of a continuous map with an upper hemi-continuous "
        "correspondence is upper hemi-continuous.",
    )


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """An action enters at 1.001 of the radius and none at 0.999; and the threshold itself."""

    def enters(mdp: FiniteMDP, change: np.ndarray) -> bool:
        rewards, weights = split_reward(rng, mdp.rewards, count=3)
        after = mdp.with_rewards(effective_reward(rewards + change, weights))
        return lemma_2_5.newcomers(mdp, after) > 0

    rows = [(gap, d, *_threshold(rng, gap, d)) for gap in (0.3, 1.0, 5.0) for d in DISCOUNTS]
    gaps, discount, threshold, claimed = np.array(rows).T
    return (
        at_the_radius("an action enters", rng, radius, enters, tied=(False, True)),
        Check(
            "size at which an action enters, two branches",
            "==",
            threshold,
            claimed,
            {"gap": gaps, "discount": discount},
        ),
    )


def _threshold(rng: np.random.Generator, gap: float, discount: float) -> tuple[float, float]:
    mdp = two_branches(gap, discount)
    rewards, weights = split_reward(rng, mdp.rewards, count=3)

    def overtaken(size: float) -> bool:
        tilted = rewards + tilt(mdp, size).rewards - mdp.rewards
        q = optimal_q(mdp.with_rewards(effective_reward(tilted, weights)), tol=1e-12)
        return bool(q[0, 1] >= q[0, 0])

    return smallest_size(overtaken, 3 * gap), radius(gap, discount)


def counterexample() -> Counterexample:
    """A router that follows the rewards: the effective optimal set jumps to another action."""
    mdp = FiniteMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    size = 1e-9
    best = []
    for lift in (-size, 0.0, size):
        rewards = np.array([[[0.0, 1.0]], [[lift, -1.0]]])
        routed_to = int(rewards[:, 0, 0].argmax())
        q = optimal_q(mdp.with_rewards(effective_reward(rewards, np.eye(2)[[routed_to]])))
        best.append(int(q[0].argmax()))
    return Counterexample(
        dropped="weights that do not depend on the rewards",
        text="A router gives all weight to the reward model that scores action 0 higher (the first "
        "at a tie). When the second model's score passes the first's, the only optimal action "
        "changes from 1 to 0: an action enters that trailed by 1 a moment before.",
        evidence={"size": size, "optimal action at the tie": best[1], "just above": best[2]},
        fails=best == [1, 1, 0],
    )
