"""Fact 8, beyond the paper: with entropy the map is a homeomorphism, up to shaping."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import sharp_5_softmax
from companion.results.base import (
    BY_DEFINITION,
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
from companion.results.elementary import absolute, tanh
from companion.results.induction import (
    average_of_a_difference,
    average_stays_within,
    fixed_point_moves_at_most,
)
from companion.results.samples import DISCOUNTS, random_mdps, tilt, two_branches
from companion.theory import (
    FiniteMDP,
    greedy_policy,
    optimal_q,
    shaping_norm,
    soft_optimal_q,
    softmax_policy,
    total_variation,
)

ITEM = "Fact 8"
TITLE = "Entropy makes the map a homeomorphism, up to shaping"
CHAPTER = 8
uses: tuple[str, ...] = ("prop_2_4", "prop_4_7", "sharp_5_softmax")

STATEMENT = r"""
Let $S$, $A$ be finite, $\gamma \in [0, 1)$, $\alpha > 0$ and $\pi_R$ the entropy-regularised
optimal policy of $R$. A *shaping* reward is $\Phi - \gamma P \Phi$ for a potential $\Phi$ on the
states (Ng, Harada and Russell 1999). With the distance from the shaping rewards
$$\lVert D \rVert_{\mathrm{sh}} = \min_\Phi \lVert D - \Phi + \gamma P \Phi \rVert_\infty ,$$
any two rewards, with $\Delta R$ their difference, satisfy
$$\lVert \Delta R \rVert_{\mathrm{sh}} \le \alpha\, \lVert \Delta \log \pi \rVert_\infty
\le \frac{2\, \lVert \Delta R \rVert_{\mathrm{sh}}}{1 - \gamma}, \qquad
d_{TV} \le \tanh \frac{\lVert \Delta R \rVert_{\mathrm{sh}}}{2 \alpha (1 - \gamma)} .$$
So two rewards have the same regularised policy **if and only if** they differ by shaping (this
part is Cao, Cohen and Szpruch 2021; see also Skalse et al. 2023), every policy with full support is
the policy of some reward, $R = \alpha \log \pi$ for one, and the map from rewards up to shaping to
such policies is continuous in both directions: a homeomorphism.
"""


def log_policy_bound(norm: Any, discount: Any) -> Any:
    """Bound on α times the largest change of a log-probability."""
    return 2 * norm / (1 - discount)


def policy_bound(norm: Any, temperature: Any, discount: Any) -> Any:
    """Bound on the total variation between the two policies in any state."""
    return tanh(norm / (2 * temperature * (1 - discount)))


def q_bound(norm: Any, discount: Any) -> Any:
    """Bound on the move of the soft optimal Q once the best shaping is taken off."""
    return norm / (1 - discount)


def symbolic() -> Derivation:
    """The residual after shaping by ΔV is α Δ log π; shaping changes nothing; both bounds."""
    change, log_move, here, after, gamma = z3.Reals("change log_move here after gamma")
    residual = prove(  # Q = R + γ E V' and Q = α log π + V, for both rewards, subtracted
        change - here + gamma * after == log_move, change + gamma * after == log_move + here
    )
    q, r, follow, phi, next_phi, disc = z3.Reals("q r follow phi next_phi disc")
    shaped = prove(
        q - phi == (r - phi + disc * next_phi) + disc * (follow - next_phi), q == r + disc * follow
    )
    alpha, potential, total = sympy.symbols("alpha Phi Z", positive=True)
    lowered = identity(
        sympy.expand_log(alpha * sympy.log(sympy.exp(-potential / alpha) * total)),
        alpha * sympy.log(total) - potential,
    )
    moved, q_move, v_move, norm = z3.Reals("moved q_move v_move norm")
    discounted = (gamma >= 0, gamma < 1, norm >= 0)
    upper = prove(
        moved <= log_policy_bound(norm, gamma),
        moved == absolute(q_move - v_move),
        absolute(q_move) <= q_bound(norm, gamma),
        absolute(v_move) <= q_bound(norm, gamma),
        *discounted,
    )
    share = z3.Real("share")
    sums_to_one = induct(
        (share, share),
        lambda weights, masses: (weights + share, masses + share),
        lambda weights, masses: weights == masses,
        share > 0,
    )
    probability = sympy.Symbol("pi", positive=True)
    weight = identity(sympy.exp(alpha * sympy.log(probability) / alpha), probability)
    size, discount = sympy.symbols("D gamma", positive=True)
    sharp = identity(
        sharp_5_softmax.bound(2 * q_bound(size, discount), alpha),
        policy_bound(size, alpha, discount),
    )
    return Derivation(
        steps=(
            Step(
                "For a regularised optimum $\\alpha \\log \\pi = Q - V$ and $Q = R + \\gamma P V$. "
                "Subtract the two rewards' equations: shaped by $\\Phi = \\Delta V$, the change of "
                "the reward is what the log-policy has moved by. The best potential leaves no "
                "more.",
                r"\Delta R - \Delta V + \gamma P\, \Delta V = \alpha\, \Delta \log \pi \implies "
                r"\lVert \Delta R \rVert_{\mathrm{sh}} \le \alpha\, \lVert \Delta \log \pi "
                r"\rVert_\infty",
                (residual, average_of_a_difference()),
            ),
            Step(
                "Shaping moves $Q$ by the potential and the soft maximum with it, so the policy "
                "stays:",
                r"Q - \Phi = (R - \Phi + \gamma P \Phi) + \gamma P (V - \Phi), \qquad "
                r"\alpha \log \sum_a e^{(Q(a) - \Phi)/\alpha} = V - \Phi",
                (shaped, lowered, average_of_a_difference()),
            ),
            Step(
                "So take the best shaping off first. Then $Q$ and $V$ move by at most "
                "$\\lVert \\Delta R \\rVert_{\\mathrm{sh}}/(1-\\gamma)$ each (the soft maximum is "
                "nonexpansive, Proposition 4.7), and $\\alpha \\log \\pi = Q - V$ by twice that.",
                r"\alpha\, \lVert \Delta \log \pi \rVert_\infty \le "
                + tex(log_policy_bound(sympy.Symbol(r"\lVert\Delta{R}\rVert_{sh}"), discount)),
                (
                    average_stays_within(),
                    fixed_point_moves_at_most(q_bound),
                    upper,
                    cited("Proposition 4.7"),
                ),
            ),
            Step(
                "The span of $\\Delta Q$ over the actions of a state is at most twice its size; "
                "fact 5 gives, with $D = \\lVert \\Delta R \\rVert_{\\mathrm{sh}}$,",
                rf"d_{{TV}} \le {tex(sharp.rhs)}",
                (sharp, cited("fact 5")),
            ),
            Step(
                "Any policy with full support is the optimum of $R = \\alpha \\log \\pi$: its "
                "values are zero, as the weights $e^{R/\\alpha}$ are its probabilities.",
                r"V = \alpha \log \sum_a e^{\alpha \log \pi(a)/\alpha} = \alpha \log 1 = 0",
                (weight, sums_to_one),
            ),
            Step(
                "The first two inequalities say the rest: the policies agree exactly if "
                "$\\lVert \\Delta R \\rVert_{\\mathrm{sh}} = 0$, and each of the two distances "
                "tends to zero with the other.",
                r"\pi_{R_1} = \pi_{R_2} \iff R_1 - R_2 = \Phi - \gamma P \Phi",
                BY_DEFINITION,
            ),
        ),
        scope="all of it for any number of states and actions and all reals (z3, sums by "
        "induction; logarithms by SymPy).",
    )


def numeric(rng: np.random.Generator, repeats: int = 20) -> tuple[Check, ...]:
    """Random pairs of rewards, pairs that differ by shaping, and branches that change places."""
    rows, shaped, inverted = [], [], []
    for mdp in (mdp for mdp in random_mdps(rng, repeats) if mdp.n_actions > 1):
        alpha = 10.0 ** rng.uniform(-1, 1)
        change = alpha * 10.0 ** rng.uniform(-2, 1) * rng.normal(size=mdp.rewards.shape)
        norm = shaping_norm(mdp, change)
        before, after = (
            log_policy(m, alpha) for m in (mdp, mdp.with_rewards(mdp.rewards + change))
        )
        moved = alpha * np.abs(after - before).max()
        distance = total_variation(np.exp(before), np.exp(after)).max()
        rows.append((alpha, mdp.discount, norm, moved, distance))
        bonus = shaping_reward(mdp, rng.normal(size=mdp.n_states))
        same = log_policy(mdp.with_rewards(mdp.rewards + bonus), alpha)
        shaped.append((shaping_norm(mdp, bonus), total_variation(*np.exp([before, same])).max()))
        back = log_policy(mdp.with_rewards(alpha * before), alpha)
        inverted.append(np.abs(back - before).max())
    alpha, discount, norm, moved, distance = np.array(rows).T
    columns = {"temperature": alpha, "discount": discount, "shaping_norm": norm}
    left, still = np.array(shaped).T
    branches = np.array(
        [
            (a, d, x, *_branches(a, d, x * a * (1 - d)))
            for a in (0.1, 1.0)
            for d in DISCOUNTS
            for x in (1e-3, 0.1, 1.0, 10.0)
        ]
    ).T
    b_alpha, b_discount, _, b_norm, b_distance = branches
    worst = {"temperature": b_alpha, "discount": b_discount, "shaping_norm": b_norm}
    zero = np.zeros_like(left)
    upper, most = log_policy_bound(norm, discount), policy_bound(norm, alpha, discount)
    return (
        Check("move of the log-policy, from below", ">=", moved, norm, columns, tolerance=1e-8),
        Check("move of the log-policy, from above", "<=", moved, upper, columns, tolerance=1e-8),
        Check("move of the policy", "<=", distance, most, columns, tolerance=1e-8),
        Check(
            "move of the policy, two branches",
            "==",
            b_distance,
            policy_bound(b_norm, b_alpha, b_discount),
            worst,
            tolerance=1e-8,
        ),
        Check("shaping norm of a shaping reward", "==", left, zero, tolerance=1e-5),
        Check("move of the policy under shaping", "==", still, zero, tolerance=1e-5),
        Check("policy back from its log", "==", np.array(inverted), zero, tolerance=1e-5),
    )


def log_policy(mdp: FiniteMDP, temperature: float) -> np.ndarray:
    """log π of the regularised optimum, ``(S, A)``; finite also where π underflows."""
    q = soft_optimal_q(mdp, temperature, tol=1e-12) / temperature
    q = q - q.max(axis=1, keepdims=True)
    return q - np.log(np.exp(q).sum(axis=1, keepdims=True))


def shaping_reward(mdp: FiniteMDP, potential: np.ndarray) -> np.ndarray:
    """Φ − γPΦ as a reward ``(S, A)``, for a potential ``(S,)``."""
    return potential[:, None] - mdp.discount * mdp.next_values(potential)


def _branches(temperature: float, discount: float, size: float) -> tuple[float, float]:
    """Two branches that change places: shaping norm of the change, and move of the policy."""
    tied = two_branches(gap=0.0, discount=discount)
    mdps = [tilt(tied, s) for s in (-size / 2, size / 2)]
    before, after = (
        softmax_policy(soft_optimal_q(m, temperature, 1e-12), temperature) for m in mdps
    )
    norm = shaping_norm(tied, mdps[1].rewards - mdps[0].rewards)
    return norm, float(total_variation(before, after)[0])


def counterexample() -> Counterexample:
    """No entropy: a reward and its double have the same optimum and do not differ by shaping."""
    bandit = FiniteMDP(np.ones((1, 2, 1)), np.array([[1.0, 0.0]]), 0.5)
    double = bandit.with_rewards(2 * bandit.rewards)
    same = bool((greedy_policy(optimal_q(bandit)) == greedy_policy(optimal_q(double))).all())
    norm = shaping_norm(bandit, double.rewards - bandit.rewards)
    return Counterexample(
        dropped="α > 0",
        text="Two arms worth 1 and 0, or 2 and 0: without entropy the first is chosen in both, "
        "though no potential turns one reward into the other.",
        evidence={"move of the policy": float(not same), "shaping norm of the change": norm},
        fails=same and norm > 0.1,
    )
