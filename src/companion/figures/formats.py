"""A figure as files: SVG, PDF and PNG, light and dark, with title, author and licence inside."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from companion.figures.style import DARK

AUTHOR = "The Policy Cliff companion contributors"
LICENCE = f"CC BY 4.0, {AUTHOR}"
BOOK = "The Policy Cliff: a companion"
_COLOURED = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


_ROUNDS = 8  # of laying out; figures with equal axes need about four


def settle(fig: Figure) -> None:
    """Lay a figure out until nothing moves any more, and fix it there.

    Axes of equal units get their size while they are drawn, after room was made for their labels:
    a first layout cuts these off.
    """
    before: list[tuple[float, ...]] = []
    for _ in range(_ROUNDS):
        fig.draw_without_rendering()
        now = [ax.get_position(original=True).bounds for ax in fig.axes]
        if np.allclose(before, now, atol=1e-4) if before else not now:
            break
        before = now
    fig.set_layout_engine("none")


def render(fig: Figure, title: str, clear: bool = False) -> dict[str, bytes]:
    """Kind -> bytes; the same figure gives the same bytes on every run.

    Args:
        fig: with its layout settled.
        title: goes into each file, with author and licence.
        clear: the SVG lets the page's background through.
    """
    files = {}
    for kind, metadata in _metadata(title).items():
        buffer = io.BytesIO()
        see_through = clear and kind == "svg"
        fig.savefig(buffer, format=kind, metadata=metadata, transparent=see_through)
        files[kind] = buffer.getvalue()
    return files


@contextmanager
def dark(fig: Figure) -> Iterator[None]:
    """Context in which a figure has the colours of dark pages: our palette is known."""
    _swap(fig, DARK)
    try:
        yield
    finally:
        _swap(fig, {new: old for old, new in DARK.items()})


def _swap(fig: Figure, colours: Mapping[str, str]) -> None:
    """Give every artist what ``colours`` says for its own; others stay."""
    for artist in _all_artists(fig):
        for name in _COLOURED:
            read, write = (getattr(artist, f"{verb}_{name}", None) for verb in ("get", "set"))
            if read and write and (swapped := _swapped(read(), colours)) is not None:
                write(swapped)


def _all_artists(fig: Figure) -> list[Artist]:
    """Every artist; matplotlib finds neither the arrow of an annotation nor the box of a text."""
    found = fig.findobj()
    hidden = [getattr(artist, "arrow_patch", None) for artist in found]
    hidden += [artist.get_bbox_patch() for artist in found if isinstance(artist, Text)]
    return found + [artist for artist in hidden if artist is not None]


def _swapped(colour: Any, colours: Mapping[str, str]) -> Any:
    """What ``colours`` says for one colour, or for those of a collection; None if all stay."""
    if isinstance(colour, str) and colour in ("none", "auto"):
        return None
    if np.ndim(colour) == 2:
        each = [_swapped(one, colours) for one in colour]
        kept = [old if new is None else new for old, new in zip(colour, each, strict=True)]
        return kept if any(new is not None for new in each) else None
    found = colours.get(to_hex(colour))
    return found and (*to_rgb(found), to_rgba(colour)[3])


def _metadata(title: str) -> dict[str, dict[str, str | None]]:
    """For each kind its own names; no dates, no program."""
    licence = f"{LICENCE}, https://creativecommons.org/licenses/by/4.0/"
    svg = {"Title": title, "Rights": licence, "Source": BOOK, "Date": None}
    pdf = {"Title": title, "Author": AUTHOR, "Subject": f"{BOOK}. {licence}"}
    png = {"Title": title, "Author": AUTHOR, "Copyright": licence, "Source": BOOK}
    return {
        "svg": svg | {"Creator": AUTHOR},
        "pdf": pdf | {"CreationDate": None, "Creator": None, "Producer": None},
        "png": png | {"Software": None},
    }
