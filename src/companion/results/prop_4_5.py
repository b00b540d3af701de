"""Proposition 4.5: the effective policy map is continuous where the optimum is unique."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_4_2, lemma_4_4, thm_2_7
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
from companion.results.samples import (
    DISCOUNTS,
    at_the_radius,
    smallest_size,
    split_reward,
    tilt,
    two_branches,
)
from companion.theory import FiniteMDP, effective_reward, optimal_q

ITEM = "Proposition 4.5"
TITLE = "The effective policy moves continuously where its optimum is unique"
CHAPTER = 7
uses: tuple[str, ...] = ("lemma_4_2", "lemma_4_4", "thm_2_7")

STATEMENT = r"""
In the setting of Theorem 2.7 with fixed continuous weights as in Lemma 4.2, let the effective
optimal action at $\mathbf{R}_0$ be unique in every state. Then every deterministic selection of
effective optimal actions is continuous at $\mathbf{R}_0$ (pointwise convergence; the norm of a
tuple is the largest of its sup norms). With finite $S$ and $A$ it is constant nearby.

*Weaker hypothesis (ours).* As in Theorem 2.7, uniqueness at $\mathbf{R}_0$ alone is enough.

*How fast (ours).* With a loss of at least $\kappa t^2$ at distance $t$ from the optimal action, it
moves by at most $\sqrt{2 \max_k \lVert R_k - R_{0,k} \rVert_\infty / (\kappa(1-\gamma))}$.
"""


def modulus(tuple_distance: Any, curvature: Any, discount: Any) -> Any:
    """How far the optimal action can move when every reward moves by at most the distance."""
    return thm_2_7.modulus(lemma_4_2.bound(tuple_distance), curvature, discount)


def symbolic() -> Derivation:
    """Theorem 2.7 composed with the effective reward."""
    size, kappa, gamma, t = sympy.symbols("varepsilon kappa gamma t", positive=True)
    at_distance = lemma_4_4.radius(kappa * t**2, gamma)
    square = modulus(size, kappa, gamma) ** 2
    inverted = identity(at_distance.subs(t, modulus(size, kappa, gamma)), size)
    effective, each, limit = z3.Reals("effective each limit")
    within = prove(effective < limit, effective <= lemma_4_2.bound(each), each < limit)
    return Derivation(
        steps=(
            Step(
                "If every reward of the tuple is within a radius, so is the effective reward "
                "(Lemma 4.2).",
                r"\max_k \lVert R_k - R_{0,k} \rVert_\infty < r \implies "
                r"\lVert R_{\mathrm{eff}} - R_{\mathrm{eff}, 0} \rVert_\infty < r",
                (within, cited("Lemma 4.2")),
            ),
            Step(
                "At the effective reward the optimal action is unique: Theorem 2.7 applies, with "
                "the radius of Lemma 4.4.",
                r"A^*_{\mathrm{eff}}(s; \mathbf{R}_0) = \{a^*(s)\} \implies "
                r"M(\mathbf{R})(s) \to a^*(s) \text{ as } \mathbf{R} \to \mathbf{R}_0",
                cited("Theorem 2.7, Lemma 4.4"),
            ),
            Step(
                "With a quadratic loss the optimal action moves by at most the distance whose "
                "radius is the size of the change.",
                rf"{tex(at_distance)} = \varepsilon \iff t = \sqrt{{{tex(square)}}}",
                inverted,
            ),
        ),
        scope="the composition for all reals (z3) and the modulus as the inverse of Lemma 4.4's "
        "radius (SymPy). Continuity itself is Theorem 2.7's proof.",
    )


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """The policy on both sides of the radius; two branches that move as far as allowed."""

    def policy_moves(mdp: FiniteMDP, change: np.ndarray) -> bool:
        rewards, weights = split_reward(rng, mdp.rewards, count=3)
        moved = effective_reward(rewards + change, weights) - mdp.rewards
        return thm_2_7.policy_moves(mdp, moved)

    rows = [_branches(rng, s, d) for d in DISCOUNTS for s in 10.0 ** -np.arange(1, 6)]
    distance, size, curvature, discount = np.array(rows).T
    columns = {"tuple_distance": size, "curvature": curvature, "discount": discount}
    return (
        at_the_radius("the policy moves", rng, lemma_4_4.radius, policy_moves),
        Check(
            "move of the optimal action, branches",
            "==",
            distance,
            modulus(size, curvature, discount),
            columns,
        ),
    )


def _branches(rng: np.random.Generator, size: float, discount: float) -> tuple[float, ...]:
    """The largest distance of two actions that moving both rewards by the size still swaps."""
    curvature = 3.0
    shift = tilt(two_branches(0.0, discount), size).rewards - two_branches(0.0, discount).rewards

    def stays(distance: float) -> bool:
        mdp = two_branches(curvature * distance**2, discount)
        rewards, weights = split_reward(rng, mdp.rewards, count=2)
        return _first_choice(mdp, effective_reward(rewards + shift, weights)) == 0

    return smallest_size(stays, 10.0), size, curvature, discount


def _first_choice(mdp: FiniteMDP, reward: np.ndarray) -> int:
    return int(optimal_q(mdp.with_rewards(reward), tol=1e-12)[0].argmax())


def counterexample() -> Counterexample:
    """Two rewards that pull apart with equal weight: a tie of the effective reward."""
    rewards = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    weights = np.array([[0.5, 0.5]])
    mdp = FiniteMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    choices = []
    for size in (-1e-9, 1e-9):
        change = np.array([[[0.0, size]], [[0.0, 0.0]]])
        choices.append(_first_choice(mdp, effective_reward(rewards + change, weights)))
    return Counterexample(
        dropped="a unique effective optimal action at R0",
        text="Each reward alone has a unique best action, but not the same one; mixed half and "
        "half they tie. A change of 1e-9 in one of them decides.",
        evidence={"size": 1e-9, "action below": choices[0], "action above": choices[1]},
        fails=choices == [0, 1],
    )
