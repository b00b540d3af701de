"""Chapter 13's figures: a gate that learns, in theory and in trained models."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_15_learned_weights as fact_15
from companion.rlhf.curves import LiveCurves
from companion.studies import gate
from companion.studies.gate import COLD, EPSILONS, FAVOURED, PARTNERS, WARM, name_of
from companion.studies.marks import draw_means, exact_curves
from companion.studies.runs import Runs
from companion.studies.statistics import interval, side_by_side, signed

ALPHA, REWARD = 0.4, 1.0  # of the bandit with two answers
_MULTIPLES = {0.5: "orange", 1.1: "amber", 3.0: "green"}  # of the threshold
_LINES = {  # gate and τ: colour, marker, line, shift on the axis
    ("learned", COLD): ("orange", "o", "-", 0.94),
    ("yoked", COLD): ("blue", "s", "--", 0.98),
    ("learned", WARM): ("green", "o", "-", 1.02),
    ("yoked", WARM): ("sky", "s", "--", 1.06),
}


@figure("gate-pitchfork", rests_on=("sharp_15_learned_weights",))
def pitchfork() -> Drawing:
    """Share of one of two answers at the joint optimum against its bonus, for three gates."""
    bonuses = np.linspace(-0.2, 0.2, 81)
    critical = fact_15.threshold(2 * REWARD) / ALPHA
    rows = []
    for multiple in _MULTIPLES:
        for bonus in bonuses:
            rewards = fact_15.own_answers(REWARD) + bonus * np.array([[1.0, 0.0], [0.0, 0.0]])
            policy = fact_15.joint_optimum(rewards, ALPHA, multiple * critical)
            rows.append({"multiple": multiple, "bonus": bonus, "share": policy[0]})
    table = pd.DataFrame(rows)
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.2))
        for multiple, colour in _MULTIPLES.items():
            part = table[table.multiple == multiple]
            label = f"{multiple:g} × threshold"
            jumps = multiple < 1
            for side in (part[part.bonus < 0], part[part.bonus > 0]) if jumps else (part,):
                ax.plot(side.bonus, side.share, color=COLOURS[colour], label=label)
                label = "_"
        ax.axvline(0, color=COLOURS["faint"], lw=1)
        ax.set(xlabel="bonus ε for the first answer", ylabel="its share at the joint optimum")
        ax.set_ylim(0, 1)
        ax.legend(title="ατ")
        plt.close(fig)
    below = min(_MULTIPLES)
    jump = fact_15.asymmetry(REWARD, ALPHA, below * critical)
    return Drawing(
        fig,
        title="A gate that learns can put the cliff back",
        caption="Two rewards, each paying 1 for an answer of its own, mixed by a gate that is "
        f"trained with the policy; entropy of weight α = {ALPHA:g} on the policy, τ on the gate. "
        "Above the threshold ατ = D²/16 the joint optimum follows a bonus for the first answer as "
        f"a slope. At {below:g} times the threshold (orange) it jumps by {jump:.2f} as the bonus "
        "changes its sign, however small it is, although the policy alone is soft.",
        alt="Three curves of the first answer's share against a bonus, from a malus on. Two "
        "rise through one half without a break, one of them steeply. The third jumps at zero from "
        f"{(1 - jump) / 2:.2f} to {(1 + jump) / 2:.2f}.",
        data=table,
    )


@figure("gate-threshold", rests_on=("sharp_15_learned_weights",))
def threshold() -> Drawing:
    """Height of the jump against the product of the two temperatures."""
    multiples = np.linspace(0.02, 2.0, 199)
    critical = fact_15.threshold(2 * REWARD)
    alphas = {0.2: "blue", 0.4: "orange", 1.0: "green"}
    table = pd.DataFrame(
        {
            "alpha": alpha,
            "multiple": multiple,
            "jump": fact_15.asymmetry(REWARD, alpha, multiple * critical / alpha),
        }
        for alpha in alphas
        for multiple in multiples
    )
    with style():
        fig, ax = plt.subplots(figsize=(10, 4.8))
        for alpha, colour in alphas.items():
            part = table[table.alpha == alpha]
            ax.plot(part.multiple, part.jump, color=COLOURS[colour], label=f"α = {alpha:g}")
        ax.axvline(1, color=COLOURS["ink"], ls=":", lw=2)
        ax.set(xlabel="ατ, in units of D²/16", ylabel="height of the jump", ylim=(-0.03, 1.03))
        ax.legend()
        plt.close(fig)
    return Drawing(
        fig,
        title="Both temperatures count, and only their product",
        caption="How far the policy's joint optimum jumps when a vanishing bonus changes its sign, "
        "against the product of the two temperatures. From the threshold on (dotted) there is no "
        "jump, however the product is shared between the policy's entropy (α) and the gate's (τ). "
        "Below it, how high the jump is depends on the policy's own.",
        alt="Three falling curves of the jump's height against the product of the temperatures; "
        "all reach zero at the dotted threshold, steeply, and stay there.",
        data=table,
    )


@figure("gate-live", rests_on=("sharp_15_learned_weights",), family="deceptive")
def live(curves: LiveCurves) -> Drawing:
    """The favoured trace's probability in the runs trained just now."""
    return exact_curves(curves, "One bonus, two gates", FAVOURED, len(gate.NEW_STARTS))


