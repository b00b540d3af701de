"""The theme's icons as drawings in pages and styles: no script and no fonts of megabytes."""

import re
from urllib.parse import quote

_ICON = re.compile(
    r'<(?P<tag>i|span) class="(?P<classes>[^"]*\bfa-[^"]+)"(?P<rest>[^>]*?)(?:\s*title="[^"]*")?>'
    r"</(?P=tag)>"
)
_FONTAWESOME = re.compile(r"\s*<(?:script|link)[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?")
_DRAWING = r'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
_CODED = re.compile(r':\[(\d+),(\d+),\[[^\]]*\],"([0-9a-f]+)","([^"]+)"\]')
_NOT_NAMES = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}
# The font itself, and a rule for each of its icons: those that pages use are drawn there.
_FONT = re.compile(
    r'@font-face\{[^}]*Font Awesome[^}]*\}|(?:\.fa-[\w-]+::?before,?)+\{content:"[^"]*"\}'
)
_LETTER = re.compile(
    r'(?P<before>--pst-icon-[\w-]+:|content:)"(?:\\(?P<code>f[0-9a-f]{3})|(?P<letter>[\uf000-\uf8ff]))"'
)
_GREY = "#7d8896"  # told apart from a light and from a dark ground: a picture has no text colour


def draw_icons(html: str, fontawesome: str) -> str:
    """Put each icon's drawing in the page in place of the script that would draw it.

    Raises:
        KeyError: naming an icon that the theme's script does not hold.
    """

    def draw(match: re.Match[str]) -> str:
        classes = match["classes"].split()
        (name,) = (c for c in classes if c.startswith("fa-") and c not in _NOT_NAMES)
        found = re.findall(_DRAWING.format(name=name.removeprefix("fa-")), fontawesome)
        if not found:
            raise KeyError(name)
        # the script holds the brands first, then the outlined set, then the solid one
        width, height, path = found[0] if {"fab", "fa-brands"} & {*classes} else found[-1]
        return (
            f'<svg class="svg-inline--fa {" ".join(classes)}"{match["rest"]} aria-hidden="true" '
            f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
        )

    return _ICON.sub(draw, _FONTAWESOME.sub("", html))


def draw_letters(css: str, fontawesome: str) -> str:
    """Put drawings in a style in place of the letters of an icon font, and drop the font.

    Raises:
        KeyError: with the code of a letter that the theme's script does not hold.
    """

    # of several sets the last, the solid one
    drawings = {code: (w, h, path) for w, h, code, path in _CODED.findall(fontawesome)}

    def draw(match: re.Match[str]) -> str:
        code = match["code"] or f"{ord(match['letter']):x}"
        width, height, path = drawings[code]
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'height="16" width="16"><path fill="{_GREY}" d="{path}"/></svg>'
        )
        return f'{match["before"]}url("data:image/svg+xml,{quote(svg)}")'

    return _LETTER.sub(draw, _FONT.sub("", css))
