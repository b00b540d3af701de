"""Proposition 3.2: some tie-breaker as small as you like makes one optimal action beat another."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_c_1, prop_2_9
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
from companion.results.elementary import absolute
from companion.results.samples import DISCOUNTS, tied_mdp, tilt, two_branches
from companion.theory import inverse_bellman, optimal_q, stability_radius

ITEM = "Proposition 3.2"
TITLE = "The tie-breaker: some extra reward, as small as you like, decides"
CHAPTER = 6
uses: tuple[str, ...] = ("prop_2_9", "lemma_c_1")

STATEMENT = r"""
In the setting of Proposition 2.9 let $a_1 \ne a_2$ both be optimal in $s_0$ at $R_0$ (there may be
infinitely many optimal actions). For every $\varepsilon > 0$ there is some reward $R'$ with
$$\lVert R' - R_0 \rVert_\infty \le \varepsilon, \qquad
Q^*_{R'}(s_0, a_2) - Q^*_{R'}(s_0, a_1) = \frac{\varepsilon}{1+\gamma} > 0 .$$

*What it does not say.* That $R'$ exists is all: a given small extra reward need not decide anything
(the same constant added everywhere decides nothing), and $a_2$ is ranked above $a_1$ alone, not
above every other optimal action.

*Mended proof.* The paper's proof of Proposition 3.2 takes over a bump that vanishes at all other
optimal actions. There is one if $a_2$ is isolated among them, as it is if they are finitely many,
which this proposition does not assume. Here the bump has $\delta = d(a_1, a_2)$: it vanishes at
$a_1$, which is all that is asked. With any other $\delta$ the lead is
$\varepsilon\,(1 - \varphi_\delta(a_1))/(1+\gamma)$, still positive.

*A sharper constant (beyond the paper).* Since a bump only raises $Q$, the height $\varepsilon$
itself keeps $R'$ within $\varepsilon$ of $R_0$: the factor $1/(1+\gamma)$ can be dropped.
"""


def height(epsilon: Any, discount: Any) -> Any:
    """The paper's height of the bump that keeps the reward within ``epsilon``."""
    return epsilon / (1 + discount)


def sharp_height(epsilon: Any) -> Any:
    """The largest height of a bump that keeps the reward within ``epsilon`` in every MDP."""
    return epsilon


def symbolic() -> Derivation:
    """The height from Proposition 2.9's bound, and the lead that it buys."""
    eps, gamma, d, q, top = sympy.symbols("varepsilon gamma d Q_0 h", positive=True)
    phi_1 = sympy.Symbol("varphi_1", nonnegative=True)  # the bump at a_1
    h = height(eps, gamma)
    size = prop_2_9.bound(top, gamma)
    fits = identity(size.subs(top, h), eps)
    at_other = lemma_c_1.bump(d, d)
    vanishes = require(at_other == 0, "the bump of radius d(a_1, a_2) vanishes at a_1")
    lead = identity((q + h) - (q + h * phi_1), prop_2_9.lead(0, h, phi_1))

    e, g, distance, radius, lift, rise = z3.Reals("e g distance radius lift rise")
    setting = (e > 0, g >= 0, g < 1)
    phi = lemma_c_1.bump(distance, radius)
    positive = prove(
        z3.And(prop_2_9.lead(0, height(e, g), phi) > 0, prop_2_9.lead(0, sharp_height(e), phi) > 0),
        *setting,
        distance > 0,
        radius > 0,
    )
    within, sharply_within = (
        prove(
            absolute(lift - g * rise) <= e,
            *setting,
            *(lift >= 0, lift <= largest, rise >= 0, rise <= largest),
        )
        for largest in (height(e, g), sharp_height(e))
    )
    return Derivation(
        steps=(
            Step(
                "Choose the height of the bump so that Proposition 2.9's bound is $\\varepsilon$.",
                rf"{tex(size)} = \varepsilon \iff h = {tex(h)}",
                (fits, within),
            ),
            Step(
                "As both actions were tied, $a_2$ now leads by the following, where $\\varphi_1$ "
                "is the bump at $a_1$. It is positive for every $\\delta > 0$, as the bump is "
                "below 1 off its centre.",
                rf"Q'(s_0, a_2) - Q'(s_0, a_1) = {tex(lead.rhs)} > 0",
                (lead, positive),
            ),
            Step(
                "With $\\delta = d(a_1, a_2)$ the bump vanishes at $a_1$, and the lead is the "
                "whole height.",
                rf"\varphi_1 = \max\{{0, 1 - \delta/\delta\}} = {tex(at_other)}, \qquad "
                rf"Q'(s_0, a_2) - Q'(s_0, a_1) = {tex(lead.rhs.subs(phi_1, at_other))}",
                (vanishes, lead),
            ),
            Step(
                "Since lifts and rises of the maximum are both between 0 and the height, the "
                "height may even be",
                rf"h = {tex(sharp_height(eps))}",
                sharply_within,
            ),
        ),
        scope="the height and the lead as identities (SymPy); positivity for every $\\delta$ and "
        "the size of the reward change at both heights for all reals (z3).",
    )


def numeric(
    rng: np.random.Generator, epsilons: np.ndarray = prop_2_9.EPSILONS
) -> tuple[Check, ...]:
    """Tie-breakers at both heights and several radii: the size of the reward, and the lead."""
    rows = [_one_case(rng, d, e) for d in DISCOUNTS for e in epsilons for _ in range(3)]
    epsilon, discount, radius, size, lead, sharp_size, sharp_lead = np.array(rows).T
    columns = {"epsilon": epsilon, "discount": discount, "radius": radius}
    other = 1 - lemma_c_1.bump(1.0, radius)
    return (
        Check("reward change", "<=", size, epsilon, columns),
        Check("lead", "==", lead, height(epsilon, discount) * other, columns, tolerance=1e-8),
        Check("reward change, sharp", "<=", sharp_size, epsilon, columns, attained=True),
        Check("lead, sharp", "==", sharp_lead, sharp_height(epsilon) * other, columns, False, 1e-8),
    )


def _one_case(rng: np.random.Generator, discount: float, epsilon: float) -> tuple[float, ...]:
    mdp, q = tied_mdp(rng, states=4, actions=4, ties=int(rng.integers(2, 5)), discount=discount)
    radius = float(rng.choice([0.5, 1.0, 2.0, 4.0]))
    distance = np.ones_like(q)
    distance[0, 1] = 0.0
    result = [epsilon, discount, radius]
    for top in (height(epsilon, discount), sharp_height(epsilon)):
        lifted = q + top * lemma_c_1.bump(distance, radius)
        moved = mdp.with_rewards(inverse_bellman(lifted, mdp.transitions, discount))
        after = optimal_q(moved, tol=1e-12)
        result += [np.abs(moved.rewards - mdp.rewards).max(), after[0, 1] - after[0, 0]]
    return tuple(result)


def counterexample() -> Counterexample:
    """One action ahead by a gap: below the stability radius nothing makes the other one lead."""
    mdp = two_branches(gap=1.0, discount=0.5)
    radius = float(stability_radius(mdp).guaranteed)
    leads = [float(np.diff(optimal_q(tilt(mdp, radius * f))[0])[0]) for f in (0.5, 0.99)]
    return Counterexample(
        dropped="a_1 and a_2 both optimal",
        text="Action 1 trails by 1. Even the worst change, tilting both branches against each "
        "other, does not make it lead while it is smaller than (1 − γ)/2.",
        evidence={"stability radius": radius, "lead at 0.99 of the radius": leads[1]},
        fails=max(leads) < 0,
    )
