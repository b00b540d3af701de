"""Chapter 2's pictures of the theory: no trained model in them."""

from fractions import Fraction
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import lemma_2_5
from companion.results.elementary import absolute, maximum
from companion.results.samples import DISCOUNTS, tied_mdp
from companion.theory import FiniteMDP, optimal_actions, optimal_q

_PLACES = [Fraction(i, 40) for i in range(41)]
_SLOPES = [Fraction(i, 20) for i in range(-30, 31)]
_SLIGHT = Fraction(1, 10)


def hill(place: Any, slope: Any) -> Any:
    """Height of a hill with a flat top from 1/4 to 3/4, on land that tilts by the slope."""
    return -maximum(absolute(place - Fraction(1, 2)) - Fraction(1, 4), 0 * place) + slope * place


def highest(slope: Fraction) -> list[Fraction]:
    """The highest places, from an exact bandit whose actions are the places."""
    heights = np.array([[hill(place, slope) for place in _PLACES]], dtype=object)
    land = FiniteMDP(np.ones((1, len(_PLACES), 1), dtype=int), heights, Fraction(0))
    best = optimal_actions(optimal_q(land))[0]
    return [place for place, top in zip(_PLACES, best, strict=True) if top]


@figure("optimal-sets-staircase", rests_on=("lemma_2_5",))
def staircase() -> Drawing:
    """A hill with a flat top, level and tilted; and its highest places for every tilt."""
    tops = {slope: highest(slope) for slope in _SLOPES}
    picture = pd.DataFrame(
        {"tilt": float(slope), "place": float(place)} for slope in _SLOPES for place in tops[slope]
    )
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
        x = np.array([float(place) for place in _PLACES])
        for slope, colour, label in ((Fraction(0), "blue", "level"), (_SLIGHT, "orange", "tilted")):
            left.plot(x, [float(hill(p, slope)) for p in _PLACES], color=COLOURS[colour], lw=1.6)
            _thick(
                left,
                [float(place) for place in tops[slope]],
                [float(hill(place, slope)) for place in tops[slope]],
                colour,
                {"lw": 8, "ms": 11, "marker": "o"},
            )
            height = float(hill(Fraction(1, 2), slope)) + (0.025 if slope else -0.04)
            left.text(0.5, height, label, color=COLOURS[colour], ha="center", weight="bold")
        left.set(title="A hill with a flat top", xlabel="place", ylabel="height")
        left.set_ylim(-0.27, 0.16)
        for tilt, group in picture.groupby("tilt"):
            colour = "orange" if len(group) == 1 else "blue"
            look = {"lw": 6, "ms": 5, "marker": "s"}
            _thick(right, [tilt] * len(group), group.place.tolist(), colour, look)
        right.text(0.1, 0.45, "at a tie:\na whole stretch", color=COLOURS["blue"], weight="bold")
        right.text(-1.45, 0.85, "else: one place", color=COLOURS["orange"], weight="bold")
        right.set(title="Its highest places", xlabel="tilt ε", ylabel="place", ylim=(-0.05, 1.05))
        right.set_xticks([-1, 0, 1])
        plt.close(fig)
    flat, step = tops[Fraction(0)], Fraction(1, 20)
    return Drawing(
        fig,
        title="Optimal sets shrink at once and never grow at once",
        caption=f"Left: on level land the whole flat top is highest, tilted by {float(_SLIGHT):g} "
        "only one edge of it (thick). Right: the highest places for every tilt. At tilt 0 they "
        f"fill the stretch from {float(flat[0]):g} to {float(flat[-1]):g}; for the smallest tilt "
        f"only {float(tops[step][0]):g} is left, or {float(tops[-step][0]):g} for the opposite "
        "one. The staircase includes its risers. That is a closed graph: nothing outside the set "
        "at 0 is ever a limit of highest places nearby.",
        alt="Left, the outline of a hill with a flat top marked along its whole length, and a "
        "slightly tilted copy with a single marked point at the right edge. Right, a staircase of "
        "marked places against tilt: single points on its steps, whole stretches at its three "
        "risers.",
        data=picture,
    )


def _thick(ax: Any, xs: list[float], ys: list[float], colour: str, look: dict[str, Any]) -> None:
    """A thick line, or its marker where there is a single point."""
    marker = look["marker"] if len(xs) == 1 else None
    ax.plot(xs, ys, color=COLOURS[colour], solid_capstyle="round", **look | {"marker": marker})


def changes_at_ties(rng: np.random.Generator, repeats: int = 20) -> pd.DataFrame:
    """What random signs do to the optimal sets of random processes with a tie.

    Returns:
        Columns ``discount``; ``multiple``, the size of the change in units of the lemma's radius;
        ``entered`` and ``left``, whether an action did so in some state.
    """
    rows = []
    for discount in DISCOUNTS:
        for _ in range(repeats):
            mdp, q = tied_mdp(rng, states=4, actions=4, ties=2, discount=discount)
            best = optimal_actions(q, atol=1e-12)
            gap = np.where(best, np.inf, q.max(axis=1, keepdims=True) - q).min()
            signs = rng.choice([-1.0, 1.0], size=q.shape)
            for multiple in np.geomspace(1e-4, 100, 26):
                size = multiple * lemma_2_5.radius(gap, discount)
                moved = optimal_q(mdp.with_rewards(mdp.rewards + size * signs), tol=1e-13)
                after = optimal_actions(moved, atol=1e-11)
                rows.append((discount, multiple, (after & ~best).any(), (best & ~after).any()))
    return pd.DataFrame(rows, columns=["discount", "multiple", "entered", "left"])


@figure("optimal-sets-enter-leave", rests_on=("lemma_2_5",))
def enter_leave(changes: pd.DataFrame) -> Drawing:
    """Shares of processes in which an action leaves the optimal set, or enters it.

    Args:
        changes: of ``changes_at_ties``.
    """
    shares = changes.groupby("multiple")[["entered", "left"]].mean().reset_index()
    smallest, largest = shares.left.iloc[0], shares.entered.iloc[-1]
    with style():
        fig, ax = plt.subplots()
        ax.axvline(1, color=COLOURS["ink"], lw=1.5)
        ax.plot(shares.multiple, shares.left, color=COLOURS["orange"])
        ax.plot(shares.multiple, shares.entered, color=COLOURS["blue"])
        ax.text(2e-4, smallest + 0.03, "an action left", color=COLOURS["orange"], weight="bold")
        ax.text(2e-4, 0.03, "an action entered", color=COLOURS["blue"], weight="bold")
        ax.text(0.85, 0.5, "radius of\nthe lemma", ha="right", va="center")
        ax.set(xscale="log", xlabel="size of the reward change / radius", ylim=(-0.03, 1.05))
        ax.set_ylabel("share of processes")
        plt.close(fig)
    return Drawing(
        fig,
        title="What leaves the optimal set, and what enters it",
        caption=f"{changes.groupby('multiple').size().iloc[0]} random processes with a tie. "
        f"However small the change, an action leaves some optimal set in {smallest:.0%} of them. "
        "None enters below the radius; the first enters at "
        f"{changes[changes.entered].multiple.min():.2g} times it.",
        alt="Two curves against the size of the reward change. The share of processes in which an "
        "action leaves the optimal set is high and flat down to the smallest change. The share in "
        f"which one enters is zero up to the radius and then rises to {largest:.2f}.",
        data=shares,
    )
