"""Proposition 2.9: with tied optimal actions every deterministic selection is discontinuous."""

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
    require,
    tex,
)
from companion.results.elementary import absolute, maximum
from companion.results.lemma_c_1 import bump
from companion.results.samples import DISCOUNTS, tied_mdp, two_branches
from companion.theory import (
    FiniteMDP,
    greedy_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    stability_radius,
    total_variation,
)

ITEM = "Proposition 2.9"
TITLE = "The cliff: a tie makes every deterministic reward-policy map discontinuous"
CHAPTER = 4
uses: tuple[str, ...] = ("lemma_c_1",)

EPSILONS = 10.0 ** -np.arange(1, 7)

STATEMENT = r"""
Let $S$, $A$ be compact metric, $P$ Feller, $\gamma \in [0, 1)$, and let $R_0$ have at least two
optimal actions in some state $s_0$. Let $M$ pick, for every reward $R$, a deterministic policy
with $M(R)(s) \in A^*(s; R)$. Then $M$ is discontinuous at $R_0$ in the topology of pointwise
convergence (policies converge if their actions do in every state), whatever the selection rule: if
$a_1 = M(R_0)(s_0)$ and $a_2 \ne a_1$ is another optimal action, then for every $\varepsilon > 0$
there is a reward $R_\varepsilon$ with
$$\lVert R_\varepsilon - R_0 \rVert_\infty \le (1 + \gamma)\,\varepsilon, \qquad
A^*(s_0; R_\varepsilon) = \{a_2\}.$$

*One hypothesis less (ours).* Proposition 2.9 of the paper asks that $A^*(s_0; R_0)$ be finite, and
its proof then takes a bump that vanishes at the other optimal actions. The bump of Lemma C.1 is
strictly below 1 away from its centre, for every $\delta > 0$, and that is enough: $A^*(s_0; R_0)$
may be infinite.

*A sharper constant (beyond the paper).* A bump is non-negative, hence
$-\gamma\varepsilon \le R_\varepsilon - R_0 \le \varepsilon$ and
$\lVert R_\varepsilon - R_0 \rVert_\infty \le \varepsilon$. The constant $1 + \gamma$ is the right
one for perturbations of $Q$ of either sign.
"""


def bound(epsilon: Any, discount: Any) -> Any:
    """The paper's bound on the size of the reward change for a change ``epsilon`` of Q."""
    return (1 + discount) * epsilon


def sharp_bound(epsilon: Any) -> Any:
    """Bound on the size of the reward change when Q is only raised, by at most ``epsilon``."""
    return epsilon


def lead(gap: Any, epsilon: Any, height: Any) -> Any:
    """Lead of the lifted action over one that trailed by ``gap`` and has bump ``height``."""
    return gap + epsilon * (1 - height)


def lifted_reward(
    mdp: FiniteMDP, q: np.ndarray, pair: tuple[int, int], epsilon: float, radius: float = 1.0
) -> Any:
    """Reward ``(S, A)`` under which optimal Q is ``q`` plus a bump of height ``epsilon``.

    The bump sits at ``pair = (state, action)``; all other pairs are at distance 1 from it.
    """
    distance = np.ones_like(q)
    distance[pair] = 0.0
    return inverse_bellman(q + epsilon * bump(distance, radius), mdp.transitions, mdp.discount)


