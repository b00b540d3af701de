"""Proposition 2.9: with tied optimal actions every deterministic selection is discontinuous."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    BY_DEFINITION,
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    identity,
    prove,
    require,
    tex,
)
from companion.results.elementary import absolute
from companion.results.induction import (
    average_stays_within,
    maximum_is_nonexpansive,
    maximum_rises_within,
    no_rise_without_reward,
)
from companion.results.lemma_c_1 import bump
from companion.results.samples import DISCOUNTS, tied_mdp, tilt, two_branches
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
    eps, gamma, gap, height = sympy.symbols("varepsilon gamma g varphi", nonnegative=True)
    dv, q = sympy.symbols("Delta_V Q_0", real=True)
    change = eps * height - gamma * dv
    worst = identity(eps - gamma * (-eps), bound(eps, gamma))
    tied = identity((q + eps) - (q + eps * height), lead(0, eps, height))
    trailing = identity((q + eps) - (q - gap + eps * height), lead(gap, eps, height))
    vanishing = sympy.Limit(bound(eps, gamma), eps, 0)
    vanishes = require(vanishing.doit() == 0, "the reward change vanishes with epsilon")
    within, sizes, either_sign = _size_of_reward_change()
    positive, at_least_gap = _lifted_action_leads()
    return Derivation(
        steps=(
            Step(
                "Start from $Q_0 = Q^*_{R_0}$ and lift it by a bump at $(s_0, a_2)$. Inverting "
                "the Bellman equation gives a reward for *any* continuous $Q$.",
                r"Q_\varepsilon = Q_0 + \varepsilon\varphi, \qquad R_\varepsilon(s, a) = "
                r"Q_\varepsilon(s, a) - \gamma\, \mathbb{E}_{s'} \max_{a'} Q_\varepsilon(s', a')",
                BY_DEFINITION,
            ),
            Step(
                "By construction $Q_\\varepsilon$ solves the Bellman equation of "
                "$R_\\varepsilon$, and that equation has one solution: two of them, at distance "
                "$D$, would satisfy (maxima and averages as in Proposition 2.4)",
                r"D \le \gamma D,\quad 0 \le \gamma < 1 \implies D = 0",
                (maximum_is_nonexpansive(), average_stays_within(), no_rise_without_reward()),
            ),
            Step(
                "The maximum over any number of actions rises by something between 0 and "
                "$\\varepsilon$, and so does its average over next states: with $0 \\le \\Delta_V "
                "\\le \\varepsilon$ the reward changes by",
                r"\Delta_R = \varepsilon\varphi - \gamma\Delta_V, \qquad "
                r"-\gamma\varepsilon \le \Delta_R \le \varepsilon",
                (maximum_rises_within(), average_stays_within(), within),
            ),
            Step(
                "which is at most the paper's bound, and even at most $\\varepsilon$.",
                rf"\left|{tex(change)}\right| \le {tex(sharp_bound(eps))} "
                rf"\le {tex(bound(eps, gamma))}",
                sizes,
            ),
            Step(
                "The paper's constant is what a perturbation of $Q$ of either sign can need: up "
                "by $\\varepsilon$ at one pair, down by $\\varepsilon$ in the next state.",
                worst,
                either_sign,
            ),
            Step(
                "The lifted action now leads every action that was tied with it by",
                rf"Q_\varepsilon(s_0, a_2) - Q_\varepsilon(s_0, a_j) = {tex(tied.rhs)}",
                tied,
            ),
            Step(
                "and every action that trailed by $g > 0$ by at least $g$. Both leads are "
                "positive since $\\varphi < 1$ there, so $a_2$ is the only optimal action.",
                rf"Q_\varepsilon(s_0, a_2) - Q_\varepsilon(s_0, a') = {tex(trailing.rhs)} \ge g",
                (trailing, positive, at_least_gap),
            ),
            Step(
                "The reward change vanishes with $\\varepsilon$, the distance from $a_1$ to "
                "$a_2$ does not depend on $\\varepsilon$: the selection jumps.",
                sympy.Eq(vanishing, 0, evaluate=False),
                vanishes,
            ),
        ),
        scope="every inequality, for all reals and any number of states and actions (z3; maxima "
        "and averages by induction on the number of terms). Existence of a fixed point is by "
        "construction, uniqueness is proved.",
    )


def _size_of_reward_change() -> tuple[Proof, Proof, Proof]:
    """Between −γε and ε; within both bounds; within the paper's for lifts of either sign."""
    lift, eps, gamma, rise = z3.Reals("lift eps gamma rise")
    discounted = (gamma >= 0, gamma < 1)
    raised = (lift >= 0, lift <= eps, rise >= 0, rise <= eps, *discounted)
    signed = (absolute(lift) <= eps, absolute(rise) <= eps, *discounted)
    change = lift - gamma * rise
    size = absolute(change)
    return (
        prove(z3.And(change >= -gamma * eps, change <= eps), *raised),
        prove(z3.And(size <= sharp_bound(eps), size <= bound(eps, gamma)), *raised),
        prove(size <= bound(eps, gamma), *signed),
    )


def _lifted_action_leads() -> tuple[Proof, Proof]:
    gap, eps, height = z3.Reals("gap eps height")
    setting = (eps > 0, height >= 0, height < 1, gap >= 0)
    return (
        prove(lead(gap, eps, height) > 0, *setting),
        prove(lead(gap, eps, height) >= gap, *setting),
    )


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
    """A unique optimum: up to the stability radius not even the worst change moves the policy."""
    mdp = two_branches(gap=1.0, discount=0.5)
    radius = float(stability_radius(mdp).guaranteed)
    before = greedy_policy(optimal_q(mdp))
    inside, outside = (
        float(total_variation(greedy_policy(optimal_q(tilt(mdp, x * radius))), before).max())
        for x in (0.999, 1.001)
    )
    return Counterexample(
        dropped="at least two optimal actions in s_0",
        text="One optimal action per state: the worst change of 0.999 of the stability radius "
        "leaves the policy where it is (one of 1.001 moves it), so there is no jump at this "
        "reward.",
        evidence={"radius": radius, "move inside": inside, "move outside": outside},
        fails=inside == 0 and outside == 1,
    )
