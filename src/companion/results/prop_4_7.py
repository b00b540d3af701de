"""Proposition 4.7: the entropy-regularised optimal policy is Lipschitz in the rewards."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import lemma_c_2, prop_4_3
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.induction import average_stays_within, fixed_point_moves_at_most
from companion.results.samples import mixtures, tilt, two_branches
from companion.theory import (
    FiniteMDP,
    effective_reward,
    greedy_policy,
    optimal_q,
    soft_optimal_q,
    softmax_policy,
    total_variation,
)

ITEM = "Proposition 4.7"
TITLE = "Entropy makes the reward-policy map Lipschitz"
CHAPTER = 8
uses: tuple[str, ...] = ("lemma_4_2", "prop_4_3", "lemma_c_2")

STATEMENT = r"""
Let $A$ be **finite**, $S$ compact metric, $P$ Feller, $\gamma \in [0, 1)$, $\alpha > 0$, and let
$w_k(s) \ge 0$ be continuous weights with $\sum_k w_k(s) = 1$ that do not depend on the rewards.
Let $Q_{\mathbf{R}}$ solve the soft Bellman equation
$$Q(s, a) = R_{\mathrm{eff}}(s, a)
+ \gamma\, \mathbb{E}_{s'}\Bigl[\alpha \log \sum_{a'} e^{Q(s', a')/\alpha}\Bigr]$$
and $\pi_{\mathbf{R}}(\cdot \mid s) = \mathrm{softmax}(Q_{\mathbf{R}}(s, \cdot)/\alpha)$. Then in
every state
$$d_{TV}\bigl(\pi_{\mathbf{R}_1}(\cdot \mid s), \pi_{\mathbf{R}_2}(\cdot \mid s)\bigr)
\le \frac{\max_k \lVert R_{1,k} - R_{2,k} \rVert_\infty}{2 \alpha (1 - \gamma)} .$$

*Mended hypothesis.* Proposition 4.7 of the paper sums over $a'$, and its proof counts the actions,
so $A$ must be finite (or carry a reference measure); compactness is not enough.

