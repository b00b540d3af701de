"""The results map: an SVG whose boxes link to the chapters."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from companion.results.registry import catalogue

BOX, GAP, HEIGHT = (172, 44), (24, 64), 44


def results_map(
    href: Callable[[Mapping[str, Any]], str] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The graph of results as an SVG string: a result stands below what it rests on.

    ``href`` gives the address for a row of ``catalogue`` (no links without it); ``notes`` adds
    lines to a box's tooltip, such as figures and case studies that rest on it. Colours follow the
    text colour of the page, so the map works on light and dark.
    """
    rows = catalogue()
    levels = _levels({row["name"]: row["uses"] for row in rows})
    place = _places(levels)
    width = max(x for x, _ in place.values()) + BOX[0] + GAP[0]
    height = max(y for _, y in place.values()) + BOX[1] + GAP[0]
    arrows = [_arrow(place[used], place[row["name"]]) for row in rows for used in row["uses"]]
    boxes = [
        _box(row, place[row["name"]], href, (notes or {}).get(row["name"], ())) for row in rows
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'role="img" aria-label="Which result rests on which" fill="none" '
            'stroke="currentColor" font-family="inherit" font-size="13">',
            '<g opacity="0.45">',
            *arrows,
            "</g>",
            *boxes,
            "</svg>",
        ]
    )


def _levels(uses: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Names by the length of the longest chain below them."""
    depth: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((measure(other) for other in uses[name]), default=-1)
        return depth[name]

    levels: list[list[str]] = [[] for _ in range(1 + max(map(measure, uses)))]
    for name in uses:
        levels[depth[name]].append(name)
    return levels


def _places(levels: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    step = BOX[0] + GAP[0]
    widest = max(map(len, levels))
    return {
        name: (
            GAP[0] + step * ((widest - len(level)) / 2 + column),
            GAP[0] + row * (BOX[1] + GAP[1]),
        )
        for row, level in enumerate(levels)
        for column, name in enumerate(level)
    }


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + BOX[0] / 2, start[1] + BOX[1]
    x2, y2 = end[0] + BOX[0] / 2, end[1]
    middle = (y1 + y2) / 2
    bend = f"{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f}"
    return f'<path d="M{x1:.1f} {y1:.1f} C{bend} {x2:.1f} {y2:.1f}"/>'


def _box(
    row: Mapping[str, Any],
    place: tuple[float, float],
    href: Callable[[Mapping[str, Any]], str] | None,
    notes: Sequence[str],
) -> str:
    x, y = place
    dash = ' stroke-dasharray="5 3"' if row["beyond"] else ""
    tooltip = escape("\n".join([row["title"], *notes]))
    box = (
        f"<g><title>{tooltip}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{BOX[0]}" height="{BOX[1]}" rx="6"{dash} '
        'fill="currentColor" fill-opacity="0.06"/>'
        f'<text x="{x + BOX[0] / 2:.1f}" y="{y + BOX[1] / 2 + 5:.1f}" text-anchor="middle" '
        f'fill="currentColor" stroke="none">{escape(row["item"])}</text></g>'
    )
    return f'<a href="{escape(href(row))}">{box}</a>' if href else box
