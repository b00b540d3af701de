"""A corollary, beyond the paper: the map is continuous exactly where the optimum is unique."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import prop_2_9, prop_2_10
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.samples import DISCOUNTS, tied_mdp, worst_direction
from companion.theory import (
    optimal_actions,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
    total_variation,
)

ITEM = "Corollary"
TITLE = "Continuous exactly where the optimum is unique"
CHAPTER = 10
uses: tuple[str, ...] = ("lemma_2_5", "thm_2_7", "prop_2_9", "prop_2_10")

STATEMENT = r"""
*Of Theorem 2.7 and Proposition 2.9.* Let $S$, $A$ be finite and let $M$ choose for every reward an
optimal policy, deterministic or not: $M(R)(\cdot \mid s)$ is a distribution on $A^*(s; R)$. Then
$$R \mapsto M(R)(\cdot \mid s) \text{ is continuous at } R_0 \iff A^*(s; R_0)
\text{ has one element.}$$
If it has $m \ge 2$, then rewards as close to $R_0$ as you like move $M(R)(\cdot \mid s)$ by at
least $(m-1)/m$ in total variation. The uniform selection of Proposition 2.10 is the only one whose
jumps are all that small: no selection is gentler.
"""


def least_jump(ties: Any) -> Any:
    """The jump that no selection can avoid at a tie of so many actions."""
    return 1 - 1 / ties


def symbolic() -> Derivation:
    """The least likely of m tied actions has at most 1/m; a bump sends all mass there."""
    mass, least, total, count, jump = z3.Reals("mass least total count jump")
    at_least = induct(
        (mass, z3.RealVal(1)),
        lambda total, count: (total + mass, count + 1),
        lambda total, count: total >= least * count,
        mass >= least,
    )
    at_most = prove(
        jump >= least_jump(count), jump == 1 - least, total == 1, total >= least * count, count >= 2
    )
    only_uniform = prove(
        least == 1 / count, 1 - least <= least_jump(count), least * count <= 1, count >= 2
    )
    m = sympy.Symbol("m", positive=True)
    same = identity(least_jump(m), prop_2_10.jump(m))
    return Derivation(
        steps=(
            Step(
                "One optimal action: near $R_0$ no other enters (Lemma 2.5), so every selection "
                "is constant in $s$ there (Theorem 2.7).",
                r"A^*(s; R_0) = \{a^*\} \implies A^*(s; R) = \{a^*\} \text{ for } R \text{ near } "
                r"R_0",
                cited("Lemma 2.5, Theorem 2.7"),
            ),
            Step(
                "Several: one of the $m$ tied actions, $a_2$, has mass at most $1/m$ under "
                "$M(R_0)$, for any $m$.",
                r"1 = \sum_{i \le m} \pi(a_i) \ge m \min_i \pi(a_i)",
                at_least,
            ),
            Step(
                "As close to $R_0$ as you like a reward leaves $a_2$ as the only optimal action "
                "(Proposition 2.9), and any selection must go there:",
                rf"d_{{TV}} = 1 - \pi(a_2) \ge {tex(least_jump(m))} = {tex(same.rhs)}",
                (at_most, same, cited("Proposition 2.9")),
            ),
            Step(
                "If no such jump exceeds it, no mass is below $1/m$, so all are equal.",
                r"1 - \min_i \pi(a_i) \le 1 - \frac{1}{m} \implies \pi(a_i) = \frac{1}{m}",
                only_uniform,
            ),
        ),
        scope="the masses for any number of tied actions and all reals (z3, by induction); the "
        "rest are the results it is a corollary of.",
    )


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """Highest jumps of random selections at ties; the optimal sets around a unique optimum."""
    rows = [_jumps(rng, d, m) for d in DISCOUNTS for m in (2, 3, 5) for _ in range(4)]
    ties, highest, uniform = np.array(rows).T
    single = [_either_side(rng, d, x) for d in DISCOUNTS for x in (0.999, 1.001) for _ in range(4)]
    multiple, moved = np.array(single).T
    columns = {"ties": ties}
    return (
        Check("highest jump of a random selection", ">=", highest, least_jump(ties), columns),
        Check("highest jump of the uniform selection", "==", uniform, least_jump(ties), columns),
        Check(
            "optimal set moves, one optimum",
            "==",
            moved,
            (multiple > 1).astype(float),
            {"multiple of the radius": multiple},
        ),
    )


def _jumps(rng: np.random.Generator, discount: float, ties: int) -> tuple[float, float, float]:
    """Highest jump over the bumps on each tied action, of a random and the uniform selection."""
    mdp, q = tied_mdp(rng, states=3, actions=6, ties=ties, discount=discount)
    selections = np.zeros((2, 6))
    selections[0, :ties], selections[1, :ties] = rng.dirichlet(np.ones(ties)), 1 / ties
    highest = np.zeros(2)
    for action in range(ties):
        lifted = mdp.with_rewards(prop_2_9.lifted_reward(mdp, q, (0, action), 1e-5))
        after = optimal_actions(optimal_q(lifted, tol=1e-12), atol=1e-6)[0].astype(float)
        moves = total_variation(selections, np.tile(after / after.sum(), (2, 1)))
        highest = np.maximum(highest, moves)
    return ties, *highest


def _either_side(rng: np.random.Generator, discount: float, multiple: float) -> tuple[float, float]:
    """Whether an optimal set moves at a multiple of the radius, along its own direction."""
    mdp, q = tied_mdp(rng, states=3, actions=3, ties=1, discount=discount)
    radius, direction = worst_direction(mdp)
    moved = mdp.with_rewards(mdp.rewards + multiple * radius * direction)
    after = optimal_actions(optimal_q(moved, tol=1e-12))
    return multiple, float((after != optimal_actions(q, atol=1e-9)).any())


def counterexample() -> Counterexample:
    """The entropy-regularised policy puts mass on every action: continuous at a tie."""
    mdp, q = tied_mdp(np.random.default_rng(0), states=3, actions=4, ties=3, discount=0.5)
    lifted = mdp.with_rewards(prop_2_9.lifted_reward(mdp, q, (0, 1), 1e-6))
    before, after = (softmax_policy(soft_optimal_q(m, 0.1), 0.1)[0] for m in (mdp, lifted))
    moved = float(total_variation(before, after))
    return Counterexample(
        dropped="optimal policies only",
        text="Three tied actions and a fourth that trails, temperature 0.1, a bump of 1e-6: a "
        "policy that keeps a little mass on every action moves by about as little.",
        evidence={"move": moved, "jump of a selection": least_jump(3)},
        fails=moved < least_jump(3) / 100,
    )
