"""What a reader of a figure would miss: what leaves the canvas, and type too small to read."""

from collections.abc import Iterator

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Text

_PIXEL = 1.0  # of rounding


def off_canvas(fig: Figure) -> list[str]:
    """The artists that the canvas cuts, each with how many points of it are lost at most.

    Args:
        fig: with its layout settled.
    """
    fig.draw_without_rendering()
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


def small_type(fig: Figure, least_pt: float, but: str) -> list[str]:
    """Text of fewer than ``least_pt`` points, except in artists of the gid ``but``."""
    return [
        f"{_named(text)}: {size:g} pt"
        for text in fig.findobj(Text)
        if text.get_visible() and text.get_text().strip()
        if (size := text.get_fontproperties().get_size_in_points()) < least_pt
        if text.get_gid() != but
    ]


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
