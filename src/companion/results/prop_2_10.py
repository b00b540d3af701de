"""Proposition 2.10: the uniform selection over tied actions jumps by (m − 1)/m."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    identity,
    prove,
)
from companion.results.prop_2_9 import EPSILONS, lifted_reward
from companion.results.samples import DISCOUNTS, tied_mdp
from companion.theory import (
    FiniteMDP,
    inverse_bellman,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
    total_variation,
    uniform_policy,
)

ITEM = "Proposition 2.10"
TITLE = "The height of the cliff for the uniform policy"
CHAPTER = 4
uses: tuple[str, ...] = ("prop_2_9", "lemma_2_5")

STATEMENT = r"""
As in Proposition 2.9, with $A^*(s_0; R_0)$ finite and $m \ge 2$ actions in it. Let $M(R)$ be, in
every state, the uniform distribution over the optimal actions (near $R_0$ we only need it where
the optimal set is finite). Then $R \mapsto M(R)(\cdot \mid s_0)$ is discontinuous at $R_0$ in
total variation: for **every** $\varepsilon > 0$, however small,
$$d_{TV}\bigl(M(R_\varepsilon)(\cdot \mid s_0),\ M(R_0)(\cdot \mid s_0)\bigr) = \frac{m-1}{m}
\ge \frac12 .$$

*No jump is higher (beyond the paper).* With finite $A$, rewards near $R_0$ have an optimal set
inside $A^*(s_0; R_0)$ (Lemma 2.5); if $b$ of the $m$ actions stay, the distance is $1 - b/m$,
at most $(m-1)/m$.
"""


def jump(ties: Any) -> Any:
    """Total variation between uniform over ``ties`` actions and one of them."""
    return (ties - 1) / ties


def symbolic() -> Derivation:
    """The distance from its definition, for every m, and the highest possible jump."""
    m, b = sympy.symbols("m b", positive=True)
    half = sympy.Rational(1, 2)
    at_lifted, at_others = 1 - 1 / m, (m - 1) * (1 / m)
    distance = sympy.Mul(half, at_lifted + at_others, evaluate=False)
    equation = identity(distance, jump(m))
    stay = half * (b * (1 / b - 1 / m) + (m - b) / m)
    partial = identity(stay, 1 - b / m)

    actions, left = z3.Reals("m b")
    half_at_least = prove(jump(actions) >= z3.Q(1, 2), actions >= 2)
    highest = prove(1 - left / actions <= jump(actions), left >= 1, left <= actions)
    return Derivation(
        steps=(
            Step(
                "At $R_0$ the policy puts $1/m$ on each tied action. At $R_\\varepsilon$ only "
                "$a_2$ is optimal (Proposition 2.9), so all mass is there. The distance is half "
                "the sum of the differences: one term for $a_2$, and $m - 1$ equal ones.",
                equation,
            ),
            Step(
                "It does not depend on $\\varepsilon$, so it does not vanish; with at least two "
                "tied actions it is at least one half.",
                sympy.Ge(jump(m), half, evaluate=False),
                half_at_least,
            ),
            Step(
                "If $b$ of the $m$ actions stay optimal, the policy moves by",
                partial,
            ),
            Step(
                "which is largest for $b = 1$: no small change of the reward causes a higher jump.",
                sympy.Le(1 - b / m, jump(m), evaluate=False),
                highest,
            ),
        ),
        scope="the distances as identities in $m$ and $b$ (SymPy), the inequalities for all real "
        "$m \\ge 2$ and $1 \\le b \\le m$ (z3). That $R_\\varepsilon$ leaves only $a_2$ is "
        "Proposition 2.9; that near $R_0$ no action enters the optimal set is Lemma 2.5.",
    )


def numeric(
    rng: np.random.Generator,
    epsilons: np.ndarray = EPSILONS,
    ties: tuple[int, ...] = (2, 3, 4, 6, 8),
) -> tuple[Check, ...]:
    """Jump of the uniform policy over ε and m; and jumps of all partial tie-breaks."""
    rows = []
    for m in ties:
        for epsilon in epsilons:
            discount = float(rng.choice(DISCOUNTS))
            mdp, q = tied_mdp(rng, states=3, actions=max(ties) + 1, ties=m, discount=discount)
            before = uniform_policy(optimal_q(mdp), atol=1e-9)[0]
            after = _uniform_after(mdp, q, [int(rng.integers(m))], epsilon)
            some = rng.choice(m, size=rng.integers(1, m + 1), replace=False)
            partly = _uniform_after(mdp, q, some, epsilon)
            rows.append(
                (epsilon, m, total_variation(after, before), total_variation(partly, before))
            )
    epsilon, m, moved, partly = np.array(rows).T
    columns = {"epsilon": epsilon, "ties": m}
    return (
        Check("jump of the uniform policy", "==", moved, jump(m), columns),
        Check("jump when some ties stay", "<=", partly, jump(m), columns),
    )


def _uniform_after(mdp: FiniteMDP, q: np.ndarray, actions: Any, epsilon: float) -> np.ndarray:
    lifted = q.copy()
    lifted[0, actions] += epsilon
    reward = inverse_bellman(lifted, mdp.transitions, mdp.discount)
    return uniform_policy(optimal_q(mdp.with_rewards(reward)), atol=epsilon / 10)[0]


def counterexample() -> Counterexample:
    """The softmax selection instead of the uniform one: the same rewards, and no jump."""
    mdp, q = tied_mdp(np.random.default_rng(0), states=3, actions=4, ties=3, discount=0.5)
    temperature, epsilon = 0.1, 1e-6
    lifted = mdp.with_rewards(lifted_reward(mdp, q, (0, 1), epsilon))
    before, after = (
        softmax_policy(soft_optimal_q(m, temperature), temperature)[0] for m in (mdp, lifted)
    )
    moved = float(total_variation(before, after))
    return Counterexample(
        dropped="uniform over the optimal actions (softmax at temperature 0.1 instead)",
        text="Three tied actions, a bump of height 1e-6 on one: the entropy-regularised optimum "
        "moves in proportion to the bump, not by 2/3.",
        evidence={"epsilon": epsilon, "move": moved, "jump claimed": jump(3)},
        fails=moved < 100 * epsilon,
    )
