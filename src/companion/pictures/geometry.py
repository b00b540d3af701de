"""Chapter 10: policies as a polygon, rewards as a fan, and what happens along a ray of rewards."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Wedge

from companion.figures import COLOURS, Drawing, figure, style
from companion.theory import (
    FiniteMDP,
    greedy_policy,
    occupancy,
    optimal_q,
    policy_breakpoints,
    soft_optimal_q,
    softmax_policy,
)

_STAY_GO = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])  # transitions of stay and go
# What a policy does in state 1 and in state 2, in the order of the polygon's corners.
NAMES = {(0, 0): "stay, stay", (1, 0): "go, stay", (1, 1): "go, go", (0, 1): "stay, go"}
_COLOUR = {
    choice: COLOURS[name]
    for choice, name in zip(NAMES, ("blue", "orange", "green", "purple"), strict=True)
}
# Where the name of a corner stands, in parts of the polygon's size, and what is flush there.
_LABELS = {
    (0, 0): (-0.21, -0.14, "left"),
    (1, 0): (0.07, -0.02, "left"),
    (1, 1): (0.04, 0.08, "right"),
    (0, 1): (-0.21, 0.09, "left"),
}
_ARROW = {"arrowstyle": "-|>", "color": COLOURS["ink"], "lw": 1.8}


def two_states(first: Any, second: Any, discount: Any) -> FiniteMDP:
    """Staying earns nothing; going earns ``first`` in state 1 and ``second`` in state 2."""
    return FiniteMDP(_STAY_GO, np.array([[0, first], [0, second]]), discount)


def corner(choice: tuple[int, int], discount: float) -> np.ndarray:
    """(2,) discounted times a deterministic policy goes in state 1 and in state 2."""
    policy = np.eye(2)[list(choice)]
    return occupancy(two_states(0.0, 0.0, discount), policy, [0.5, 0.5])[:, 1]


def edges(discount: float) -> pd.DataFrame:
    """The polygon's edges: corners at both ends, and the direction of reward square to each."""
    ring = [(NAMES[choice], corner(choice, discount)) for choice in NAMES]
    return pd.DataFrame(
        {
            "from": a,
            "to": b,
            "from_going_1": p[0],
            "from_going_2": p[1],
            "to_going_1": q[0],
            "to_going_2": q[1],
            "wall_degrees": np.degrees(np.arctan2(p[0] - q[0], q[1] - p[1])) % 360,
        }
        for (a, p), (b, q) in zip(ring, [*ring[1:], ring[0]], strict=True)
    )


@figure("geometry-polygon-and-fan", rests_on=("sharp_11_geometry", "corollary_continuity"))
def polygon_and_fan(discount: float) -> Drawing:
    """Every policy of the two-state problem as a point, every reward as a direction."""
    table = edges(discount)
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5))
        _polygon(left, table, discount)
        _fan(right, table.wall_degrees.to_numpy())
        plt.close(fig)
    return Drawing(
        fig,
        title="Policies are a polygon, rewards a fan",
        caption="Two states; in each the policy stays or goes to the other (first word: state 1), "
        f"with discount {discount}. Left: every policy is a point, by how often it goes "
        "(discounted). Right: the same problem seen by the reward. Each corner is optimal for "
        f"the rewards of its colour; the {len(table)} walls between them, where the policy "
        "jumps, are the directions that stand square to the edges.",
        alt="Left, a four-cornered polygon with an arrow standing square on each edge. Right, a "
        "disc cut into four coloured sectors by arrows of the same directions; each sector has "
        "the colour of the corner that is optimal there.",
        data=table,
    )


def _polygon(ax: Axes, table: pd.DataFrame, discount: float) -> None:
    corners = {choice: corner(choice, discount) for choice in NAMES}
    outline = np.array(list(corners.values()))
    reach = outline.max()
    ax.add_patch(Polygon(outline, facecolor=COLOURS["faint"], alpha=0.25, edgecolor="none"))
    ax.add_patch(Polygon(outline, fill=False, edgecolor=COLOURS["ink"], linewidth=1.5))
    for choice, point in corners.items():
        ax.plot(*point, "o", color=_COLOUR[choice], markersize=15, clip_on=False)
        dx, dy, side = _LABELS[choice]
        x, y = point[0] + dx * reach, point[1] + dy * reach
        ax.text(x, y, NAMES[choice], ha=side, color=_COLOUR[choice])
    middles = (
        table[["from_going_1", "from_going_2"]].to_numpy()
        + table[["to_going_1", "to_going_2"]].to_numpy()
    ) / 2
    for middle, wall in zip(middles, np.radians(table.wall_degrees), strict=True):
        tip = middle + 0.18 * reach * np.array([np.cos(wall), np.sin(wall)])
        ax.annotate("", tip, middle, arrowprops=_ARROW)
    ax.set(
        title="Policies: a polygon",
        xlabel="times going in state 1",
        ylabel="times going in state 2",
        aspect="equal",
    )
    ax.set(xlim=(-0.24 * reach, 1.2 * reach), ylim=(-0.24 * reach, 1.2 * reach))
    ax.set_xticks([0, reach / 2, reach])
    ax.set_yticks([0, reach / 2, reach])


