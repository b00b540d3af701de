"""Marks that figures of studies share: runs as dots, their mean over starts with its interval."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from companion.figures import COLOURS, Drawing
from companion.rlhf.curves import LiveCurves
from companion.studies.statistics import mean_interval, of_condition


def bars(
    ax: Axes, places: Iterable[float], groups: Iterable[ArrayLike], colour: str, **look: Any
) -> None:
    """Mean and Student t interval (95 %) of groups of values, one value a start.

    Args:
        ax: to draw on.
        places: of the groups on the horizontal axis.
        groups: values of each group.
        colour: name of one of ``COLOURS``.
        look: what ``Axes.errorbar`` takes.
    """
    found = [mean_interval(values) for values in groups]
    mean = np.array([interval.value for interval in found])
    reach = np.abs(np.array([interval.ends for interval in found]).T - mean)
    shown: dict[str, Any] = {"color": COLOURS[colour], "capsize": 4, "marker": "o"} | look
    ax.errorbar(list(places), mean, reach, **shown)


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
    groups = [of_condition(table, condition) for condition in conditions]
    bars(ax, places, groups, colour, **({"capsize": 5} | line))


def draw_runs(
    ax: Axes, place: float, table: pd.DataFrame, condition: str, colour: str, new: bool = False
) -> None:
    """Draw each run of a condition: a dot, or a cross if it is new and not of the record."""
    values = table[table.condition == condition].value.tolist()
    look: dict[str, Any] = (
        {"marker": "x", "ms": 9, "mew": 2} if new else {"marker": "o", "ms": 5, "alpha": 0.4}
    )
    ax.plot([place] * len(values), values, ls="none", color=COLOURS[colour], **look)


def exact_curves(curves: LiveCurves, title: str, trace: str, starts: int) -> Drawing:
    """The figure of runs that a page trains by the exact gradient: a trace's probability.

    Args:
        curves: of the runs.
        title: what they show.
        trace: whose probability it is.
        starts: how many supervised starts they have.
    """
    return Drawing(
        curves.drawn(),
        title=title,
        caption=f"Probability of {trace} tampering in the {curves.data.run.nunique()} runs that "
        f"were trained while this page was built, from {starts} starts that the record does not "
        "hold, with the exact gradient. Each thin line is a run.",
        alt=curves.alt,
        data=curves.data,
    )
