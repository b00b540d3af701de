"""The theme's icons as drawings in pages and styles: no script and no fonts of megabytes."""

import re
from urllib.parse import quote

_ICON = re.compile(
    r'<(?P<tag>i|span) class="(?P<classes>[^"]*\bfa-[^"]+)"(?P<rest>[^>]*?)(?:\s*title="[^"]*")?>'
    r"</(?P=tag)>"
)
_FONTAWESOME = re.compile(r"\s*<(?:script|link)[^>]*scripts/fontawesome\.js[^>]*>(?:</script>)?")
_DRAWING = r'[{{,]"?{name}"?:\[(\d+),(\d+),\[[^\]]*\],"{code}","([^"]+)"\]'
_NOT_NAMES = {"fa-solid", "fa-brands", "fa-regular", "fa-lg", "fa-fw"}
_FONT = re.compile(r"@font-face\{[^}]*Font Awesome[^}]*\}")
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
        brand = bool({"fab", "fa-brands"} & {*classes})
        width, height, path = _drawing(fontawesome, name.removeprefix("fa-"), brand=brand)
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

    def draw(match: re.Match[str]) -> str:
        code = match["code"] or f"{ord(match['letter']):x}"
        width, height, path = _drawing(fontawesome, code=code)
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'height="16" width="16"><path fill="{_GREY}" d="{path}"/></svg>'
        )
        return f'{match["before"]}url("data:image/svg+xml,{quote(svg)}")'

    return _LETTER.sub(draw, _FONT.sub("", css))


def _drawing(
    fontawesome: str, name: str = r"[\w-]+", code: str = "[0-9a-f]+", brand: bool = False
) -> tuple[str, str, str]:
    """Width, height and path; the script holds the brands first, then the outlined, the solid."""
    found: list[tuple[str, str, str]]
    found = re.findall(_DRAWING.format(name=name, code=code), fontawesome)
    if not found:
        raise KeyError(f"fa-{name}" if code.startswith("[") else code)
    return found[0] if brand else found[-1]
