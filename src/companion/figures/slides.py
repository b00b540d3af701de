"""A drawing as a slide: 16:9, the message on top, the picture large, where it is from below."""

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from companion.figures.formats import settle
from companion.figures.style import FAINT, INK

SIZE = (40 / 3, 7.5)  # inches: what presentation programs call widescreen
PICTURE = Bbox.from_extents(0.03, 0.065, 0.97, 0.865)  # in parts of the slide, from its lower left
SMALLEST_PT = 20.0  # of all type but the attribution
ATTRIBUTION = "attribution"  # gid of that line
_TITLE_PT, _ATTRIBUTION_PT = 28, 12
_LINE = 64  # letters of a title that fit on one line


def compose(fig: Figure, title: str, attribution: str) -> None:
    """Make a slide of ``fig``, which was drawn inside :func:`companion.figures.slide_style`.

    The figure is laid out at the size of the slide's picture, then moved there as it is.

    Args:
        fig: changed in place.
        title: the message, on one line or two.
        attribution: one line.
    """
    fig.set_size_inches(SIZE[0] * PICTURE.width, SIZE[1] * PICTURE.height)
    fig.draw_without_rendering()
    for ax in fig.axes:
        _break_title(ax)
    settle(fig)
    places = [(ax, ax.get_position(original=True)) for ax in fig.axes]  # twins move together
    fig.set_size_inches(SIZE)
    for ax, place in places:
        ax.set_position(_in_picture(place))
    for legend in fig.legends:
        legend.set_bbox_to_anchor(PICTURE, fig.transFigure)
    lines = [title] if len(title) <= _LINE else _halves(title)
    look: dict[str, Any] = {
        "size": _TITLE_PT,
        "weight": "bold",
        "va": "center",
        "linespacing": 0.95,
    }
    fig.text(PICTURE.x0, 0.93, "\n".join(lines), color=INK, **look)
    small: dict[str, Any] = {"size": _ATTRIBUTION_PT, "va": "center", "gid": ATTRIBUTION}
    fig.text(PICTURE.x0, 0.032, attribution, color=FAINT, **small)


def _break_title(ax: Axes) -> None:
    """Break the title of a panel that is wider than the panel: no layout makes room for it."""
    words = ax.get_title(loc="left")
    title = ax.set_title(words, loc="left")
    if title.get_window_extent().width > ax.get_window_extent().width:
        title.set_text("\n".join(_halves(words)))


def _halves(words: str) -> list[str]:
    """Two lines of about the same length."""
    return textwrap.wrap(words, len(words) // 2 + 6)


def _in_picture(place: Bbox) -> Bbox:
    """A place in parts of the picture, in parts of the slide."""
    corner, size = PICTURE.min, PICTURE.size
    return Bbox(corner + place.get_points() * size)
