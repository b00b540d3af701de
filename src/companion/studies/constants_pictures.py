"""Chapter 14's figures of theory alone: one curve for all weights, and three ways to pay."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_6_kl_sequence as fact_6
from companion.results import sharp_7_cliff_width as fact_7
from companion.studies.constants import BETAS
from companion.studies.entropy_trained import tilt

TIES = 3
FAILING = 0.04  # of the demonstrations
COLOUR = dict(zip(BETAS, ("blue", "green", "amber", "orange"), strict=True))
WAYS = ("to one", "from one to another", "to all three")


def by_change(scaled: np.ndarray) -> pd.DataFrame:
    """How far the optimum of three tied answers and one that fails moves, for three changes.

    Args:
        scaled: (n,) δ/β, at least 0.

    Returns:
        Columns ``scaled``, and a distance for each of the three ways; of those to one answer and
        from one to another, without the one that fails.
    """
    growth = np.exp(scaled)
    distances = {
        "to one": fact_7.move(scaled, TIES),
        "from one to another": growth / (1 + growth + 1 / growth) - 1 / TIES,
        "to all three": tilt(np.array(1 - FAILING), scaled),
    }
    return pd.DataFrame({"scaled": scaled} | distances)


@figure("constants-bandit", rests_on=("sharp_7_cliff_width", "sharp_6_kl_sequence"))
def bandit() -> Drawing:
    """How far three tied answers move for a bonus on one: four weights, one curve."""
    bonuses = np.geomspace(0.003, 8, 161)
    table = pd.concat(
        pd.DataFrame({"beta": b, "bonus": bonuses, "moved": fact_7.move(bonuses / b, TIES)})
        for b in BETAS
    )
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5), sharey=True)
        for place, beta in enumerate(BETAS):
            part, colour = table[table.beta == beta], COLOURS[COLOUR[beta]]
            left.plot(part.bonus, part.moved, color=colour, label=f"β = {beta:g}")
            # The widest first, so that all four are seen where they lie on one another.
            right.plot(part.bonus / beta, part.moved, color=colour, lw=11 - 3 * place)
        draw_bound(right, 0.06, 40)
        left.set(xlabel="bonus ε", ylabel="how far the policy moves", title="Four weights")
        right.set(xlabel="bonus over weight, ε/β", title="One curve", xlim=(0.06, 40))
        left.legend(loc="upper left")
        for ax in (left, right):
            ax.set(xscale="log", ylim=(-0.02, 1.02))
        plt.close(fig)
    half = float(fact_7.half_width(TIES))
    return Drawing(
        fig,
        title="Only the ratio of bonus to penalty counts",
        caption=f"{TIES} tied answers, one of which gets a bonus ε, under a KL penalty of weight "
        "β. Left: the distance that the optimum moves, for four weights. Right: the same four "
        "curves over ε/β lie on one another. Half of the jump is reached at "
        f"ε = {half:.2f} β. Dotted: the furthest that any change of this size can move any policy.",
        alt="Left, four rising curves of the same shape, each further to the right the larger the "
        "weight. Right, drawn against the ratio, all four coincide and lie just below a dotted "
        "bound up to a ratio of about three.",
        data=table,
    )


@figure("constants-three-changes", rests_on=("sharp_6_kl_sequence", "sharp_7_cliff_width"))
def three_changes() -> Drawing:
    """The same amount paid to one answer, moved between two, or paid to all that pass."""
    table = by_change(np.geomspace(0.03, 30, 161))
    looks = dict(zip(WAYS, ("blue", "orange", "green"), strict=True))
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.2))
        for way, colour in looks.items():
            ax.plot(table.scaled, table[way], color=COLOURS[colour], label=way)
        for span, colour in ((1, "blue"), (2, "orange")):
            bound = fact_6.bound(span * table.scaled, 1.0)
            ax.plot(table.scaled, bound, ":", color=COLOURS[colour], lw=2)
        ax.set(xscale="log", ylim=(-0.02, 1.02))
        ax.set(xlabel="amount over weight, δ/β", ylabel="how far the policy moves")
        ax.legend(loc="upper left")
        plt.close(fig)
    at = int(np.abs(table.scaled - 1).argmin())
    one, moved, everything = (table[way][at] for way in WAYS)
    return Drawing(
        fig,
        title="What counts is how far answers are pulled apart",
        caption=f"{TIES} tied answers, δ paid to one of them (blue), taken from one and given to "
        "another (orange), or paid to all three beside an answer that fails and has "
        f"{FAILING:.2f} of the probability (green). Dotted: what fact 6 allows for a change that "
        "spans δ (blue) and 2 δ (orange). At δ = β the policy moves by "
        f"{one:.2f}, {moved:.2f} and {everything:.2f}.",
        alt="Three curves of the distance moved against the amount over the weight. The one for "
        "moving reward rises first, the one for paying one answer second; both level off at two "
        "thirds. The one for paying all three stays near zero.",
        data=table,
    )


def draw_bound(ax: Axes, low: float, high: float) -> None:
    """Draw fact 6's bound against a span over β, from ``low`` to ``high``."""
    scaled = np.geomspace(low, high, 200)
    ax.plot(scaled, fact_6.bound(scaled, 1.0), ":", color=COLOURS["ink"], lw=2)
