"""Chapter 3's pictures of the theory and what they draw: no trained model in them."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy.optimize import brentq

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_3_margins
from companion.results.base import Check
from companion.results.samples import random_mdps, random_transitions
from companion.theory import (
    FiniteMDP,
    greedy_policy,
    optimal_q,
    stability_radius,
    total_variation,
    uniform_policy,
)

_WORST = np.array([[-1.0, 1.0]])  # the winner falls, the runner-up rises
_BANDITS = {"clear winner": (0.7, 0.4), "photo finish": (0.55, 0.55)}


def _bandit(rewards: Sequence[float]) -> FiniteMDP:
    return FiniteMDP(np.ones((1, len(rewards), 1)), np.array([rewards]), discount=0.0)


def _moves() -> pd.DataFrame:
    """How far the fair optimal policy moves along the worst change, by its size."""
    rows = []
    for name, rewards in _BANDITS.items():
        mdp = _bandit(rewards)
        before = uniform_policy(optimal_q(mdp), atol=1e-9)
        for size in np.linspace(0, 0.3, 301):
            changed = mdp.with_rewards(mdp.rewards + size * _WORST)
            after = uniform_policy(optimal_q(changed), atol=1e-9)
            rows.append((name, size, total_variation(after, before)[0]))
    return pd.DataFrame(rows, columns=["start", "size", "moved"])


@figure("uniqueness-radius", rests_on=("thm_2_7", "sharp_1_stability_radius"))
def half_the_lead() -> Drawing:
    """Which rewards are safe in the plane of two, and what the policy does along the worst line."""
    picture = _moves()
    point = _BANDITS["clear winner"]
    radius = stability_radius(_bandit(point))
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8))
        _draw_plane(left, point, float(radius.exact or 0))
        for (_, group), colour in zip(picture.groupby("start"), ("blue", "orange"), strict=True):
            for _, flat in group.groupby("moved"):
                right.plot(flat["size"], flat.moved, color=COLOURS[colour], lw=4)
        right.text(0.3, 0.93, "clear winner", color=COLOURS["blue"], weight="bold", ha="right")
        right.text(0.3, 0.43, "photo finish", color=COLOURS["orange"], weight="bold", ha="right")
        right.set(title="What the policy does", xlabel="size of the worst change")
        right.set(ylabel="distance moved", ylim=(-0.04, 1.06))
        plt.close(fig)
    jumps = picture[picture.moved > 0].groupby("start")["size"].min()
    return Drawing(
        fig,
        title="Half the lead is safe",
        caption="Left: the two rewards as a point in the plane. Answer 1 leads by "
        f"{radius.gap:.2g}. All rewards within {radius.exact:.2g} of it, half the lead, form a "
        "square that only touches the line of ties. Right: the worst change moves towards that "
        f"corner. With a clear winner the policy stands still up to {radius.exact:.2g} and then "
        "flips. From a tie it moves at once: at the first size tried, "
        f"{jumps['photo finish']:.3g}.",
        alt="Left, the plane of two rewards, cut by the diagonal of ties; a square around a point "
        "below the diagonal touches it with one corner. Right, distance moved against the size of "
        "the change: one curve is zero up to half the lead and then one; the other jumps to a half "
        "at zero.",
        data=picture,
    )


def _draw_plane(ax: Axes, point: tuple[float, float], reach: float) -> None:
    """The two rewards: who wins where, and the square of those that are safe."""
    ax.fill_between([0, 1], [0, 1], 0, color=COLOURS["blue"], alpha=0.13, lw=0)
    ax.fill_between([0, 1], [0, 1], 1, color=COLOURS["orange"], alpha=0.13, lw=0)
    ax.plot([0, 1], [0, 1], color=COLOURS["ink"], lw=1.5)
    x, y = np.subtract(point, reach)
    ax.add_patch(Rectangle((x, y), 2 * reach, 2 * reach, fc="none", ec=COLOURS["blue"], lw=2.5))
    ax.plot(*point, "o", color=COLOURS["blue"])
    ax.plot(*np.add(point, reach * _WORST[0]), "o", color=COLOURS["ink"])
    ax.text(0.97, 0.05, "answer 1 wins", ha="right", color=COLOURS["blue"], weight="bold")
    ax.text(0.03, 0.9, "answer 2 wins", color=COLOURS["orange"], weight="bold")
    ax.text(0.1, 0.16, "tie", rotation=45)
    ax.set(title="Safe rewards", xlabel="reward of answer 1", ylabel="reward of answer 2")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])


@figure("uniqueness-square-root", rests_on=("thm_2_7",))
def square_root(noise: Check, worst: Check) -> Drawing:
    """How far the optimal action moves on a continuum of actions, in units of the law.

    Args:
        noise: of ``thm_2_7.numeric``, the bandits with random changes.
        worst: of ``thm_2_7.numeric``, the pairs of branches.
    """
    # Units in which the law reads distance = sqrt(size) for every curvature and discount.
    both = pd.concat([noise.table().assign(case="noise"), worst.table().assign(case="worst case")])
    both["scaled_size"] = both.claimed**2
    seen = both[both.measured > 0]
    with style():
        fig, ax = plt.subplots()
        ends = np.array([seen.scaled_size.min() / 3, seen.scaled_size.max() * 3])
        ax.plot(ends, np.sqrt(ends), color=COLOURS["ink"], lw=1.5)
        for case, colour in (("noise", "blue"), ("worst case", "orange")):
            rows = seen[seen.case == case]
            ax.plot(rows.scaled_size, rows.measured, "o", color=COLOURS[colour], alpha=0.7)
        bold: dict[str, Any] = {"weight": "bold", "transform": ax.transAxes}
        ax.text(0.05, 0.9, "worst case: on the bound", color=COLOURS["orange"], **bold)
        ax.text(0.98, 0.04, "random changes", color=COLOURS["blue"], ha="right", **bold)
        ax.set(xscale="log", yscale="log", xlabel="2 · size of the change / (κ (1 − γ))")
        ax.set_ylabel("move of the optimal action")
        plt.close(fig)
    return Drawing(
        fig,
        title="Continuous, but not Lipschitz",
        caption="With a continuum of actions the optimum may move as the square root of the change "
        f"(line). {len(seen[seen.case == 'worst case'])} pairs of branches reach the bound at "
        "every size. Random changes of a parabola on a fine grid of actions stay below; they "
        f"come to {noise.ratio.max():.2f} of it at most.",
        alt="Distance moved by the optimal action against the size of the reward change, both on "
        "logarithmic scales. Dots of the worst case lie on the line of slope one half, dots of "
        "random changes below it.",
        data=seen,
    )


def flips(rng: np.random.Generator) -> pd.DataFrame:
    """Whether random processes with a unique optimum change their policy, by size and direction.

    Returns:
        Columns ``process``; ``direction`` (worst or random); ``multiple``, the size of the change
        in units of the exact radius; ``moved``; and ``slack``, exact over guaranteed radius of the
        process.
    """
    rows = []
    for process, mdp in enumerate(random_mdps(rng, 25)):
        if mdp.n_actions == 1 or stability_radius(mdp).gap < 1e-3:
            continue
        safe = stability_radius(mdp)
        before = greedy_policy(optimal_q(mdp))
        signs = rng.choice([-1.0, 1.0], size=mdp.rewards.shape)
        for kind, direction in (("worst", safe.direction), ("random", signs)):
            for multiple in np.geomspace(0.02, 50, 32):
                change = multiple * safe.exact * direction
                after = greedy_policy(optimal_q(mdp.with_rewards(mdp.rewards + change)))
                slack = safe.exact / safe.guaranteed
                rows.append((process, kind, multiple, bool((after != before).any()), slack))
    return pd.DataFrame(rows, columns=["process", "direction", "multiple", "moved", "slack"])


@figure("uniqueness-exact-radius", rests_on=("sharp_1_stability_radius", "sharp_2_exact_radius"))
def exact_radius(flipped: pd.DataFrame) -> Drawing:
    """Share of policies that moved, along the worst direction and along random ones.

    Args:
        flipped: of ``flips``.
    """
    shares = flipped.groupby(["direction", "multiple"]).moved.mean().unstack("direction")
    shares = shares.reset_index()
    slack = flipped.groupby("process").slack.first()
    below, above = shares[shares.multiple < 1], shares[shares.multiple > 1]
    with style():
        fig, ax = plt.subplots()
        ax.axvline(1, color=COLOURS["ink"], lw=1.5)
        for side in (below, above):
            ax.plot(side.multiple, side.worst, color=COLOURS["orange"])
            ax.plot(side.multiple, side.random, color=COLOURS["blue"])
        ax.text(0.85, 0.5, "exact radius", ha="right", va="center")
        ax.text(1.2, 1.03, "worst direction", color=COLOURS["orange"], weight="bold")
        height = shares.random[shares.multiple > 6].iloc[0] - 0.12
        ax.text(8, height, "random direction", color=COLOURS["blue"], weight="bold")
        ax.set(xscale="log", xlabel="size of the change / exact radius", ylim=(-0.04, 1.12))
        ax.set_ylabel("policies that moved")
        plt.close(fig)
    return Drawing(
        fig,
        title="Inside the radius nothing moves",
        caption=f"{len(slack)} random processes with a unique optimum. Below the exact radius no "
        "policy moves in either direction; just above it all have moved along the worst one. "
        f"Random directions of the same size are milder: at {above.multiple.iloc[0]:.2f} times "
        f"the radius {above.random.iloc[0]:.0%} of the policies have moved. The exact radius "
        f"is {np.median(slack):.2f} times the guaranteed one in the median, and "
        f"{np.max(slack):.1f} times at most.",
        alt="Share of policies that moved against the size of the change in units of the exact "
        "radius. Along the worst direction it steps from zero to one at the radius. Along random "
        "directions it rises later and slowly.",
        data=shares,
    )


def gaps(rng: np.random.Generator, draws: int = 400) -> pd.DataFrame:
    """How often random rewards leave a smallest action gap below a width, against fact 3's bound.

    Returns:
        Columns ``discount``, ``width``, ``share``, ``bound``, ``draws``, ``pairs``.
    """
    states, actions = 4, 3
    kernel = random_transitions(rng, states=states, actions=actions)
    widths = np.geomspace(1e-3, 1, 60)
    pairs = states * actions
    parts = []
    for discount in (0.0, 0.9, 0.99):
        rewards = rng.uniform(size=(draws, states, actions))
        smallest = sharp_3_margins.smallest_gaps(kernel, rewards, discount)
        part = pd.DataFrame({"discount": discount, "width": widths})
        part["share"] = (smallest <= widths[:, None]).mean(axis=1)
        part["bound"] = np.minimum(1, sharp_3_margins.near_ties(pairs, widths, 1.0))
        parts.append(part.assign(draws=draws, pairs=pairs))
    return pd.concat(parts, ignore_index=True)


@figure("uniqueness-near-ties", rests_on=("sharp_3_margins",))
def near_ties(found: pd.DataFrame) -> Drawing:
    """Share of random processes whose smallest action gap is below a width.

    Args:
        found: of ``gaps``.
    """
    colours = ("blue", "green", "orange")
    with style():
        fig, ax = plt.subplots(figsize=(7.5, 4.2))
        dashed = found[found.discount == 0]
        ax.plot(dashed.width, dashed.bound, "--", color=COLOURS["ink"], lw=1.5)
        for i, (discount, rows) in enumerate(found.groupby("discount")):
            ax.plot(rows.width, rows["share"], color=COLOURS[colours[i]])
            right: dict[str, Any] = {"transform": ax.transAxes, "ha": "right"}
            name = f"discount {discount:g}"
            ax.text(0.97, 0.08 + 0.09 * i, name, color=COLOURS[colours[i]], **right)
        ax.text(0.05, 0.62, "bound", ha="right")
        ax.set(xscale="log", xlabel="gap", ylabel="processes with a smaller gap")
        ax.set_ylim(-0.04, 1.06)
        plt.close(fig)
    half = dashed.width[dashed["share"] > 0.5].iloc[0]
    return Drawing(
        fig,
        title="Ties are rare, near-ties are not",
        caption=f"{found.draws.iloc[0]} random rewards for each of {found.discount.nunique()} "
        f"discounts, in a process with {found.pairs.iloc[0]} pairs of state and action: the share "
        "whose smallest gap is below the width on the axis, against the bound of fact 3 (dashed). "
        "A longer horizon makes near-ties no more likely. Half of the processes without a horizon "
        f"have a gap below {half:.2g}.",
        alt="Share of random processes whose smallest action gap is below a width, against the "
        "width on a logarithmic axis. Curves for three discounts rise one below the other, the "
        "first just under a dashed bound.",
        data=found,
    )


def borders(rng: np.random.Generator, draws: int = 200) -> tuple[int, list[float]]:
    """States of the interval [0, 1] at which the best of three actions changes.

    The rewards are random and smooth in the state, the discount is 0. Where the best action differs
    between two neighbours of a grid, the border between the two is followed to rounding error.

    Returns:
        How many of ``draws`` processes have one best action throughout; and for each other one the
        lead of the best action over the second at the first border.
    """
    constant, leads = 0, []
    grid, waves = np.linspace(0, 1, 201), np.arange(1, 4)
    for _ in range(draws):
        sines, cosines = rng.normal(size=(2, 3, 3))

        def rewards(state: float, a: np.ndarray = sines, b: np.ndarray = cosines) -> np.ndarray:
            return a @ np.sin(waves * state) + b @ np.cos(waves * state)

        best = np.array([rewards(state).argmax() for state in grid])
        if (best == best[0]).all():
            constant += 1
            continue
        switch = np.flatnonzero(np.diff(best))[0]
        one, other = best[switch], best[switch + 1]

        def lead(state: float, one: int = one, other: int = other) -> float:
            return float(rewards(state)[one] - rewards(state)[other])

        top = np.sort(rewards(brentq(lead, grid[switch], grid[switch + 1], xtol=1e-15)))
        leads.append(float(top[-1] - top[-2]))
    return constant, leads
