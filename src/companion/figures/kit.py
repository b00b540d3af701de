"""Writing a figure with everything needed to show, check, reuse and cite it."""

import base64
import hashlib
import html
import io
import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure

from companion.figures.style import DARK, style

LICENCE = "CC BY 4.0, The Policy Cliff companion contributors"
_NO_DATES: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


@dataclass(frozen=True)
class SavedFigure:
    """A figure on disk; as the last value of a notebook cell it shows itself.

    Attributes:
        id: name of the figure, of its folder and of its files.
        folder: where the files lie: ``<id>.svg``, ``<id>-dark.svg``, ``.pdf``, ``.png``, ``.csv``
            and the sidecar ``.json``.
        title: what to take away; it opens the caption.
        caption: Markdown, computed numbers included.
        alt: one line for readers who do not see the figure.
    """

    id: str
    folder: Path
    title: str
    caption: str
    alt: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The book takes the MyST figure; a live notebook, which would show that as raw text, does
        not get it, and takes the self-contained HTML.
        """
        source = (self.folder / f"{self.id}.svg").as_posix()
        title = self.title if self.title[-1] in ".?!" else f"{self.title}."
        colons = ":" * max(3, 1 + max(map(len, re.findall(":+", self.caption)), default=0))
        myst = (
            f"{colons}{{figure}} {source}\n:name: fig-{self.id}\n"
            f":alt: {json.dumps(self.alt, ensure_ascii=False)}\n\n"
            f"**{title}** {self.caption}\n{colons}"
        )
        png = base64.b64encode((self.folder / f"{self.id}.png").read_bytes()).decode()
        live = (
            f'<figure><img src="data:image/png;base64,{png}" alt="{html.escape(self.alt)}" '
            f'style="max-width:100%"><figcaption><b>{html.escape(title)}</b> '
            f"{html.escape(self.caption)}</figcaption></figure>"
        )
        book = {"text/markdown": myst} if "COMPANION_NOTEBOOK" in os.environ else {}
        return {**book, "text/html": live, "text/plain": self.alt}


def save(
    fig: Figure,
    id: str,
    *,
    title: str,
    caption: str,
    alt: str,
    data: pd.DataFrame,
    root: Path | str = "figures",
    source: str | None = None,
) -> SavedFigure:
    """Write a figure as SVG (light and dark), PDF and PNG, its data, and its sidecar.

    The same figure gives the same bytes on every run: no dates, a fixed salt for SVG ids. The
    sidecar ``<id>.json`` holds title, caption, alt text, licence, BibTeX, the notebook, cell and
    commit that made it, and the sha256 of each file.

    Args:
        fig: drawn inside :func:`companion.figures.style`.
        id: lower-case words joined by hyphens; the files and the anchor ``fig-<id>`` carry it.
        title: short name for lists and citations.
        caption: Markdown.
        alt: what the figure shows, in words.
        data: the numbers drawn, one row an observation.
        root: the folder that gets ``<id>/``.
        source: file and line of the function that drew it, if it is one of the package.

    Raises:
        ValueError: for an id of another form, an empty text, or an empty table.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
        raise ValueError(f"id: lower-case words joined by hyphens, not {id!r}")
    for name, text in {"title": title, "caption": caption, "alt": alt}.items():
        if not text.strip():
            raise ValueError(f"{name}: empty for figure {id!r}")
    if data.empty:
        raise ValueError(f"data: no rows for figure {id!r}")
    folder = Path(root) / id
    folder.mkdir(parents=True, exist_ok=True)
    files = _render(fig) | {"csv": data.to_csv(index=False, float_format="%.10g").encode()}
    names = {suffix: f"{id}{suffix if suffix[0] == '-' else '.' + suffix}" for suffix in files}
    for suffix, content in files.items():
        (folder / names[suffix]).write_bytes(content)
    alt = " ".join(alt.split())
    sidecar = {
        "id": id,
        "title": title,
        "caption": caption,
        "alt": alt,
        "licence": LICENCE,
        **_origin(),
        **({"source": source} if source else {}),
        "bibtex": _bibtex(id, title),
        "sha256": {
            names[suffix]: hashlib.sha256(content).hexdigest() for suffix, content in files.items()
        },
    }
    (folder / f"{id}.json").write_text(json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n")
    return SavedFigure(id, folder, title, caption, alt)


def _render(fig: Figure) -> dict[str, bytes]:
    """File suffix -> bytes; the SVGs leave the page's background through."""
    files = {}
    with style():
        # Equal axes get their place after the first drawing; then it is the same in all formats.
        fig.draw_without_rendering()
        fig.set_layout_engine("none")
        for kind, metadata in _NO_DATES.items():
            buffer = io.BytesIO()
            transparent = kind == "svg"
            fig.savefig(buffer, format=kind, metadata=metadata, transparent=transparent)
            files[kind] = buffer.getvalue()
    # Our palette is known, so a dark twin is the same drawing with the colours swapped.
    colours = re.compile("|".join(DARK))
    dark = colours.sub(lambda found: DARK[found.group()], files["svg"].decode())
    files["-dark.svg"] = dark.encode()
    return files


def _origin() -> dict[str, str | int | None]:
    """Who made the figure; the build names commit and notebook, IPython counts the cells."""
    shell = get_ipython()
    return {
        "commit": os.environ.get("COMPANION_COMMIT"),
        "notebook": os.environ.get("COMPANION_NOTEBOOK"),
        "cell": shell.execution_count if shell else None,
    }


# What BibTeX and TeX read as commands, outside of mathematics.
_TEX = {
    "\\": r"{\textbackslash}",
    "{": r"{\textbraceleft}",
    "}": r"{\textbraceright}",
    "~": r"{\textasciitilde}",
    "^": r"{\textasciicircum}",
    "$": r"{\textdollar}",
} | {character: f"\\{character}" for character in "&%#_"}
_MATH = re.compile(r"(\$[^$]+\$)")


def _tex(text: str) -> str:
    """``text`` for a BibTeX field: mathematics whose braces pair stays, all else means itself."""
    parts = _MATH.split(" ".join(text.split()))
    for place, part in enumerate(parts):
        if not (place % 2 and _paired(part)):
            parts[place] = "".join(_TEX.get(character, character) for character in part)
    return "".join(parts)


def _paired(text: str) -> bool:
    """Whether every brace has its partner, as BibTeX counts: those behind a backslash, too."""
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


def _bibtex(id: str, title: str) -> str:
    """BibTeX entry for one figure, dated by its commit where the build says so."""
    year = os.environ.get("COMPANION_YEAR", time.gmtime().tm_year)
    commit = os.environ.get("COMPANION_COMMIT", "uncommitted")
    lines = {
        "title": f"{{{_tex(title)}}}",
        "author": "{{The Policy Cliff companion contributors}}",
        "year": f"{{{year}}}",
        "note": f"{{Figure {id}, The Policy Cliff: a companion, commit {commit}. CC BY 4.0}}",
    }
    body = ",\n".join(f"  {key} = {value}" for key, value in lines.items())
    return f"@misc{{policy-cliff-{id},\n{body}\n}}\n"
