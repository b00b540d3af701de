"""Proposition 4.3: the effective optimal Q is Lipschitz in the tuple of rewards."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_4_2, prop_2_4
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    cited,
    identity,
    prove,
    tex,
)
from companion.results.samples import mixtures
from companion.theory import FiniteMDP, effective_reward, optimal_q

ITEM = "Proposition 4.3"
TITLE = "Effective values are Lipschitz in the rewards"
CHAPTER = 7
uses: tuple[str, ...] = ("prop_2_4", "lemma_4_2")

STATEMENT = r"""
In the setting of Proposition 2.4 with fixed continuous weights as in Lemma 4.2, the optimal $Q$ of
the effective reward obeys
$$\lVert Q^*_{\mathrm{eff}}(\mathbf{R}) - Q^*_{\mathrm{eff}}(\mathbf{R}') \rVert_\infty
\le \frac{\max_k \lVert R_k - R'_k \rVert_\infty}{1 - \gamma} .$$
A corollary of Lemma 4.2 and Proposition 2.4. The weights must not depend on the rewards: if they
do, the effective reward can jump, and so can its values.
"""


def bound(tuple_distance: Any, discount: Any) -> Any:
    """Bound on the sup distance of the two effective optimal Q."""
    return tuple_distance / (1 - discount)


def symbolic() -> Derivation:
    """Lemma 4.2 followed by Proposition 2.4; the constants multiply."""
    delta, gamma = sympy.symbols("delta gamma", positive=True)
    composed = identity(prop_2_4.bound(lemma_4_2.bound(delta), gamma), bound(delta, gamma))
    q, effective, each, discount = z3.Reals("q effective each gamma")
    composes = prove(
        q <= bound(each, discount),
        q <= prop_2_4.bound(effective, discount),
        effective <= lemma_4_2.bound(each),
        effective >= 0,
        discount >= 0,
        discount < 1,
    )
    return Derivation(
        steps=(
            Step(
                "The effective reward moves by at most $\\delta = \\max_k \\lVert R_k - R'_k "
                "\\rVert_\\infty$ (Lemma 4.2).",
                r"\lVert R_{\mathrm{eff}} - R'_{\mathrm{eff}} \rVert_\infty \le "
                + tex(lemma_4_2.bound(delta)),
                cited("Lemma 4.2"),
            ),
            Step(
                "Put this into Proposition 2.4; its bound increases with its argument.",
                r"\lVert Q^*_{\mathrm{eff}}(\mathbf{R}) - Q^*_{\mathrm{eff}}(\mathbf{R}') "
                r"\rVert_\infty \le " + tex(composed.rhs),
                (composed, composes, cited("Proposition 2.4")),
            ),
        ),
        scope="the composition as an identity (SymPy) and as an inequality for all reals (z3).",
    )


def numeric(rng: np.random.Generator, repeats: int = 50) -> tuple[Check, ...]:
    """Random mixtures; a constant added to all rewards attains the bound."""
    rows = []
    for mdp, rewards, weights in mixtures(rng, repeats):
        size = 10.0 ** rng.uniform(-3, 1)
        signs = size * rng.choice([-1.0, 1.0], size=rewards.shape)
        moves = [
            np.abs(_effective_q(mdp, rewards + c, weights) - _effective_q(mdp, rewards, weights))
            for c in (signs, size)
        ]
        rows.append((size, mdp.discount, *(move.max() for move in moves)))
    size, discount, by_signs, by_shift = np.array(rows).T
    columns = {"tuple_distance": size, "discount": discount}
    claimed = bound(size, discount)
    return (
        Check("move of effective Q, random signs", "<=", by_signs, claimed, columns),
        Check("move of effective Q, constant shift", "==", by_shift, claimed, columns),
    )


def _effective_q(mdp: FiniteMDP, rewards: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return optimal_q(mdp.with_rewards(effective_reward(rewards, weights)), tol=1e-12)


def counterexample() -> Counterexample:
    """A router that sends each state to the reward model with the higher score of action 0."""
    mdp = FiniteMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    size = 1e-6
    q = []
    for lift in (-size, size):
        rewards = np.array([[[0.0, 1.0]], [[lift, 0.0]]])
        routed_to = int(rewards[:, 0, 0].argmax())
        q.append(_effective_q(mdp, rewards, np.eye(2)[[routed_to]]))
    moved = float(np.abs(q[1] - q[0]).max())
    return Counterexample(
        dropped="weights that do not depend on the rewards",
        text="A router gives all weight to the reward model that scores action 0 higher. One model "
        "moves by 2e-6, the router switches, and the effective Q jumps.",
        evidence={"move of the rewards": 2 * size, "move of the effective Q": moved},
        fails=moved > bound(2 * size, mdp.discount),
    )
