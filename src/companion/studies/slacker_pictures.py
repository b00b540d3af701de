"""Chapter 5's pictures of theory: a grade that leaves something out, and answers that tie."""

from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.results.samples import tied_mdp
from companion.studies.cliff import bandit
from companion.theory import (
    FiniteMDP,
    evaluate_policy,
    greedy_policy,
    optimal_actions,
    optimal_q,
    total_variation,
)

_DISCOUNTS = {0.0: "blue", 0.5: "green", 0.9: "purple"}


@figure("slacker-same-grade", rests_on=("prop_3_1",))
def same_grade() -> Drawing:
    """Graded and true value of the policies that solve or edit the tests, by share of edits."""
    graded = np.array([1.0, 1.0, 0.0])  # solve, edit the tests, hand in something wrong
    left_out = np.array([0.0, -0.7, 0.0])  # the harm that no test sees
    grader, wanted = bandit(list(graded)), bandit(list(graded + left_out))
    assert list(np.flatnonzero(optimal_actions(optimal_q(grader))[0])) == [0, 1]
    shares = np.linspace(0, 1, 101)
    policies = [np.array([[1 - share, share, 0.0]]) for share in shares]
    table = pd.DataFrame(
        {
            "share": shares,
            "graded": [evaluate_policy(grader, policy)[0] for policy in policies],
            "true": [evaluate_policy(wanted, policy)[0] for policy in policies],
        }
    )
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        ax.plot(table.share, table.graded, color=COLOURS["blue"])
        ax.plot(table.share, table.true, color=COLOURS["orange"])
        ax.text(0.98, 1.03, "what the grader sees", color=COLOURS["blue"], ha="right", va="bottom")
        ax.text(0.5, 0.6, "what was wanted", color=COLOURS["orange"], ha="right", va="top")
        ax.set(
            title="All these policies are optimal for the grader",
            xlabel="share of submissions that edit the tests",
            ylabel="value",
            xlim=(0, 1),
            ylim=(0, 1.15),
        )
        ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
        plt.close(fig)
    return Drawing(
        fig,
        title="The same grade, and less and less of what was wanted",
        caption="Every point is a policy that is optimal for the grader. Its graded value is "
        f"{table.graded.min():.3g} from end to end. The true value, which counts the harm as well, "
        f"falls from {table.true.iloc[0]:.3g} to {table.true.iloc[-1]:.3g}. Nothing in the grade "
        "tells a learner where on this line to stand.",
        alt="Value against the share of submissions that edit the tests. The graded value is a "
        "flat line at one. The true value is a straight line that falls.",
        data=table,
    )


def chain(solve: Fraction, edit: Fraction) -> FiniteMDP:
    """Start, decision, end: half of the episodes reach the decision, the discount is a half.

    The decision pays ``solve`` or ``edit``, its two actions, and ends. Exact rational arithmetic.
    """
    transitions = np.full((3, 2, 3), Fraction(0))
    transitions[0, :, 1:] = Fraction(1, 2)
    transitions[1:, :, 2] = Fraction(1)
    rewards = np.full((3, 2), Fraction(0))
    rewards[1] = [solve, edit]
    return FiniteMDP(transitions, rewards, Fraction(1, 2))


def _worst_slacker(rng: np.random.Generator, size: float, discount: float) -> dict[str, float]:
    """The worst policy that is optimal for a grader with two tied answers in one state.

    What is left out favours one of them by ``size`` and burdens the other.

    Returns:
        ``loss`` of true value, and ``distance`` to the right policy in that state.
    """
    mdp, q = tied_mdp(rng, 4, 4, ties=2, discount=discount)
    missing = np.zeros((4, 4))
    missing[0, :2] = rng.permutation([size, -size])
    order = list(dict.fromkeys([int(missing[0, :2].argmin()), *range(4)]))
    slacker = greedy_policy(q, tie_break=order, atol=1e-9)
    wanted = mdp.with_rewards(mdp.rewards + missing)
    best = optimal_q(wanted, tol=1e-12)
    loss = (best.max(axis=1) - evaluate_policy(wanted, slacker)).max()
    return {"loss": loss, "distance": total_variation(slacker, greedy_policy(best))[0]}


def omissions() -> pd.DataFrame:
    """What small omissions cost on random decision processes.

    Returns:
        Columns ``size`` of what is left out, ``discount``, ``loss``, ``bound`` of the loss, and
        ``distance``.
    """
    rng = np.random.default_rng(31)
    return pd.DataFrame(
        {"size": size, "discount": discount, "bound": 2 * size / (1 - discount)}
        | _worst_slacker(rng, size, discount)
        for size in np.geomspace(1e-5, 0.03, 40)
        for discount in _DISCOUNTS
    )