def symbolic() -> Derivation:
    """Inverse Bellman, the size of the reward change, the lead of the lifted action, the limit."""
    _unique_fixed_point()
    _size_of_reward_change()
    _lifted_action_leads()

    eps, gamma, gap, height = sympy.symbols("varepsilon gamma g varphi", nonnegative=True)
    dv, q = sympy.symbols("Delta_V Q_0", real=True)
    change = eps * height - gamma * dv
    worst = identity(eps - gamma * (-eps), bound(eps, gamma))
    tied = identity((q + eps) - (q + eps * height), lead(0, eps, height))
    trailing = identity((q + eps) - (q - gap + eps * height), lead(gap, eps, height))
    vanishing = sympy.Limit(bound(eps, gamma), eps, 0)
    require(vanishing.doit() == 0, "the reward change vanishes with epsilon")
    return Derivation(
        steps=(
            Step(
                "Start from $Q_0 = Q^*_{R_0}$ and lift it by a bump at $(s_0, a_2)$. Inverting "
                "the Bellman equation gives a reward for *any* continuous $Q$.",
                r"Q_\varepsilon = Q_0 + \varepsilon\varphi, \qquad R_\varepsilon(s, a) = "
                r"Q_\varepsilon(s, a) - \gamma\, \mathbb{E}_{s'} \max_{a'} Q_\varepsilon(s', a')",
            ),
            Step(
                "By construction $Q_\\varepsilon$ solves the Bellman equation of "
                "$R_\\varepsilon$, and that equation has one solution: two of them, at distance "
                "$D$, would satisfy",
                r"D \le \gamma D,\quad 0 \le \gamma < 1 \implies D = 0",
            ),
            Step(
                "The maximum over actions rises by something between 0 and $\\varepsilon$, so "
                "with $0 \\le \\Delta_V \\le \\varepsilon$ the reward changes by",
                r"\Delta_R = \varepsilon\varphi - \gamma\Delta_V, \qquad "
                r"-\gamma\varepsilon \le \Delta_R \le \varepsilon",
            ),
            Step(
                "which is at most the paper's bound, and even at most $\\varepsilon$.",
                rf"\left|{tex(change)}\right| \le {tex(sharp_bound(eps))} "
                rf"\le {tex(bound(eps, gamma))}",
            ),
            Step(
                "The paper's constant is what a perturbation of $Q$ of either sign can need: up "
                "by $\\varepsilon$ at one pair, down by $\\varepsilon$ in the next state.",
                worst,
            ),
            Step(
                "The lifted action now leads every action that was tied with it by",
                rf"Q_\varepsilon(s_0, a_2) - Q_\varepsilon(s_0, a_j) = {tex(tied.rhs)}",
            ),
            Step(
                "and every action that trailed by $g > 0$ by at least $g$. Both leads are "
                "positive since $\\varphi < 1$ there, so $a_2$ is the only optimal action.",
                rf"Q_\varepsilon(s_0, a_2) - Q_\varepsilon(s_0, a') = {tex(trailing.rhs)} \ge g",
            ),
            Step(
                "The reward change vanishes with $\\varepsilon$, the distance from $a_1$ to "
                "$a_2$ does not depend on $\\varepsilon$: the selection jumps.",
                sympy.Eq(vanishing, 0, evaluate=False),
            ),
        ),
        scope="every inequality, for all reals (z3; maxima over three actions, and over more by "
        "induction since a maximum is a maximum of two). The expectation enters only as a number "
        "between the least and the largest of what it averages. Existence of a fixed point is "
        "by construction, uniqueness is proved.",
    )


def _unique_fixed_point() -> None:
    distance, gamma = z3.Reals("D gamma")
    prove(distance == 0, distance >= 0, distance <= gamma * distance, gamma >= 0, gamma < 1)


def _size_of_reward_change() -> None:
    q1, q2, q3, b1, b2, b3, eps, gamma, rise = z3.Reals("q1 q2 q3 b1 b2 b3 eps gamma rise")
    lifts = [z3.And(b >= 0, b <= eps) for b in (b1, b2, b3)]
    change = maximum(q1 + b1, q2 + b2, q3 + b3) - maximum(q1, q2, q3)
    prove(z3.And(change >= 0, change <= eps), *lifts)
    setting = (lifts[0], rise >= 0, rise <= eps, gamma >= 0, gamma < 1)
    reward_change = b1 - gamma * rise
    prove(z3.And(reward_change >= -gamma * eps, reward_change <= eps), *setting)
    prove(absolute(reward_change) <= sharp_bound(eps), *setting)
    prove(absolute(reward_change) <= bound(eps, gamma), *setting)
    signed = (absolute(b1) <= eps, absolute(rise) <= eps, gamma >= 0, gamma < 1)
    prove(absolute(b1 - gamma * rise) <= bound(eps, gamma), *signed)


