"""Figures of a pretrained model: one column a condition, shares of its behaviours side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.figures import COLOURS, Drawing, style
from companion.studies.marks import bars
from companion.studies.statistics import interval, of_condition
from companion.studies.study import Key

_WIDTH = 0.72  # of a column's marks


@dataclass(frozen=True)
class Columns:
    """What a figure of columns shows.

    Attributes:
        recorded: a row a run: ``condition``, ``start``, ``repeat`` and a share for each behaviour.
        conditions: the columns, with their names under the axis.
        behaviours: by name of the share's column, their names in the legend and their colours.
        today: as ``recorded``, of runs trained just now, which are drawn as crosses.
    """

    recorded: pd.DataFrame
    conditions: Mapping[str, str]
    behaviours: Mapping[str, tuple[str, str]]
    today: pd.DataFrame | None = None

    def drawing(
        self, title: str, subject: str, notes: str, means: str, ylabel: str = "share of samples"
    ) -> Drawing:
        """The figure as a page shows it.

        Args:
            title: of the figure.
            subject: first sentence of the caption, before how many runs there are.
            notes: the rest of the caption.
            means: first sentence of the alternative text: what the means are of.
            ylabel: of the vertical axis.
        """
        return Drawing(
            self._drawn(ylabel),
            title=title,
            caption=f"{subject} {self._counted()} {notes}",
            alt=f"{means} {self._in_words()}",
            data=self._long(),
        )

    def _drawn(self, ylabel: str) -> Figure:
        shifts = np.linspace(-1, 1, len(self.behaviours)) * _WIDTH / 3
        with style():
            fig, ax = plt.subplots(figsize=(11, 5.2))
            for place, condition in enumerate(self.conditions):
                for shift, name in zip(shifts, self.behaviours, strict=True):
                    self._behaviour(ax, condition, name, place + shift)
                if place:
                    ax.axvline(place - 0.5, color=COLOURS["faint"], lw=0.8, alpha=0.5)
            ax.set_xticks(range(len(self.conditions)), list(self.conditions.values()))
            ax.grid(visible=False, axis="x")
            ax.set(xlim=(-0.5, len(self.conditions) - 0.5), ylim=(-0.04, 1.04), ylabel=ylabel)
            ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
            names, colours = zip(*self.behaviours.values(), strict=True)
            handles = [ax.plot([], [], "o", color=COLOURS[c])[0] for c in colours]
            fig.legend(
                handles, names, loc="outside upper center", ncols=len(names), handletextpad=0.1
            )
            plt.close(fig)
        return fig

    def _behaviour(self, ax: Axes, condition: str, name: str, x: float) -> None:
        """One behaviour under one condition: dots beside the mean with its interval, crosses."""
        colour = self.behaviours[name][1]
        means = [of_condition(self.recorded, condition, name)]
        bars(ax, [x], means, colour, capsize=5, marker="_", ms=16, mew=2.5)
        look: dict[str, Any] = {"color": COLOURS[colour], "ls": "none"}
        values = self.recorded.loc[self.recorded.condition == condition, name]
        ax.plot([x - 0.06] * len(values), values, marker="o", ms=6, alpha=0.5, mew=0, **look)
        if self.today is not None:
            now = self.today.loc[self.today.condition == condition, name]
            ax.plot([x + 0.07] * len(now), now, marker="x", ms=9, mew=2.5, **look)

    def _counted(self) -> str:
        """How many runs there are, and what marks mean: sentences of a caption."""
        shown = self.recorded[self.recorded.condition.isin(self.conditions)]
        return (
            f"Dots: {len(shown)} runs from {shown.start.nunique()} supervised starts. Bars: mean "
            "over starts with its Student t interval (95 %)."
        )

    def _in_words(self) -> str:
        """All means, a sentence a condition."""
        parts = []
        for condition, title in self.conditions.items():
            means = [
                f"{name} {interval(self.recorded, condition, name).value:.2f}"
                for name in self.behaviours
            ]
            parts.append(f"{' '.join(title.split())}: {', '.join(means)}.")
        return " ".join(parts)

    def _long(self) -> pd.DataFrame:
        """A row a run and behaviour, with ``run`` saying whether it is of the record or live."""
        tables = [self.recorded.assign(run="record")]
        if self.today is not None:
            tables.append(self.today.assign(run="live"))
        table = pd.concat(tables, ignore_index=True)
        table = table[table.condition.isin(self.conditions)]
        return table[[*Key._fields, "run", *self.behaviours]].melt(
            [*Key._fields, "run"], var_name="behaviour", value_name="share"
        )
