"""Proposition 4.6: with effective ties the effective policy map is discontinuous."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_4_2, prop_2_9, prop_2_10
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
from companion.results.samples import DISCOUNTS, split_reward, tied_mdp, tilt, two_branches
from companion.theory import (
    effective_reward,
    greedy_policy,
    optimal_actions,
    optimal_q,
    stability_radius,
    total_variation,
    uniform_policy,
)

ITEM = "Proposition 4.6"
TITLE = "The cliff with several rewards"
CHAPTER = 7
uses: tuple[str, ...] = ("prop_2_9", "prop_2_10", "lemma_4_2")

STATEMENT = r"""
In the setting of Proposition 2.9 with fixed continuous weights as in Lemma 4.2, let
$A^*_{\mathrm{eff}}(s_0; \mathbf{R}_0)$ be finite with $m \ge 2$ actions. Then (1) every
deterministic selection of effective optimal actions, in the topology of pointwise convergence, and
(2) the uniform selection, in total variation, is discontinuous at $\mathbf{R}_0$: for every
$\varepsilon > 0$ some tuple with
$$\max_k \lVert R_{\varepsilon, k} - R_{0, k} \rVert_\infty \le (1+\gamma)\,\varepsilon$$
leaves $a_2$ as the only effective optimal action in $s_0$.

*Ours.* The jump in (2) is $(m-1)/m$, as in Proposition 2.10, and finiteness is needed for (2) only.
All rewards of the tuple move by the same function; fact 4 shows that moving one of them is enough.
"""


def tuple_distance(effective_distance: Any) -> Any:
    """Distance of the tuples when every reward moves like the effective reward should."""
    return effective_distance


def symbolic() -> Derivation:
    """Moving all rewards by the same function moves the effective reward by it."""
    eps, gamma, m = sympy.symbols("varepsilon gamma m", positive=True)
    weight, shared = z3.Reals("weight shared")
    mixed = induct(
        (weight, weight * shared),
        lambda mass, total: (mass + weight, total + weight * shared),
        lambda mass, total: total == mass * tuple_distance(shared),
    )
    size = identity(tuple_distance(prop_2_9.bound(eps, gamma)), (1 + gamma) * eps)
    lift, rise, e, g = z3.Reals("lift rise e g")
    raised = (lift >= 0, lift <= e, rise >= 0, rise <= e, g >= 0, g < 1)
    moved = lift - g * rise
    no_further = prove(
        z3.And(tuple_distance(moved) <= prop_2_9.bound(e, g), -moved <= prop_2_9.bound(e, g)),
        *raised,
    )
    nor_effective = prove(lemma_4_2.bound(tuple_distance(moved)) <= prop_2_9.bound(e, g), *raised)
    half = identity(prop_2_10.jump(m), 1 - 1 / m)
    return Derivation(
        steps=(
            Step(
                "Take the target for the effective reward from Proposition 2.9 and move every "
                "reward by the same function $\\Delta$. The weights sum to one, so the effective "
                "reward moves by exactly $\\Delta$.",
                r"\sum_k w_k \Delta = \Bigl(\sum_k w_k\Bigr) \Delta = "
                + tex(tuple_distance(sympy.Symbol("Delta"))),
                mixed,
            ),
            Step(
                "The tuple moves no further than the effective reward has to:",
                r"\max_k \lVert R_{\varepsilon, k} - R_{0, k} \rVert_\infty = "
                r"\lVert \Delta \rVert_\infty \le " + tex(size.rhs),
                (size, no_further, nor_effective),
            ),
            Step(
                "The effective optimal set is now $\\{a_2\\}$. A deterministic selection that "
                "chose $a_1$ jumps, the uniform one by (Proposition 2.10)",
                rf"d_{{TV}} = {tex(prop_2_10.jump(m))} = {tex(half.rhs)}",
                (half, cited("Propositions 2.9 and 2.10")),
            ),
        ),
        scope="the mixture for any number of rewards (z3, by induction), the size for all reals "
        "(z3). The rest is Propositions 2.9 and 2.10 at the effective reward.",
    )


def numeric(
    rng: np.random.Generator, epsilons: np.ndarray = prop_2_9.EPSILONS
) -> tuple[Check, ...]:
    """Tuples of one to four rewards at an effective tie: size, and both jumps."""
    rows = [_one_case(rng, d, e, k) for d in DISCOUNTS for e in epsilons for k in (1, 2, 4)]
    epsilon, discount, count, ties, size, needed, jump, uniform, left = np.array(rows).T
    columns = {"epsilon": epsilon, "discount": discount, "rewards": count, "ties": ties}
    one = np.ones_like(epsilon)
    return (
        Check("move of the tuple", "<=", size, prop_2_9.bound(epsilon, discount), columns),
        Check("move of the tuple, as needed", "==", size, tuple_distance(needed), columns),
        Check("jump of a deterministic selection", "==", jump, one, columns),
        Check("jump of the uniform selection", "==", uniform, prop_2_10.jump(ties), columns),
        Check("effective optimal actions left in s_0", "==", left, one, columns),
    )


def _one_case(rng: np.random.Generator, discount: float, epsilon: float, count: int) -> Any:
    ties = int(rng.integers(2, 5))
    mdp, q = tied_mdp(rng, states=4, actions=5, ties=ties, discount=discount)
    rewards, weights = split_reward(rng, mdp.rewards, count)
    before = optimal_q(mdp.with_rewards(effective_reward(rewards, weights)), tol=1e-12)
    chosen = int(greedy_policy(before, atol=1e-9)[0].argmax())
    lifted = (chosen + 1) % ties
    target = prop_2_9.lifted_reward(mdp, q, (0, lifted), epsilon)
    moved = rewards + (target - mdp.rewards)
    after = optimal_q(mdp.with_rewards(effective_reward(moved, weights)), tol=1e-12)
    uniform = [uniform_policy(before, atol=1e-9)[0], uniform_policy(after, atol=epsilon / 10)[0]]
    return (
        epsilon,
        discount,
        count,
        ties,
        np.abs(moved - rewards).max(),
        np.abs(target - mdp.rewards).max(),
        float(greedy_policy(after)[0].argmax() != chosen),
        total_variation(*uniform),
        optimal_actions(after, atol=epsilon / 10)[0].sum(),
    )


def counterexample() -> Counterexample:
    """A unique effective optimum: up to the radius not even the worst tuple moves the policy."""
    mdp = two_branches(gap=1.0, discount=0.5)
    rewards, weights = split_reward(np.random.default_rng(0), mdp.rewards, count=3)
    radius = float(stability_radius(mdp).guaranteed)
    before = greedy_policy(optimal_q(mdp))
    moved = []
    for multiple in (0.999, 1.001):
        change = tilt(mdp, multiple * radius).rewards - mdp.rewards
        after = mdp.with_rewards(effective_reward(rewards + change, weights))
        moved.append(float((greedy_policy(optimal_q(after)) != before).any()))
    return Counterexample(
        dropped="at least two effective optimal actions in s_0",
        text="One effective optimal action per state: moving all three rewards by the worst change "
        "of 0.999 of the radius leaves the policy where it is (1.001 moves it).",
        evidence={"radius": radius, "moved inside": moved[0], "moved outside": moved[1]},
        fails=moved == [0, 1],
    )
