"""Chapter 6's pictures of optima, for which nothing is trained."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.studies.cliff import bandit
from companion.theory import optimal_q, softmax_policy, uniform_policy


@figure("tiebreaker-length-tent", rests_on=("prop_3_2",))
def length_tent(asked: int = 250, weight: float = 0.0003) -> Drawing:
    """Rewards with and without a length penalty, and the optimal policies of both.

    Args:
        asked: for tokens.
        weight: of the penalty, a token.
    """
    lengths = np.arange(100, 401)
    rewards = {
        "without": np.ones(lengths.size),  # a right answer of any length
        "with": 1 - weight * np.abs(asked - lengths),
    }
    optima = {
        name: uniform_policy(optimal_q(bandit(list(reward))), atol=1e-9)[0]
        for name, reward in rewards.items()
    }
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
        for name, colour in (("without", COLOURS["faint"]), ("with", COLOURS["green"])):
            left.plot(lengths, rewards[name], color=colour)
        left.set(title="The reward", ylim=(0, 1.15), ylabel="reward of a right answer")
        left.text(asked, 0.82, "with the tie-breaker", color=COLOURS["green"], ha="center")
        left.text(asked, 1.04, "without", color=COLOURS["faint"], ha="center")
        right.plot(lengths, optima["without"], color=COLOURS["faint"])
        right.vlines(asked, 0, 1, color=COLOURS["green"], linewidth=4)
        beside: dict[str, Any] = {"color": COLOURS["green"], "ha": "right", "va": "center"}
        right.text(asked - 10, 0.85, "with the\ntie-breaker", **beside)
        right.text(390, 0.05, "without", color=COLOURS["faint"], ha="right")
        right.set(title="The optimal policy", ylim=(0, 1.15), ylabel="share of each length")
        for ax in (left, right):
            ax.set(xlabel="length of the answer (tokens)", xticks=[100, asked, 400])
        plt.close(fig)
    lost = (rewards["without"] - rewards["with"]).max()
    table = pd.DataFrame(
        {"length": lengths}
        | {f"reward_{name}": values for name, values in rewards.items()}
        | {f"policy_{name}": values for name, values in optima.items()}
    )
    return Drawing(
        fig,
        title="A penalty that is hard to see decides everything",
        caption=f"A right answer earns 1, less {weight} for each token off the {asked} that were "
        f"asked for. The two rewards (left) differ by {lost:.3g} at most. Without the penalty "
        f"every length is optimal; with it only {asked} is (right).",
        alt="Left, reward against length: a flat line at one, and a tent that is almost as flat. "
        "Right, the optimal policies: without the tie-breaker spread evenly over all lengths, with "
        "it a single spike at the length asked for.",
        data=table,
    )


def mean_errors(reach: int = 1500) -> pd.DataFrame:
    """Mean length error of the Kullback-Leibler optimum, exactly and by the summed series.

    Args:
        reach: lengths considered on each side of the one asked for.

    Returns:
        Columns ``ratio`` (penalty over temperature), ``temperature``, ``error``, ``formula``.
    """
    window = np.arange(-reach, reach + 1)
    rows = []
    for ratio in np.geomspace(0.01, 10, 31):
        decay = np.exp(-ratio)
        for temperature in (0.001, 0.01, 0.1):
            reward = -ratio * temperature * np.abs(window)
            share = softmax_policy(reward[None], temperature)[0]
            error = float(share @ np.abs(window))
            rows.append((ratio, temperature, error, 2 * decay / (1 - decay**2)))
    return pd.DataFrame(rows, columns=["ratio", "temperature", "error", "formula"])


@figure("tiebreaker-precision", rests_on=("prop_3_2", "sharp_6_kl_sequence"))
def precision(table: pd.DataFrame) -> Drawing:
    """Mean length error against penalty over temperature; ``table`` as ``mean_errors`` has it."""
    line = table[table.temperature == table.temperature.min()]
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        ax.loglog(line.ratio, 1 / line.ratio, "--", color=COLOURS["faint"], linewidth=1.8)
        ax.loglog(line.ratio, line.formula, color=COLOURS["green"])
        ax.loglog(table.ratio, table.error, "o", color=COLOURS["green"], markersize=5)
        ax.text(2.2, 0.6, "β / α", color=COLOURS["faint"])
        ax.text(0.03, 60, "mean error of the optimum", color=COLOURS["green"])
        ax.set(
            title="The ratio α/β buys precision",
            xlabel="penalty over temperature, α / β (per token)",
            ylabel="mean length error (tokens)",
        )
        plt.close(fig)
    off = (table.error / table.formula - 1).abs().max()
    return Drawing(
        fig,
        title="Length error against penalty over temperature",
        caption="Mean distance from the length asked for under the optimum at "
        f"{table.temperature.nunique()} temperatures, over a finite range of lengths (dots, on one "
        f"curve) and from the summed series (line). They differ by {off:.2g} of the error at most. "
        "The dashed line is β/α.",
        alt="On logarithmic axes the mean length error falls as penalty over temperature grows: "
        "along the line beta over alpha at first, and faster from about one on.",
        data=table,
    )
