"""Fact 4, beyond the paper: moving one reward of the mixture is enough for the cliff."""

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
    identity,
    prove,
    tex,
)
from companion.results.elementary import absolute
from companion.results.induction import average_stays_within
from companion.results.samples import DISCOUNTS, tied_mdp, two_branches
from companion.theory import (
    effective_reward,
    greedy_policy,
    optimal_actions,
    optimal_q,
    total_variation,
    uniform_policy,
)

ITEM = "Fact 4"
TITLE = "One reward model is enough"
CHAPTER = 7
uses: tuple[str, ...] = ("prop_2_9", "prop_2_10", "prop_4_6")

BONUSES = 10.0 ** -np.arange(0, 7)

STATEMENT = r"""
In the setting of Proposition 4.6 with finite $S$ and $A$, let $w_k(s_0) > 0$ for one reward $k$ and
let $a_2$ be one of $m \ge 2$ effective optimal actions in $s_0$. Raise $R_k(s_0, a_2)$, this one
number, by **any** $\eta > 0$, and leave everything else alone. Then $a_2$ is the only effective
optimal action in $s_0$: the effective policy jumps as in Proposition 4.6. Only the weight in $s_0$
matters; the bonus that the effective reward sees is $w_k(s_0)\,\eta$.

To reach the exact target $Q_0 + \varepsilon\varphi$ of Proposition 2.9 through $R_k$ alone, $w_k$
must be positive wherever the effective reward has to change, and the size needed is at most
$(1+\gamma)\,\varepsilon / \min w_k$, by the sharper constant at most $\varepsilon/\min w_k$.
"""


def seen_bonus(bonus: Any, weight: Any) -> Any:
    """What the effective reward sees of a bonus in a reward of the given weight."""
    return weight * bonus


def size_bound(epsilon: Any, discount: Any, weight: Any) -> Any:
    """Bound on the move of one reward that lifts effective Q by a bump of height ``epsilon``."""
    return (1 + discount) * epsilon / weight


def sharp_size_bound(epsilon: Any, weight: Any) -> Any:
    """The same bound with the constant for a bump that only raises Q."""
    return epsilon / weight


def symbolic() -> Derivation:
    """If another action were still optimal, the rise of the values would contract to nothing."""
    rise, bonus, weight, gamma = z3.Reals("rise bonus weight gamma")
    q0, v0, follow = z3.Reals("q0 v0 follow")
    discounted = (gamma >= 0, gamma < 1)
    others = (
        prove(  # any pair but the lifted one: its value gains at most gamma times the largest rise
            q0 + gamma * follow - v0 <= gamma * rise, q0 <= v0, follow <= rise, *discounted
        )
    )
    lifted = prove(  # the lifted pair gains the bonus at least, since no value falls
        q0 + seen_bonus(bonus, weight) + gamma * follow - v0 >= seen_bonus(bonus, weight),
        q0 == v0,
        follow >= 0,
        *discounted,
    )
    # So if every state were content with a pair other than the lifted one, the bonus would be 0.
    nothing_left = prove(
        bonus <= 0,
        rise >= seen_bonus(bonus, weight),
        rise <= gamma * rise,
        weight > 0,
        *discounted,
    )
    change, eps, least, here = z3.Reals("change eps least here")
    wide = (eps > 0, least > 0, here >= least, *discounted)
    sharply = prove(
        absolute(change / here) <= sharp_size_bound(eps, least),
        absolute(change) <= prop_2_9.sharp_bound(eps),
        *wide,
    )
    size = prove(
        absolute(change / here) <= size_bound(eps, gamma, least),
        absolute(change) <= prop_2_9.bound(eps, gamma),
        *wide,
    )
    w, eta, e, g = sympy.symbols("w_k eta varepsilon gamma", positive=True)
    seen = identity(w * eta + (1 - w) * 0, seen_bonus(eta, w))
    through = identity(prop_2_9.bound(e, g) / w, size_bound(e, g, w))
    return Derivation(
        steps=(
            Step(
                "The effective reward gains, at the pair $(s_0, a_2)$ only,",
                rf"\Delta R_{{\mathrm{{eff}}}}(s_0, a_2) = {tex(seen.rhs)}",
                seen,
            ),
            Step(
                "Let $\\rho$ be the largest rise of an optimal value. In a state that is still "
                "content with a pair other than $(s_0, a_2)$, the value rises by at most "
                "$\\gamma\\rho$: that pair was worth at most $V_0$ before, and only what follows "
                "has risen.",
                r"V'(s) - V_0(s) \le \gamma \rho",
                (average_stays_within(), others),
            ),
            Step(
                "In $s_0$ the value rises by at least the bonus, as $a_2$ was optimal and no value "
                "falls.",
                sympy.Ge(sympy.Symbol("rho"), seen_bonus(eta, w), evaluate=False),
                (average_stays_within(), lifted),
            ),
            Step(
                "If an action other than $a_2$ were optimal in $s_0$, every state would be content "
                "with another pair, so $\\rho \\le \\gamma\\rho$, so the bonus would not be "
                "positive. Hence $a_2$ alone is optimal, for every $\\eta > 0$.",
                r"\rho \ge w_k \eta,\ \rho \le \gamma \rho \implies \eta \le 0",
                nothing_left,
            ),
            Step(
                "To hit a target of Proposition 2.9 exactly, divide the change by the weight.",
                r"\Delta R_k = \frac{\Delta R_{\mathrm{eff}}}{w_k}, \qquad |\Delta R_k| \le "
                rf"{tex(sharp_size_bound(e, w))} \le {tex(through.rhs)}",
                (sharply, size, through),
            ),
        ),
        scope="every inequality for all reals and any number of states, actions and rewards (z3, "
        "averages by induction).",
    )