@figure("slacker-small-omissions", rests_on=("prop_3_1",))
def small_omissions(table: pd.DataFrame) -> Drawing:
    """Value lost and distance moved, against the size of what was left out (``omissions``)."""
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
        for discount, name in _DISCOUNTS.items():
            part = table[table.discount == discount]
            left.loglog(part["size"], part.bound, color=COLOURS[name], linewidth=1.5)
            left.loglog(part["size"], part.loss, ".", color=COLOURS[name], markersize=7)
            at = (part["size"].max() * 1.15, part.bound.max())
            side = "bottom" if discount else "top"  # two lines lie close to each other
            left.text(*at, f"γ = {discount:g}", color=COLOURS[name], va=side)
        left.set(title="What is lost", ylabel="true value lost", xlim=(8e-6, 0.5))
        right.semilogx(table["size"], table.distance, ".", color=COLOURS["orange"], markersize=7)
        right.set(title="What is done instead", ylabel="distance to the right policy")
        right.set(ylim=(-0.05, 1.1), xlim=(8e-6, 0.05))
        for ax in (left, right):
            ax.set_xlabel("size of what was left out")
        plt.close(fig)
    tight = (table.loss / table.bound).groupby(table.discount).max()
    least, most = table.distance.min(), table.distance.max()
    return Drawing(
        fig,
        title="A small omission costs little and changes everything",
        caption=f"{len(table)} random decision processes with two tied answers, of which the "
        "policy takes the worse. Left: the true value lost, and as lines its bound, twice the size "
        "of what was left out divided by 1 − γ; at discount 0 the largest loss is "
        f"{tight.loc[0.0]:.4g} of the bound, at 0.9 it is {tight.loc[0.9]:.3g}. Right: the "
        f"distance between this policy and the right one in the same state, {least:.3g} "
        f"{f'to {most:.3g}' if most > least else 'throughout'}.",
        alt="Left, on logarithmic axes, points and straight lines: the loss falls in proportion to "
        "what was left out. Right, the distance between the policies stays at one at every size.",
        data=table,
    )


# Shares of a start's answers: right and obeying, right and ignoring, wrong and obeying, wrong and
# ignoring. Half of them obey, and half are right, in each.
MIXTURES = {
    "obeying costs": (0.1, 0.4, 0.4, 0.1),
    "obeying costs nothing": (0.25, 0.25, 0.25, 0.25),
    "obeying helps": (0.4, 0.1, 0.1, 0.4),
}


def obeying_at(start: tuple[float, float, float, float], pressure: float) -> float:
    """Share that obeys under the optimum of reward for right answers and a divergence term.

    Args:
        start: shares of right and obeying, right and ignoring, wrong and obeying, wrong and
            ignoring answers.
        pressure: 1/β, reward per unit of divergence.
    """
    tilted = np.array(start) * np.exp(pressure * np.array([1.0, 1.0, 0.0, 0.0]))
    return float((tilted[0] + tilted[2]) / tilted.sum())


@figure("slacker-price-and-tie", rests_on=("prop_3_1", "sharp_6_kl_sequence"))
def price_and_tie() -> Drawing:
    """Share that obeys at the optimum, against the pressure for right answers."""
    pressures = np.linspace(0, 8, 161)
    table = pd.DataFrame(
        {"start": start, "pressure": pressure, "obeys": obeying_at(shares, pressure)}
        for start, shares in MIXTURES.items()
        for pressure in pressures
    )
    colours = dict(zip(MIXTURES, ("orange", "green", "blue"), strict=True))
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        for start, part in table.groupby("start", sort=False):
            ax.plot(part.pressure, part.obeys, color=COLOURS[colours[start]])
            last = part.iloc[-1]
            ax.text(8.1, last.obeys, start, color=COLOURS[colours[start]], va="center")
        ax.plot([12.2, 12.2], [0, 1], color=COLOURS["ink"], lw=5, solid_capstyle="butt")
        ax.text(12.0, 1.13, "no divergence term:\nanything", ha="right", va="top")
        ax.set(
            title="Paid for right answers, held near the start",
            xlabel="pressure 1/β",
            ylabel="share that obeys",
            xlim=(0, 12.4),
            ylim=(-0.02, 1.16),
        )
        ax.set_xticks(range(0, 9, 2))
        plt.close(fig)
    first = table[table.pressure == 0].groupby("start").obeys.first()
    last = table[table.pressure == pressures[-1]].groupby("start").obeys.first()
    price, tie, help_ = MIXTURES
    return Drawing(
        fig,
        title="Two ways to lose obedience",
        caption="The best policy for a reward that counts right answers alone, minus β times the "
        "divergence from the start, for three starts in which half of the answers are right and "
        f"{first[tie]:.0%} obey. Where answers that obey are right less often, pressure takes "
        f"obedience to {last[price]:.2f}; where as often, it stays at {last[tie]:.2f}; where more "
        f"often, it rises to {last[help_]:.2f}. Without the divergence term any share is optimal: "
        "obeying or not, right answers are paid the same.",
        alt="Share that obeys against pressure. Three curves leave one point: one falls, one is "
        "flat, one rises. At the right a bar from zero to one stands for no divergence term.",
        data=table,
    )
