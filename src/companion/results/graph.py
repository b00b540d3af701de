"""The results map: an SVG whose boxes link to the chapters."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from companion.results.registry import catalogue

WIDTH, HEIGHT = 92, 46  # seven boxes fill a column of text
GAP, DROP = 12, 52

Place = tuple[float, float]


def results_map(
    href: Callable[[Mapping[str, Any]], str] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """The graph of results as an SVG string: a result stands below what it rests on.

    A line that follows from others (A rests on B, B on C, hence A on C) is not drawn. ``href``
    gives the address for a row of ``catalogue`` (no links without it); ``notes`` adds lines to a
    box's tooltip, such as the figures and case studies that rest on it. Colours are those of the
    page's text and background, so the map works on light and dark.
    """
    rows = catalogue()
    uses = {row["name"]: _direct(row["name"], {r["name"]: r["uses"] for r in rows}) for row in rows}
    place = _places(uses)
    width = max(x for x, _ in place.values()) + WIDTH + GAP
    height = max(y for _, y in place.values()) + HEIGHT + GAP
    lines = [_line(place[used], place[name]) for name in uses for used in uses[name]]
    boxes = [
        _box(row, place[row["name"]], href, (notes or {}).get(row["name"], ())) for row in rows
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            'role="group" aria-label="Which result rests on which" fill="none" '
            'stroke="currentColor" font-family="inherit" text-anchor="middle">',
            '<g opacity="0.45">',
            *lines,
            "</g>",
            *boxes,
            "</svg>",
        ]
    )


def _direct(name: str, uses: Mapping[str, Sequence[str]]) -> list[str]:
    """What a result uses, less what one of the others it uses rests on anyway."""

    def below(other: str) -> set[str]:
        return set(uses[other]).union(*(below(used) for used in uses[other]))

    return [u for u in uses[name] if not any(u in below(other) for other in uses[name])]


def _places(uses: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """Top left corners: a row by the longest chain below, in it sorted by what lies above."""
    depth: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((measure(other) for other in uses[name]), default=-1)
        return depth[name]

    deepest = max(measure(name) for name in uses)
    rows = [[name for name in uses if depth[name] == level] for level in range(deepest + 1)]
    widest = max(map(len, rows))
    place: dict[str, Place] = {}
    for level, row in enumerate(rows):

        def above(name: str) -> float:
            xs = [place[other][0] for other in uses[name]]
            return sum(xs) / len(xs) if xs else 0.0

        left = (widest - len(row)) / 2
        for column, name in enumerate(sorted(row, key=above)):
            x = GAP + (WIDTH + GAP) * (left + column)
            place[name] = x, GAP + level * (HEIGHT + DROP)
    return place


def _line(start: Place, end: Place) -> str:
    x1, y1 = start[0] + WIDTH / 2, start[1] + HEIGHT
    x2, y2 = end[0] + WIDTH / 2, end[1]
    bend = f"{x1:.1f} {y1 + DROP / 2:.1f} {x2:.1f} {y2 - DROP / 2:.1f}"
    return f'<path d="M{x1:.1f} {y1:.1f} C{bend} {x2:.1f} {y2:.1f}"/>'


def _box(
    row: Mapping[str, Any],
    place: Place,
    href: Callable[[Mapping[str, Any]], str] | None,
    notes: Sequence[str],
) -> str:
    x, y = place
    middle = x + WIDTH / 2
    dash = ' stroke-dasharray="5 3"' if row["beyond"] else ""
    text = 'fill="currentColor" stroke="none"'
    item = escape(row["item"].replace("Proposition", "Prop.").replace("Theorem", "Thm."))
    box = (
        f"<g><title>{escape(chr(10).join([row['title'], *notes]))}</title>"
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="6"{dash} '
        'style="fill: var(--pst-color-background, Canvas)"/>'
        f'<text x="{middle:.1f}" y="{y + 21:.1f}" font-size="14" {text}>{item}</text>'
        f'<text x="{middle:.1f}" y="{y + 38:.1f}" font-size="11" {text}>'
        f"chapter {row['chapter']}</text></g>"
    )
    return f'<a href="{escape(href(row))}">{box}</a>' if href else box
