"""Pictures on a finished page: of known size, fetched when they come near, opened by a tap.

Of a figure's two drawings the theme hides one, and a lazy picture that is hidden is not fetched.
"""

import re
import struct
from functools import cache
from pathlib import Path

_IMAGE = re.compile(r"<img\b[^>]*>")
_LINK_OR_IMAGE = re.compile(rf"<a\b.*?</a>|{_IMAGE.pattern}", re.DOTALL)
_SOURCE = re.compile(r'\bsrc="(?P<source>[^":]+)"')
_FIGURE = re.compile(r"<figure\b.*?</figure>", re.DOTALL)
_THEME = re.compile(r'\bclass="[^"]*\b(only-(?:light|dark))\b')
_LENGTH = r'<svg\b[^>]*?\s{}="([\d.]+)(pt|px)?"'
_PIXELS = {"pt": 4 / 3, "px": 1, None: 1}
_GLYPHS = re.compile(r"scale\((0?\.\d+) -")  # matplotlib's letters are paths, drawn at 100
_FONT = re.compile(r"font(?:-size)?: ?(?:[\w ]*? )?([\d.]+)px")


@cache
def size(file: Path) -> tuple[int, int] | None:
    """Width and height in CSS pixels of an SVG or a PNG that states them."""
    if file.suffix == ".svg":
        head = file.read_text(encoding="utf-8")[:4000]
        found = [re.search(_LENGTH.format(side), head) for side in ("width", "height")]
        sides = [round(float(side[1]) * _PIXELS[side[2]]) for side in found if side]
        return (sides[0], sides[1]) if len(sides) == 2 else None
    if file.suffix == ".png":
        width, height = struct.unpack(">II", file.read_bytes()[16:24])
        return width, height
    return None


@cache
def smallest_text(file: Path) -> float | None:
    """Height in CSS pixels of the smallest letters of an SVG by matplotlib, at its own size."""
    if file.suffix != ".svg":
        return None
    drawing = file.read_text(encoding="utf-8")
    sizes = [100 * float(scale) for scale in _GLYPHS.findall(drawing)]
    sizes += [float(pixels) for pixels in _FONT.findall(drawing)]
    unit = re.search(_LENGTH.format("width"), drawing[:4000])
    return round(min(sizes) * _PIXELS[unit[2]], 1) if sizes and unit else None


def place_images(html: str, folder: Path) -> str:
    """The page with its pictures sized and lazy, and those of figures as links to themselves.

    Args:
        html: a finished page.
        folder: that the page lies in.
    """
    html = _IMAGE.sub(lambda image: _prepared(image.group(), folder), html)
    return _FIGURE.sub(lambda figure: _LINK_OR_IMAGE.sub(_opens, figure.group()), html)


def _prepared(image: str, folder: Path) -> str:
    source = _SOURCE.search(image)
    if source is None or re.search(r"\bloading=", image):
        return image
    file = (folder / source["source"]).resolve()
    known, text = size(file), smallest_text(file)
    sides = f' width="{known[0]}" height="{known[1]}"' if known else ""
    sides += f' data-text="{text}"' if text else ""
    if re.search(r"\s(?:width|style)=", image):  # the author's own
        sides = ""
    return image.replace("<img", f'<img loading="lazy" decoding="async"{sides}', 1)


def _opens(image: re.Match[str]) -> str:
    """A picture in a link to itself; one that is in a link already stays."""
    source, theme = _SOURCE.search(image.group()), _THEME.search(image.group())
    if source is None or image.group().startswith("<a"):
        return image.group()
    kind = f"figure-open {theme[1]}" if theme else "figure-open"
    address, hint = source["source"], "Open the figure over the whole screen"
    return f'<a class="{kind}" href="{address}" title="{hint}">{image.group()}</a>'
