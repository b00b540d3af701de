"""Chapter 1's pictures of the theory: no trained model in them."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import prop_2_4
from companion.results.base import Check
from companion.theory import FiniteMDP, evaluate_policy, optimal_q, policy_breakpoints

# Three ways to go on, careful, usual and daring; careful leads to the first state, daring to the
# second. Each row of rewards is a state.
_WAYS = np.array([[[1, 0], [1, 0], [0, 1]], [[1, 0], [0, 1], [0, 1]]])
_REWARDS = np.array([[0.2, 0.7, 0.0], [0.6, 0.5, 0.2]])
_DIRECTION = np.array([[-1, 0, 1], [-1, 0, 1]])
_DISCOUNT = 0.5


def _shifted(move: float) -> FiniteMDP:
    """The process when every careful reward falls and every daring one rises by the same amount."""
    return FiniteMDP(_WAYS, _REWARDS + move * _DIRECTION, _DISCOUNT)


@figure("value-envelope", rests_on=("prop_2_4", "sharp_11_geometry"))
def envelope() -> Drawing:
    """The optimal value of a small process as the upper envelope of its policies' values."""
    states, actions = _REWARDS.shape
    moves = np.linspace(-1, 1, 201)
    policies = [np.eye(actions)[list(choice)] for choice in product(range(actions), repeat=states)]
    ends = np.array([[evaluate_policy(_shifted(e), p)[0] for e in (-1, 1)] for p in policies])
    lines = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * (moves + 1) / 2
    best = np.array([optimal_q(_shifted(move))[0].max() for move in moves])
    centre = best[len(moves) // 2]
    reach = prop_2_4.bound(np.abs(moves), _DISCOUNT)
    picture = pd.DataFrame(
        {"move": moves, "optimal": best, "lower": centre - reach, "upper": centre + reach}
        | {f"policy {i}": line for i, line in enumerate(lines)}
    )
    kinks = policy_breakpoints(_shifted(0.0), _DIRECTION, (-1, 1)).epsilons
    with style():
        fig, ax = plt.subplots()
        ax.fill_between(moves, picture.lower, picture.upper, color=COLOURS["sky"], alpha=0.22, lw=0)
        ax.plot(moves, lines.T, color=COLOURS["faint"], lw=1)
        ax.plot(moves, best, color=COLOURS["blue"], lw=4)
        ax.plot(kinks, np.interp(kinks, moves, best), "o", color=COLOURS["blue"])
        ax.set(xlabel="move of the reward, ε", ylabel="value in the first state", xlim=(-1, 1))
        ax.set_ylim(lines.min() - 0.2, picture.upper.max())
        ax.text(0, centre + 0.5, "best policy", color=COLOURS["blue"], weight="bold", ha="center")
        ax.text(0, lines.min(), "each thin line is one policy", color=COLOURS["faint"], ha="center")
        plt.close(fig)
    steepest = np.abs(np.diff(best) / np.diff(moves)).max()
    return Drawing(
        fig,
        title="The optimal value is an envelope of straight lines",
        caption=f"In each of {states} states one can be careful, usual or daring. As ε grows, care "
        f"earns less and daring earns more. The value of each of the {len(policies)} "
        "deterministic policies follows a straight line (thin). The optimal value (thick) is "
        f"their upper envelope. At the {len(kinks)} dots another policy takes over: there the "
        "curve may bend, but it never jumps. It stays in the shaded cone of slope "
        f"{prop_2_4.bound(1, _DISCOUNT):.2g} that Proposition 2.4 allows; its own steepest "
        f"slope is {steepest:.3g}.",
        alt="Many thin straight lines, one for each policy, under a thick convex curve that "
        "touches the highest of them everywhere. The curve has kinks but no jumps and lies inside "
        "a shaded double cone.",
        data=picture,
    )


@figure("value-tightness", rests_on=("prop_2_4",))
def tightness(checks: Sequence[Check]) -> Drawing:
    """How much of the bound random changes of the reward use.

    Args:
        checks: of ``prop_2_4.numeric``, one a kind of change.
    """
    kinds = {check.name.split(", ")[1]: check for check in checks}
    ratios = pd.concat(
        pd.DataFrame({"change": kind, "discount": check.columns["discount"], "ratio": check.ratio})
        for kind, check in kinds.items()
    )
    discounts = sorted(set(ratios.discount))
    looks = zip(("blue", "sky", "orange"), (-0.2, 0, 0.2), (0.16, 0.08, 0), strict=True)
    with style():
        fig, ax = plt.subplots()
        for kind, (colour, offset, height) in zip(kinds, looks, strict=True):
            rows = ratios[ratios.change == kind]
            place = rows.discount.map(discounts.index) + offset
            ax.plot(place, rows.ratio, "o", color=COLOURS[colour], alpha=0.6, ms=7)
            beside: dict[str, Any] = {"va": "bottom", "transform": ax.get_yaxis_transform()}
            ax.text(0.02, height, kind, color=COLOURS[colour], weight="bold", **beside)
        ax.axhline(1, color=COLOURS["ink"], lw=1.5)
        ax.text(len(discounts) - 0.5, 1.02, "the bound", ha="right")
        ax.set_xticks(range(len(discounts)), [f"{d:g}" for d in discounts])
        ax.set(xlabel="discount γ", ylabel="move of Q / bound", ylim=(-0.03, 1.12))
        plt.close(fig)
    lowest = ratios.groupby("discount").ratio.min()
    return Drawing(
        fig,
        title="How much of the bound is used",
        caption="Each dot is one process and one change of its reward. A constant shift uses the "
        f"whole bound at every discount. At discount {lowest.index[0]:g} so does every change, "
        "since Q is then the reward itself. With a longer view random changes partly cancel on "
        f"the way: at discount {lowest.index[-1]:g} some use as little as {lowest.iloc[-1]:.2f} "
        "of the bound.",
        alt="Dots of measured over allowed change for four discounts. One colour, the constant "
        "shift, lies on the bound at one. The other two spread below it, lower as the discount "
        "grows.",
        data=ratios,
    )
