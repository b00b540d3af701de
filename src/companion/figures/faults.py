"""What a reader of a figure would miss: cut artists, words on words, type too small to read."""

from collections.abc import Iterator
from itertools import combinations

from matplotlib.artist import Artist
from matplotlib.axis import Axis, Tick
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

_PIXEL = 1.0  # of rounding
_BODY = 0.6  # of a line's height: between the ends of its letters there is room


def missed(fig: Figure) -> list[str]:
    """What of a figure nobody sees: ``off_canvas`` and ``overlapping``.

    Args:
        fig: with its layout settled.
    """
    fig.draw_without_rendering()
    return [*off_canvas(fig), *overlapping(fig)]


def off_canvas(fig: Figure) -> list[str]:
    """The artists of a drawn figure that the canvas cuts, each with how many points are lost."""
    width, height = fig.bbox.size
    found = []
    for artist in _shown(fig):
        box = artist.get_tightbbox()
        if box is None or box.width == box.height == 0:
            continue
        lost = max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)
        if lost > _PIXEL:
            found.append(f"{_named(artist)}: {lost * 72 / fig.dpi:.0f} pt")
    return found


def overlapping(fig: Figure) -> list[str]:
    """Pairs of texts of a drawn figure that lie on each other."""
    boxes = {text: _body(text) for text in _texts(fig)}
    return [
        f"{_named(one)} on {_named(other)}"
        for (one, first), (other, second) in combinations(boxes.items(), 2)
        if first.overlaps(second)
    ]


def small_type(fig: Figure, least_pt: float, but: str) -> list[str]:
    """Text of fewer than ``least_pt`` points, except in artists of the gid ``but``."""
    return [
        f"{_named(text)}: {size:g} pt"
        for text in fig.findobj(Text)
        if text.get_visible() and text.get_text().strip()
        if (size := text.get_fontproperties().get_size_in_points()) < least_pt
        if text.get_gid() != but
    ]


def _body(text: Text) -> Bbox:
    """Where the letters of a text are, without the room above and below its lines."""
    box = text.get_window_extent()
    if text.get_rotation() % 180:
        return box.expanded(_BODY, 1)
    return box.expanded(1, _BODY)


def _texts(fig: Figure) -> Iterator[Text]:
    """The texts that are drawn; an axis keeps labels of ticks that it does not show."""
    ticks = [
        (axis, tick)
        for ax in fig.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
    ]
    hidden = {
        label
        for axis, tick in ticks
        if not axis.axes.axison or not _within(axis, tick)
        for label in (tick.label1, tick.label2)
    }
    for text in fig.findobj(Text):
        if text.get_visible() and text.get_text().strip() and text not in hidden:
            yield text


def _within(axis: Axis, tick: Tick) -> bool:
    low, high = sorted(axis.get_view_interval())
    return bool(low <= tick.get_loc() <= high)


def _shown(fig: Figure) -> Iterator[Artist]:
    """What may reach beyond the canvas: everything that its axes do not clip."""
    yield from (artist for artist in fig.get_default_bbox_extra_artists() if artist not in fig.axes)
    for ax in fig.axes:
        yield from ax.get_default_bbox_extra_artists()
        if ax.axison:
            yield from (ax.xaxis, ax.yaxis)
        yield from (text for text in ax.get_children() if isinstance(text, Text))  # titles, too


def _named(artist: Artist) -> str:
    text = getattr(artist, "get_text", str)() or ""
    return f"{type(artist).__name__} {text}".strip()
