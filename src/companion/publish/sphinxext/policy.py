"""A strict Content-Security-Policy in every page: only the site's own scripts run.

The book lies on hosts that set no headers, so the policy stands in the page. What the theme writes
between ``<script>`` tags is allowed by its hash; a script that came in any other way (from a cell's
output, a caption, a title) fails the build.
"""

import base64
import hashlib
import re

_SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL | re.I)
_CODE_TYPE = re.compile(r"""\btype\s*=\s*["']?(?:text/javascript|module|application/javascript)""")
_HANDLER = re.compile(r"""(<[a-z][^>]*?)\son(?P<event>[a-z]+)\s*=\s*(["'])(?P<code>.*?)\3""", re.I)
_CALL = re.compile(r"(?:window\.)?(\w+)\(\)")
_CHARSET = '<meta charset="utf-8" />'
# Every inline script of Sphinx and of the theme, as a whole.
_KNOWN = re.compile(
    r"""\s*(?:
      document\.documentElement\.dataset\.mode\ =[^<]*
    | let\ toggle(?:HintShow|HintHide|OpenOnPrint)\ =\ '[\w\ ]*';
    | var\ togglebuttonSelector\ =\ '[\w.,\ -]*';
    | const\ DOCUMENTATION_OPTIONS\ =\ \{[^<{}]*\};
    | DOCUMENTATION_OPTIONS\.\w+\ =\ (?:true|false|'[\w/.-]*');
    | //\ Activate\ the\ search\ field\ on\ page\ load[^<]*
    )\s*""",
    re.VERBOSE,
)
_WIDGET = "application/vnd.jupyter.widget-view+json"


def secure(html: str, page: str) -> str:
    """The page with its policy, and with handlers in attributes made into ``data-click``.

    Args:
        html: a finished page.
        page: its name, for errors.

    Raises:
        ValueError: for an inline script or a handler that is not the theme's.
    """
    html = _HANDLER.sub(lambda found: _listened(found, page), html)
    hashes = []
    for script in _SCRIPT.finditer(html):
        attributes, code = script["attributes"], script["code"]
        data = re.search(r"\btype\s*=", attributes) and not _CODE_TYPE.search(attributes)
        if data or re.search(r"\bsrc\s*=", attributes):
            continue
        if not _KNOWN.fullmatch(code):
            raise ValueError(f"{page}: a script that is not the theme's: {code.strip()[:60]!r}")
        digest = hashlib.sha256(code.encode()).digest()
        hashes.append(f"'sha256-{base64.b64encode(digest).decode()}'")
    if _CHARSET not in html:
        raise ValueError(f"{page}: no {_CHARSET} to put the policy after")
    policy = _policy(hashes, widgets=_WIDGET in html)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}" />'
    return html.replace(_CHARSET, f"{_CHARSET}\n    {meta}", 1)


def _policy(hashes: list[str], widgets: bool) -> str:
    """Widgets are modules in blobs; styles in attributes are how KaTeX places its boxes."""
    scripts = ["'self'", *dict.fromkeys(hashes), *(["blob:"] if widgets else [])]
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(scripts)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
        ]
    )


def _listened(found: re.Match[str], page: str) -> str:
    """A call without arguments becomes what ``companion-page.js`` listens for."""
    call = _CALL.fullmatch(found["code"])
    if found["event"] != "click" or call is None:
        raise ValueError(f"{page}: on{found['event']}={found['code']!r} in an attribute")
    return f'{found[1]} data-click="{call[1]}"'