def numeric(rng: np.random.Generator, bonuses: np.ndarray = BONUSES) -> tuple[Check, ...]:
    """One entry of one reward is raised; and Proposition 2.9's target through one reward."""
    rows = [_raise_one(rng, d, float(b)) for d in DISCOUNTS for b in bonuses for _ in range(2)]
    bonus, weight, discount, ties, left, jump, uniform, seen = np.array(rows).T
    columns = {"bonus": bonus, "weight": weight, "discount": discount, "ties": ties}
    one = np.ones_like(bonus)
    targets = [_hit_target(rng, d, float(b)) for d in DISCOUNTS for b in bonuses]
    epsilon, least, gamma, size = np.array(targets).T
    target = {"epsilon": epsilon, "least_weight": least, "discount": gamma}
    return (
        Check("effective bonus", "==", seen, seen_bonus(bonus, weight), columns),
        Check("effective optimal actions left in s_0", "==", left, one, columns),
        Check("jump of a deterministic selection", "==", jump, one, columns),
        Check("jump of the uniform selection", "==", uniform, prop_2_10.jump(ties), columns),
        Check("size through one reward", "<=", size, size_bound(epsilon, gamma, least), target),
        Check("size, sharp", "<=", size, sharp_size_bound(epsilon, least), target, True),
    )


def _mixture(rng: np.random.Generator, effective: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three rewards that mix to ``effective``; the second has little weight in every state."""
    states = effective.shape[0]
    weights = np.zeros((states, 3))
    weights[:, 1] = rng.uniform(0.05, 0.5, size=states)
    weights[0, 1] = 0.05
    weights[:, 0] = (1 - weights[:, 1]) * rng.uniform(0.2, 0.8, size=states)
    weights[:, 2] = 1 - weights[:, 0] - weights[:, 1]
    rewards = rng.normal(size=(3, *effective.shape))
    return rewards + effective - effective_reward(rewards, weights), weights


def _raise_one(rng: np.random.Generator, discount: float, bonus: float) -> tuple[Any, ...]:
    ties = int(rng.integers(2, 5))
    mdp, _ = tied_mdp(rng, states=4, actions=5, ties=ties, discount=discount)
    rewards, weights = _mixture(rng, mdp.rewards)
    before = optimal_q(mdp, tol=1e-12)
    chosen = int(greedy_policy(before, atol=1e-9)[0].argmax())
    lifted = (chosen + 1) % ties
    raised = rewards.copy()
    raised[1, 0, lifted] += bonus
    effective = effective_reward(raised, weights)
    after = optimal_q(mdp.with_rewards(effective), tol=1e-12)
    small = bonus * weights[0, 1] * (1 - discount) / 10
    uniform = [uniform_policy(before, atol=1e-9)[0], uniform_policy(after, atol=small)[0]]
    return (
        bonus,
        weights[0, 1],
        discount,
        ties,
        optimal_actions(after, atol=small)[0].sum(),
        float(greedy_policy(after)[0].argmax() != chosen),
        total_variation(*uniform),
        (effective - mdp.rewards)[0, lifted],
    )


def _hit_target(rng: np.random.Generator, discount: float, epsilon: float) -> tuple[float, ...]:
    mdp, q = tied_mdp(rng, states=4, actions=3, ties=2, discount=discount)
    _, weights = _mixture(rng, mdp.rewards)
    target = prop_2_9.lifted_reward(mdp, q, (0, 1), epsilon)
    change = (target - mdp.rewards) / weights[:, 1, None]
    return epsilon, float(weights[:, 1].min()), discount, float(np.abs(change).max())


def counterexample() -> Counterexample:
    """No weight in s_0, though it has weight everywhere else: the raised number is not seen."""
    mdp = two_branches(gap=0.0, discount=0.5)
    weights = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    rewards = np.zeros((2, 3, 2))
    before = optimal_q(mdp.with_rewards(effective_reward(rewards, weights)))
    rewards[1, 0, 1] = 1e6
    after = optimal_q(mdp.with_rewards(effective_reward(rewards, weights)))
    lead = float(after[0, 1] - after[0, 0])
    return Counterexample(
        dropped="w_k(s_0) > 0",
        text="The second reward has half of the weight in every state but s_0, where it has none. "
        "Raising R_2(s_0, a_2) by a million leaves the tie in s_0 as it is.",
        evidence={
            "lead in s_0 before": float(before[0, 1] - before[0, 0]),
            "bonus": rewards[1, 0, 1],
            "lead in s_0 after": lead,
        },
        fails=lead == 0,
    )