*Sharpness and scope (ours).* The constant is the best one, approached for small changes. It grows
without bound as $\gamma \to 1$, a case outside the proposition: fact 6 is a bound there.
"""


def bound(reward_distance: Any, temperature: Any, discount: Any) -> Any:
    """Bound on the total variation between the two soft optimal policies in any state."""
    return reward_distance / (2 * temperature * (1 - discount))


def symbolic() -> Derivation:
    """The soft maximum is nonexpansive; then the fixed-point step and Lemma C.2."""
    alpha, move, partition = sympy.symbols("alpha d Z", positive=True)
    factor = sympy.exp(move / alpha)
    soft_shift = identity(
        sympy.expand_log(alpha * sympy.log(factor * partition)),
        move + alpha * sympy.log(partition),
    )
    d, r, gamma, temperature = z3.Reals("d r gamma temperature")
    composed = prove(
        lemma_c_2.bound(d, temperature) / 2 <= bound(r, temperature, gamma),
        d <= prop_4_3.bound(r, gamma),
        d >= 0,
        r >= 0,
        gamma >= 0,
        gamma < 1,
        temperature > 0,
    )
    delta, discount = sympy.symbols("delta gamma", positive=True)
    total = identity(
        lemma_c_2.bound(prop_4_3.bound(delta, discount), alpha) / 2, bound(delta, alpha, discount)
    )
    # Log-odds of two branches: each of the two Q moves by delta / (1 - gamma), across the tie.
    before = -prop_4_3.bound(delta, discount) / alpha
    moved = 1 / (1 + sympy.exp(before)) - 1 / (1 + sympy.exp(-before))
    worst = sympy.tanh(-before / 2)
    attained = identity(moved, worst.rewrite(sympy.exp))
    slope = identity(sympy.diff(worst, delta).subs(delta, 0), bound(1, alpha, discount))
    return Derivation(
        steps=(
            Step(
                "If no $q_a$ moves by more than $d$, every weight $e^{q_a/\\alpha}$ is multiplied "
                "by a factor between $1/k$ and $k = e^{d/\\alpha}$, and so is their sum, for any "
                "number of actions.",
                r"\tfrac{1}{k} \sum_a e^{q_a/\alpha} \le \sum_a e^{q'_a/\alpha} \le "
                r"k \sum_a e^{q_a/\alpha}",
                _sums_of_weights(),
            ),
            Step(
                "The logarithm turns the factor into $d$: the soft maximum is nonexpansive in the "
                "sup norm, like the maximum.",
                r"\alpha \log (k Z) = " + tex(soft_shift.rhs),
                (soft_shift, cited("the logarithm increases")),
            ),
            Step(
                "So the soft Bellman operator contracts like the hard one, and with "
                "$\\delta = \\max_k \\lVert R_{1,k} - R_{2,k} \\rVert_\\infty$ (Lemma 4.2)",
                r"\lVert Q_1 - Q_2 \rVert_\infty \le \delta + \gamma \lVert Q_1 - Q_2 \rVert_\infty"
                r" \implies \lVert Q_1 - Q_2 \rVert_\infty \le "
                + tex(prop_4_3.bound(delta, discount)),
                (average_stays_within(), fixed_point_moves_at_most(prop_4_3.bound)),
            ),
            Step(
                "Total variation is half the L1 distance; Lemma C.2 gives",
                r"d_{TV} \le \frac{1}{2 \alpha}\, \lVert Q_1 - Q_2 \rVert_\infty \le "
                + tex(total.rhs),
                (total, composed, cited("Lemma C.2")),
            ),
            Step(
                "The constant is approached: of two branches for ever, lower the better one and "
                "raise the other, each by $\\delta$, so that they change places.",
                rf"d_{{TV}} = {tex(worst)}, \qquad "
                rf"\left.\frac{{d}}{{d\delta}}\, d_{{TV}} \right|_{{\delta = 0}} "
                rf"= {tex(slope.rhs)}",
                (attained, slope),
            ),
        ),
        scope="all of it for any number of states, actions and rewards (z3, sums by induction; "
        "constants as identities by SymPy).",
    )


def _sums_of_weights() -> Proof:
    """Sums of positive weights whose ratios lie between 1/k and k have such a ratio."""
    before, after, k = z3.Reals("before after k")
    return induct(
        (before, after),
        lambda old, new: (old + before, new + after),
        lambda old, new: z3.And(old <= k * new, new <= k * old),
        before > 0,
        after > 0,
        before <= k * after,
        after <= k * before,
    )


def numeric(rng: np.random.Generator, repeats: int = 100) -> tuple[Check, ...]:
    """Random mixtures of rewards over α, and the two branches that attain the constant."""
    rows = []
    for mdp, rewards, weights in mixtures(rng, repeats):
        temperature = 10.0 ** rng.uniform(-1.5, 1)
        size = temperature * 10.0 ** rng.uniform(-3, 1)
        change = size * rng.choice([-1.0, 1.0], size=rewards.shape)
        moved = mdp.with_rewards(effective_reward(rewards + change, weights))
        rows.append((temperature, mdp.discount, size, _move(mdp, moved, temperature)))
    random = np.array(rows).T
    rows = []
    for temperature in (0.05, 0.2, 1.0):
        for discount in (0.0, 0.5, 0.9, 0.99):
            for size in temperature * (1 - discount) * 10.0 ** np.arange(-4.0, 2.0):
                tied = two_branches(gap=0.0, discount=discount)
                moved_by = _move(tilt(tied, -size / 2), tilt(tied, size / 2), temperature)
                rows.append((temperature, discount, size, moved_by))
    worst = np.array(rows).T
    return (
        _check("move of the soft policy, random", random),
        _check("move of the soft policy, two branches", worst, attained=True),
    )


def _move(mdp: FiniteMDP, moved: FiniteMDP, temperature: float) -> float:
    before, after = (
        softmax_policy(soft_optimal_q(m, temperature, tol=1e-12), temperature) for m in (mdp, moved)
    )
    return float(total_variation(before, after).max())


def _check(name: str, rows: np.ndarray, attained: bool = False) -> Check:
    temperature, discount, size, moved = rows
    columns = {"temperature": temperature, "discount": discount, "reward_distance": size}
    return Check(name, "<=", moved, bound(size, temperature, discount), columns, attained)


def counterexample() -> Counterexample:
    """Without entropy: at a tie a reward change of any size moves the policy all the way."""
    tied, size = two_branches(gap=0.0, discount=0.5), 1e-6
    below, above = (greedy_policy(optimal_q(tilt(tied, x)))[0] for x in (-size, size))
    jump = float(total_variation(below, above))
    ratio = {alpha: _move(tied, tilt(tied, size), alpha) / size for alpha in (1.0, 1e-3, 1e-6)}
    return Counterexample(
        dropped="α > 0",
        text="A tie and a tilt of 1e-6 to either side: the optimum without entropy jumps from one "
        "branch to the other. At temperatures that fall to 0 the ratio of policy move to reward "
        "change grows without bound.",
        evidence={"size of the tilt": size, "jump at α = 0": jump}
        | {f"ratio at α = {alpha:g}": value for alpha, value in ratio.items()},
        fails=jump == 1 and ratio[1e-6] > 1e4 * bound(1.0, 1.0, 0.5),
    )