@figure("gate-trained", rests_on=("sharp_15_learned_weights",), family="deceptive")
def trained(recorded: Runs) -> Drawing:
    """Distance between the policies for a bonus and a malus, by gate and by size."""
    moved = gate.moved(recorded)
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.6))
        for (kind, tau), (colour, marker, line, shift) in _LINES.items():
            names = [name_of(kind, tau, size) for size in EPSILONS]
            look = {"marker": marker, "ls": line, "label": f"{kind}, τ = {tau:g}"}
            draw_means(ax, [shift * size for size in EPSILONS], moved, names, colour, **look)
        ax.set(xscale="log", ylim=(-0.04, 1.04))
        ax.set(xlabel="size of bonus and malus, ε", ylabel="distance between the two policies")
        ax.set_xticks(EPSILONS, [f"{size:g}" for size in EPSILONS])
        ax.minorticks_off()
        ax.legend()
        plt.close(fig)
    starts = len({key.start for key in recorded.keys})
    return Drawing(
        fig,
        title="What learning the gate adds",
        caption=f"Distance between the policies trained with a bonus ε and with a malus −ε for "
        f"{FAVOURED} tampering, {starts} starts, KL weight β = {gate.BETA:g}. Solid: the gate "
        "learns with the policy. Dashed: it replays what it learned without bonus or malus. "
        f"τ = {COLD:g} is below the threshold of fact 15, τ = {WARM:g} above it. Dots are starts, "
        "lines their mean, bars Student t intervals (95 %).",
        alt=_in_words(moved),
        data=moved,
    )


def measured(runs: Runs) -> pd.DataFrame:
    """All conditions with a bonus side by side, as a page shows them."""
    moved, weights, unrest = gate.moved(runs), gate.weights(runs), gate.unrest(runs)
    columns = {
        "moved": (moved, ".3f"),
        "in its bandit": (_bandits(moved), ".3f"),
        "first weight": (weights, ".3f"),
        "still moving by": (unrest, ".3f"),
    }
    return side_by_side(list(PARTNERS), columns)


def elsewhere(runs: Runs, least: float = 0.05) -> pd.DataFrame:
    """Comparisons, start by start, in which policies and their bandits moved differently.

    Args:
        runs: of the study.
        least: by how much the two distances differ.

    Returns:
        Columns ``condition``, ``start``, ``trained`` and ``bandit``.
    """
    moved = gate.moved(runs)
    bandit = _bandits(moved).rename(columns={"value": "bandit"})
    both = moved.rename(columns={"value": "trained"}).merge(
        bandit, on=["condition", "start", "repeat"]
    )
    apart = both[(both.trained - both.bandit).abs() > least]
    return apart[["condition", "start", "trained", "bandit"]].reset_index(drop=True)


def _bandits(moved: pd.DataFrame) -> pd.DataFrame:
    """The rows of the bandits, under the names of the conditions that they stand for."""
    rows = moved[moved.condition.str.startswith(gate.BANDIT)]
    return rows.assign(condition=rows.condition.str.removeprefix(gate.BANDIT))


def _in_words(moved: pd.DataFrame) -> str:
    ends = [
        f"{kind} at τ = {tau:g}: from {signed(interval(moved, first).value, '.2f')} to "
        f"{signed(interval(moved, last).value, '.2f')}."
        for kind, tau in _LINES
        for first, last in [[name_of(kind, tau, size) for size in (EPSILONS[0], EPSILONS[-1])]]
    ]
    return " ".join(["Distance at the smallest and at the largest size.", *ends])
