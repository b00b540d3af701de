"""What figures of several studies draw alike."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from companion.figures import COLOURS
from companion.studies.statistics import mean_interval


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
