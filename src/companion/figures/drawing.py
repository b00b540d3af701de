"""Functions that draw: each is marked with the figure's name and the results it rests on."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import pandas as pd
from matplotlib.figure import Figure

import companion
from companion.figures.kit import SavedFigure, save
from companion.figures.style import slide_style

P = ParamSpec("P")
_PACKAGE = Path(companion.__file__).parent
FAMILIES = {
    "theory": "theory alone",
    "deceptive": "deceptive reasoning",
    "instruction": "instruction following",
    "alignment": "alignment",
    "all": "all three families",
}
"""What a figure's models were trained on -> in words."""


@dataclass(frozen=True)
class Drawing:
    """What a figure function returns: see ``companion.figures.save`` for the fields."""

    figure: Figure
    title: str
    caption: str
    alt: str
    data: pd.DataFrame


@dataclass(frozen=True)
class FigureEntry:
    """A figure and what it rests on.

    Attributes:
        id: of the figure.
        rests_on: names of results, such as ``prop_2_10``.
        family: one of ``FAMILIES``.
        function: that draws it, as a chapter calls it: ``cliff.trained``.
        source: file and line of that function, as ``src/companion/studies/cliff.py#L120``.
    """

    id: str
    rests_on: tuple[str, ...]
    family: str
    function: str
    source: str


MARKED: dict[str, FigureEntry] = {}
"""The figures of all modules imported so far, by id."""


def figure(
    id: str, rests_on: tuple[str, ...], family: str = "theory"
) -> Callable[[Callable[P, Drawing]], Callable[P, SavedFigure]]:
    """Mark a function that draws: calling it saves the figure, and ``MARKED`` lists it.

    The function is called twice with the same arguments, for the page and for the slide.

    Args:
        id: see ``companion.figures.save``.
        rests_on: names of the results it shows, such as ``("prop_2_10",)``.
        family: one of ``FAMILIES``.

    Raises:
        ValueError: for another family.
    """
    if family not in FAMILIES:
        raise ValueError(f"figure {id!r}: family {family!r}, not one of {', '.join(FAMILIES)}")

    def mark(draw: Callable[P, Drawing]) -> Callable[P, SavedFigure]:
        file = Path(inspect.getsourcefile(draw) or "").relative_to(_PACKAGE)
        source = f"src/companion/{file.as_posix()}#L{inspect.getsourcelines(draw)[1]}"
        function = f"{file.stem}.{draw.__name__}"
        MARKED[id] = FigureEntry(id, rests_on, family, function, source)

        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> SavedFigure:
            done = draw(*args, **kwargs)
            with slide_style():
                slide = draw(*args, **kwargs).figure
            return save(
                done.figure,
                id,
                title=done.title,
                caption=done.caption,
                alt=done.alt,
                data=done.data,
                slide=slide,
                rests_on=rests_on,
                family=family,
                source=source,
            )

        return drawn

    return mark
