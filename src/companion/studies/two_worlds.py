"""Figures that put one question twice: to a tiny model, exactly, and to a pretrained one."""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from companion.figures import style
from companion.studies.marks import draw_means
from companion.studies.statistics import interval

_COLOURS = ("blue", "orange")
_NAMES = ("tiny model, exact", "SmolLM2, by samples")


@dataclass(frozen=True)
class TwoWorlds:
    """A measure of a tiny model and of a pretrained one, under causes that correspond.

    Attributes:
        tiny, real: the measure, tidy.
        causes: by name under the axis, the condition of the tiny study and that of the real one.
    """

    tiny: pd.DataFrame
    real: pd.DataFrame
    causes: Mapping[str, tuple[str, str]]

    def drawn(self, ylabel: str, ylim: tuple[float, float] = (-0.03, 1.03)) -> Figure:
        """The figure: one column a cause, in it both models."""
        with style():
            fig, ax = plt.subplots(figsize=(10, 5))
            for side, (table, colour) in enumerate(
                zip((self.tiny, self.real), _COLOURS, strict=True)
            ):
                conditions = [pair[side] for pair in self.causes.values()]
                places = [place + (side - 0.5) * 0.24 for place in range(len(conditions))]
                draw_means(ax, places, table, conditions, colour, ls="none", label=_NAMES[side])
            ax.set_xticks(range(len(self.causes)), list(self.causes))
            ax.grid(visible=False, axis="x")
            ax.set(ylim=ylim, ylabel=ylabel)
            fig.legend(loc="outside upper center", ncols=2)
            plt.close(fig)
        return fig

    @property
    def starts(self) -> int:
        """Supervised starts of the pretrained model."""
        shown = self.real[self.real.condition.isin([pair[1] for pair in self.causes.values()])]
        return int(shown.start.nunique())

    def in_words(self, what: str) -> str:
        """All means as an alternative text.

        Args:
            what: is measured, the first sentence.
        """
        means = "; ".join(
            f"{' '.join(cause.split())}: {interval(self.tiny, pair[0]).value:.2f} and "
            f"{interval(self.real, pair[1]).value:.2f}"
            for cause, pair in self.causes.items()
        )
        return f"{what} {means}."

    def long(self) -> pd.DataFrame:
        """A row a run, with ``model`` and ``cause``."""
        rows = pd.concat(
            table[table.condition == pair[side]].assign(
                model=_NAMES[side], cause=" ".join(cause.split())
            )
            for side, table in enumerate((self.tiny, self.real))
            for cause, pair in self.causes.items()
        )
        return rows[["model", "cause", "condition", "start", "repeat", "value"]]
