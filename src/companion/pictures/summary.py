"""The five-minute page: two answers that tie, without and with a temperature."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.theory import FiniteMDP, optimal_actions, optimal_q, softmax_policy

_REACH = 0.02


def two_answers(bonus: Any) -> FiniteMDP:
    """Two answers that earn 1, the first of them a bonus besides; each ends the episode.

    A fraction makes it exact.
    """
    return FiniteMDP(np.ones((1, 2, 1)), np.array([[1 + bonus, 1 + 0 * bonus]]), discount=0.0)


@figure("summary-cliff-and-slope", rests_on=("prop_2_4", "prop_2_10", "sharp_7_cliff_width"))
def cliff_and_slope(temperature: float = 0.005) -> Drawing:
    """Value and policy of the two answers against the bonus, cold and warm.

    Args:
        temperature: weight of the entropy in the warm policy.
    """
    bonuses = np.linspace(-_REACH, _REACH, 401)
    q = np.array([optimal_q(two_answers(bonus))[0] for bonus in bonuses])
    best = optimal_actions(q, atol=1e-12)
    table = pd.DataFrame(
        {
            "bonus": bonuses,
            "value": q.max(axis=1),
            "cold": best[:, 0] / best.sum(axis=1),
            "warm": softmax_policy(q, temperature)[:, 0],
        }
    )
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
        left.plot(table.bonus, table.value, color=COLOURS["blue"])
        left.set(title="What the best policy is worth", ylabel="value", ylim=(0.98, 1.04))
        for side in (table[table.cold == 0], table[table.cold == 1]):
            right.plot(side.bonus, side.cold, color=COLOURS["orange"])
        right.plot(0, 0.5, "o", color=COLOURS["orange"])
        right.plot(table.bonus, table.warm, color=COLOURS["green"], ls="--")
        right.text(0.0055, 0.48, "with a\ntemperature", color=COLOURS["green"])
        right.text(0.0015, 0.9, "without", color=COLOURS["orange"])
        right.set(title="What it does", ylabel="share of the first answer", ylim=(-0.05, 1.05))
        for ax in (left, right):
            ax.set(xlabel="bonus for the first answer")
            ax.set_xticks([-_REACH, -_REACH / 2, 0, _REACH / 2, _REACH])
        plt.close(fig)
    return Drawing(
        fig,
        title="The value bends, the policy jumps, a temperature makes it a slope",
        caption="Two answers earn the same, and one of them gets a bonus. Left: the value of the "
        "best policy. Right: how often it gives the first answer, at the tie an even lottery "
        f"(dot). Dashed: the best policy when entropy is paid for with weight {temperature:g}.",
        alt="Left, a curve of value against bonus, flat and then rising, without a break. Right, "
        "the share of the first answer jumps from zero to one where the bonus changes sign; a "
        "dashed curve climbs smoothly from near zero to near one.",
        data=table,
    )
