"""The JavaScript and CSS of an explorer: what all share, then its own."""

from pathlib import Path

_HERE = Path(__file__).parent


def browser_code(name: str) -> tuple[str, str]:
    """Module and style sheet of the explorer ``name``, each one text: a page loads no imports."""
    script, sheet = (
        "".join((_HERE / part).read_text(encoding="utf-8") for part in parts)
        for parts in (("controls.js", f"{name}.js"), ("explorer.css", f"{name}.css"))
    )
    return script, sheet