def _lifted_action_leads() -> None:
    gap, eps, height = z3.Reals("gap eps height")
    setting = (eps > 0, height >= 0, height < 1, gap >= 0)
    prove(lead(gap, eps, height) > 0, *setting)
    prove(lead(gap, eps, height) >= gap, *setting)


def numeric(rng: np.random.Generator, epsilons: np.ndarray = EPSILONS) -> tuple[Check, ...]:
    """Random MDPs with a tie in state 0: size of the reward change, and the jump it causes.

    The bump is narrow (zero at the other actions) in some cases and wide in others.
    """
    rows = [
        row
        for discount in DISCOUNTS
        for epsilon in epsilons
        for row in _one_case(rng, discount, epsilon)
    ]
    epsilon, discount, radius, size, signed, jump, optimal, leads = np.array(rows).T
    columns = {"epsilon": epsilon, "discount": discount, "radius": radius}
    claimed_lead = lead(0.0, epsilon, bump(1.0, radius))
    return (
        Check("reward change, any sign", "==", signed, bound(epsilon, discount), columns),
        Check("reward change, bump", "<=", size, bound(epsilon, discount), columns),
        Check("reward change, sharp", "<=", size, sharp_bound(epsilon), columns, True),
        Check("jump of the policy in s_0", "==", jump, np.ones_like(jump), columns),
        Check("optimal actions left in s_0", "==", optimal, np.ones_like(jump), columns),
        Check("lead in s_0", "==", leads, claimed_lead, columns, tolerance=1e-8),
    )


def _one_case(rng: np.random.Generator, discount: float, epsilon: float) -> list[tuple[Any, ...]]:
    mdp, q = tied_mdp(rng, states=4, actions=4, ties=int(rng.integers(2, 5)), discount=discount)
    signed = np.full_like(q, -epsilon)
    pair = rng.integers(4), rng.integers(4)
    signed[pair] = epsilon
    transitions = mdp.transitions.copy()
    transitions[pair] = np.eye(4)[(pair[0] + 1) % 4]  # on to a state whose maximum falls
    either_sign = inverse_bellman(q + signed, transitions, discount) - inverse_bellman(
        q, transitions, discount
    )
    rows = []
    for rule in ("first", "last"):  # whatever the selection picks, the bump lifts another action
        before = greedy_policy(optimal_q(mdp), tie_break=rule)
        chosen = int(before[0].argmax())
        tied = np.flatnonzero(np.isclose(q[0], q[0].max()))
        lifted = int(rng.choice(tied[tied != chosen]))
        radius = float(rng.choice([0.5, 1.0, 2.0, 5.0]))
        after_mdp = mdp.with_rewards(lifted_reward(mdp, q, (0, lifted), epsilon, radius))
        after_q = optimal_q(after_mdp)
        after = greedy_policy(after_q, tie_break=rule)
        rows.append(
            (
                epsilon,
                discount,
                radius,
                np.abs(after_mdp.rewards - mdp.rewards).max(),
                np.abs(either_sign).max(),
                total_variation(after[0], before[0]),
                optimal_actions(after_q, atol=epsilon / 10)[0].sum(),
                after_q[0, lifted] - np.delete(after_q[0], lifted).max(),
            )
        )
    return rows


def counterexample() -> Counterexample:
    """A unique optimum: inside the stability radius no reward moves the policy."""
    mdp = two_branches(gap=1.0, discount=0.5)
    size = 0.99 * stability_radius(mdp).guaranteed
    before = greedy_policy(optimal_q(mdp))
    rng = np.random.default_rng(0)
    moved = 0.0
    for _ in range(200):
        noise = size * rng.choice([-1.0, 1.0], size=mdp.rewards.shape)
        after = greedy_policy(optimal_q(mdp.with_rewards(mdp.rewards + noise)))
        moved = max(moved, float(total_variation(after, before).max()))
    return Counterexample(
        dropped="at least two optimal actions in s_0",
        text="One optimal action per state: 200 reward changes of a fixed positive size leave the "
        "policy where it is, so there is no jump at this reward.",
        evidence={"size of the reward changes": size, "largest move of the policy": moved},
        fails=moved == 0,
    )