def _fan(ax: Axes, walls: np.ndarray) -> None:
    for i, choice in enumerate(NAMES):
        start, end = walls[i - 1], walls[i]
        ax.add_patch(Wedge((0, 0), 1, start, end, facecolor=_COLOUR[choice], alpha=0.3))
        middle = np.radians(start + ((end - start) % 360) / 2)
        x, y = 0.62 * np.cos(middle), 0.62 * np.sin(middle)
        ax.text(x, y, NAMES[choice].replace(", ", ",\n"), ha="center", va="center")
    for wall in np.radians(walls):
        ax.annotate("", (1.12 * np.cos(wall), 1.12 * np.sin(wall)), (0, 0), arrowprops=_ARROW)
    ax.set(
        title="Rewards: a fan",
        xlabel="reward for going in state 1",
        ylabel="reward for going in state 2",
        xlim=(-1.2, 1.2),
        ylim=(-1.2, 1.2),
        aspect="equal",
    )
    ax.set_xticks([-1, 0, 1])
    ax.set_yticks([-1, 0, 1])


def along(
    process: FiniteMDP, direction: np.ndarray, epsilons: np.ndarray, temperature: float
) -> pd.DataFrame:
    """Optimal value and its slope along a ray of rewards, from all states alike.

    Args:
        process: at ε = 0, with S states and A actions.
        direction: (S, A), the rewards move by ε times it.
        epsilons: (N,) where to look.
        temperature: of the soft optimum beside the plain one.

    Returns:
        Columns ``epsilon``, ``value``, ``slope`` and ``soft_slope``.
    """
    start = np.full(len(direction), 1 / len(direction))
    rows = []
    for epsilon in epsilons:
        moved = process.with_rewards(process.rewards + epsilon * direction)
        q = optimal_q(moved)
        soft = softmax_policy(soft_optimal_q(moved, temperature), temperature)
        rows.append(
            {
                "epsilon": epsilon,
                "value": start @ q.max(axis=1),
                "slope": (occupancy(process, greedy_policy(q), start) * direction).sum(),
                "soft_slope": (occupancy(moved, soft, start) * direction).sum(),
            }
        )
    return pd.DataFrame(rows)


@figure("geometry-ray", rests_on=("sharp_11_geometry",))
def ray(process: FiniteMDP, direction: np.ndarray, reach: float, temperature: float) -> Drawing:
    """Optimal value along a ray with its kinks, and its slope with and without entropy.

    Args:
        process: at ε = 0, with S states and A actions.
        direction: (S, A), of the ray.
        reach: ε goes from -reach to reach.
        temperature: of the soft optimum.
    """
    lines = along(process, direction, np.linspace(-reach, reach, 801), temperature)
    kinks = policy_breakpoints(process, direction, (-reach, reach))
    at_kinks = np.interp(kinks.epsilons, lines.epsilon, lines.value)
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
        left.plot(lines.epsilon, lines.value, color=COLOURS["blue"])
        left.plot(kinks.epsilons, at_kinks, "o", color=COLOURS["orange"])
        left.set(title="Value: a chain of lines", xlabel="step ε along the ray")
        left.set_ylabel("optimal value")
        right.plot(lines.epsilon, lines.soft_slope, color=COLOURS["green"])
        right.step(lines.epsilon, lines.slope, color=COLOURS["blue"], where="mid")
        right.set(title="Its slope: where the policy is", xlabel="step ε along the ray")
        right.set_ylabel("occupancy along the ray")
        for y, text, colour in ((0.12, "plain optimum", "blue"), (0.04, "with entropy", "green")):
            right.text(0.97, y, text, transform=right.transAxes, ha="right", color=COLOURS[colour])
        plt.close(fig)
    return Drawing(
        fig,
        title="Along a ray of rewards",
        caption=f"A random process with {len(direction)} states and {len(direction[0])} actions, "
        "its reward moved along a random direction. Left: the optimal value is convex and made of "
        f"{len(kinks.segments)} straight pieces; the {len(kinks.epsilons)} dots are the kinks, "
        "found exactly. Right: the slope of the value is the occupancy of the optimal policy "
        f"along the ray. It jumps at every kink; at temperature {temperature} it does not.",
        alt="Left, a convex chain of line segments with dots at its kinks. Right, a rising "
        "staircase whose steps lie at the kinks, and a smooth curve that follows it.",
        data=lines,
    )
