"""Marks that figures of studies share: runs as dots, their mean over starts with its interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS
from companion.studies.statistics import Interval, mean_interval


def interval(table: pd.DataFrame, condition: str) -> Interval:
    """Mean of a tidy measure under a condition, over starts."""
    part = table[table.condition == condition]
    return mean_interval(part.value, part.start)


def draw_means(
    ax: Axes,
    places: Sequence[float],
    table: pd.DataFrame,
    conditions: Sequence[str],
    colour: str,
    **line: Any,
) -> None:
    """Draw a tidy measure of some conditions: a dot a run, the mean with its t interval.

    Args:
        ax: to draw into.
        places: (conditions,) where each condition stands on the horizontal axis.
        table: tidy.
        conditions: with at least two starts each.
        colour: name of one of ``COLOURS``.
        line: for the line through the means, as ``Axes.errorbar`` takes it.
    """
    for place, condition in zip(places, conditions, strict=True):
        draw_runs(ax, place, table, condition, colour)
    found = [interval(table, condition) for condition in conditions]
    means = np.array([i.value for i in found])
    reach = np.abs(np.array([i.ends for i in found]).T - means)
    style: dict[str, Any] = {"color": COLOURS[colour], "capsize": 5, "marker": "o"} | line
    ax.errorbar(places, means, reach, **style)


def draw_runs(
    ax: Axes, place: float, table: pd.DataFrame, condition: str, colour: str, new: bool = False
) -> None:
    """Draw each run of a condition: a dot, or a cross if it is new and not of the record."""
    values = table[table.condition == condition].value.tolist()
    look: dict[str, Any] = (
        {"marker": "x", "ms": 9, "mew": 2} if new else {"marker": "o", "ms": 5, "alpha": 0.4}
    )
    ax.plot([place] * len(values), values, ls="none", color=COLOURS[colour], **look)
