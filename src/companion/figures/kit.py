"""Writing a figure with everything needed to show, check, reuse and cite it."""

import base64
import hashlib
import html
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from IPython.core.getipython import get_ipython
from matplotlib.figure import Figure

from companion.figures import citing, faults, slides
from companion.figures.formats import LICENCE, dark, render, settle
from companion.figures.style import slide_style, style


@dataclass(frozen=True)
class SavedFigure:
    """A figure on disk; as the last value of a notebook cell it shows itself.

    Attributes:
        id: name of the figure, of its folder and of its files.
        folder: where the files lie: ``<id>.svg``, ``.pdf`` and ``.png``, each also as
            ``<id>-dark``, ``<id>-slide`` and ``<id>-slide-dark``; ``<id>.csv`` and the sidecar
            ``<id>.json``.
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
    slide: Figure | None = None,
    rests_on: Sequence[str] = (),
    family: str = "theory",
    root: Path | str = "figures",
    source: str | None = None,
) -> SavedFigure:
    """Write a figure as SVG, PDF and PNG, light and dark, as a slide, its data, and its sidecar.

    The same figure gives the same bytes on every run: no dates, a fixed salt for SVG ids. The
    sidecar ``<id>.json`` holds title, caption, alt text, licence, BibTeX, the notebook, cell and
    commit that made it, the sha256 of each file, and what a reader would miss: artists that leave
    the canvas, type of a slide under 20 pt.

    Args:
        fig: drawn inside :func:`companion.figures.style`.
        id: lower-case words joined by hyphens; the files and the anchor ``fig-<id>`` carry it.
        title: the message: title of the slide, name in lists and citations.
        caption: Markdown.
        alt: what the figure shows, in words.
        data: the numbers drawn, one row an observation.
        slide: the same, drawn inside :func:`companion.figures.slide_style`; without it there are
            no slides.
        rests_on: names of the results it shows, such as ``prop_2_10``.
        family: of tasks that its models were trained on, or ``theory``.
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
    files, missed = _on_page(fig, title)
    if slide is not None:
        as_slide, also_missed = _on_slide(slide, title, id)
        files, missed = files | as_slide, missed + also_missed
    files[".csv"] = data.to_csv(index=False, float_format="%.10g").encode()
    for suffix, content in files.items():
        (folder / f"{id}{suffix}").write_bytes(content)
    alt, dated = " ".join(alt.split()), _dated()
    sidecar = {
        "id": id,
        "title": title,
        "caption": caption,
        "alt": alt,
        "licence": LICENCE,
        "rests_on": list(rests_on),
        "family": family,
        **_origin(),
        "year": dated["year"],
        **({"source": source} if source else {}),
        "bibtex": citing.figure_bibtex(id, title, **dated),
        "missed": missed,
        "sha256": {
            f"{id}{suffix}": hashlib.sha256(content).hexdigest()
            for suffix, content in files.items()
        },
    }
    (folder / f"{id}.json").write_text(json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n")
    return SavedFigure(id, folder, title, caption, alt)


def _on_page(fig: Figure, title: str) -> tuple[dict[str, bytes], list[str]]:
    """End of each file's name -> content, and what a reader would miss."""
    with style():
        settle(fig)
        missed = faults.missed(fig)
        return _light_and_dark(fig, title, "", clear=True), missed


def _on_slide(fig: Figure, title: str, id: str) -> tuple[dict[str, bytes], list[str]]:
    """End of each file's name -> content, and what a listener would miss."""
    with slide_style(), style():
        slides.compose(fig, title, citing.attribution(id, url=os.environ.get("COMPANION_URL")))
        small = faults.small_type(fig, slides.SMALLEST_PT, slides.ATTRIBUTION)
        missed = [f"slide: {fault}" for fault in [*faults.missed(fig), *small]]
        return _light_and_dark(fig, title, "-slide"), missed


def _light_and_dark(fig: Figure, title: str, version: str, clear: bool = False) -> dict[str, bytes]:
    light = render(fig, title, clear)
    with dark(fig):
        twin = render(fig, title, clear)
    return {
        f"{version}{theme}.{kind}": content
        for theme, files in (("", light), ("-dark", twin))
        for kind, content in files.items()
    }


def _origin() -> dict[str, str | int | None]:
    """Who made the figure; the build names commit and notebook, IPython counts the cells."""
    shell = get_ipython()
    return {
        "commit": os.environ.get("COMPANION_COMMIT"),
        "notebook": os.environ.get("COMPANION_NOTEBOOK"),
        "cell": shell.execution_count if shell else None,
    }


def _dated() -> dict[str, str]:
    """Year and commit for a citation, as the build says."""
    return {
        "year": os.environ.get("COMPANION_YEAR", str(time.gmtime().tm_year)),
        "commit": os.environ.get("COMPANION_COMMIT", "uncommitted"),
    }
