"""All figures at once: as files, as a presentation, and as a Beamer document.

The same figures give the same bytes: no dates, and a fixed order.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pptx import Presentation
from pptx.enum.text import PP_ALIGN
from pptx.presentation import Presentation as Deck
from pptx.util import Inches, Pt

from companion.figures.citing import tex
from companion.figures.formats import AUTHOR, LICENCE
from companion.figures.slides import PICTURE, SIZE
from companion.publish.catalogue import FIGURES, Catalogue, Shown

ALL, DECK, BEAMER = "policy-cliff-figures.zip", "policy-cliff-figures.pptx", "beamer"
_LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)  # the first day that a zip file knows
_TITLE_ONLY = 5  # layout of python-pptx's own template
_README = f"""\
The figures of The Policy Cliff: a companion. {LICENCE},
https://creativecommons.org/licenses/by/4.0/

Each folder holds one figure as SVG, PDF and PNG, for light and for dark pages, the same as a slide
(16:9), its data as CSV, its BibTeX entry, and a sidecar (JSON) with title, caption, alternative
text and the commit that made it.
"""
_BEAMER = r"""% One frame a figure: take what you need. Compile with pdflatex, lualatex or xelatex.
\documentclass[aspectratio=169]{beamer}
\usepackage{graphicx}
\setbeamertemplate{navigation symbols}{}
% The slide's own picture, without the title and the attribution that are drawn on it.
\newcommand{\companionfigure}[2]{%
  \includegraphics[width=\textwidth,height=0.72\textheight,keepaspectratio,
    trim=<trim>,clip]{#1}\\[0.5ex]
  {\tiny #2}}
\title{<title>}
\author{<author>}
\date{}
\begin{document}
<frames>
\end{document}
"""
_FRAME = r"""
\begin{frame}{<title>}
  \centering
  \companionfigure{<file>}{<attribution>}
\end{frame}
"""


def write_all(catalogue: Catalogue, folder: Path) -> None:
    """Write the three into a folder of figures, each figure in a folder of its name.

    Figures without a version for slides are in the zip alone.
    """
    slides = [figure for figure in catalogue.figures if figure.slide]
    (folder / DECK).write_bytes(_presentation(slides, folder))
    files = {"README.txt": _README.encode()}
    for figure in catalogue.figures:
        for file in sorted((folder / figure.id).iterdir()):
            files[f"{figure.id}/{file.name}"] = file.read_bytes()
    (folder / ALL).write_bytes(_zipped(files))
    beamer = {f"{figure.id}.pdf": _slide(figure, folder, "pdf") for figure in slides}
    beamer["figures.tex"] = _document(catalogue.book.title, slides).encode()
    (folder / f"{BEAMER}.zip").write_bytes(_zipped({f"{BEAMER}/{n}": b for n, b in beamer.items()}))


def _slide(figure: Shown, folder: Path, kind: str) -> bytes:
    return (folder / figure.id / f"{figure.id}-slide.{kind}").read_bytes()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(_entry(name), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO.timetuple()[:6])
    entry.external_attr = 0o644 << 16
    entry.create_system = 3  # Unix, on whatever machine
    return entry


def _presentation(figures: Iterable[Shown], folder: Path) -> bytes:
    """A slide a figure: its message as the title, so that programs and screen readers find it."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(SIZE[0]), Inches(SIZE[1])
    about = deck.core_properties
    about.title, about.author, about.comments = FIGURES, AUTHOR, LICENCE
    about.created = about.modified = _LONG_AGO.replace(tzinfo=None)
    about.last_modified_by, about.revision = AUTHOR, 1
    for figure in figures:
        _add_slide(deck, figure, _slide(figure, folder, "png"))
    buffer = io.BytesIO()
    deck.save(buffer)
    return _undated(buffer.getvalue())


def _add_slide(deck: Deck, figure: Shown, png: bytes) -> None:
    slide: Any = deck.slides.add_slide(deck.slide_layouts[_TITLE_ONLY])
    width, height = Inches(SIZE[0]), Inches(SIZE[1])
    left, top = int(PICTURE.x0 * width), int((1 - PICTURE.y1) * height)
    wide, high = int(PICTURE.width * width), int(PICTURE.height * height)
    title = slide.shapes.title
    title.left, title.top, title.width, title.height = left, 0, wide, top
    title.text_frame.text = figure.title
    title.text_frame.word_wrap = True
    message = title.text_frame.paragraphs[0]
    message.alignment, message.font.size, message.font.bold = PP_ALIGN.LEFT, Pt(28), True
    picture = slide.shapes.add_picture(io.BytesIO(png), left, top, wide, high)
    picture.crop_left, picture.crop_right = PICTURE.x0, 1 - PICTURE.x1
    picture.crop_top, picture.crop_bottom = 1 - PICTURE.y1, PICTURE.y0
    picture.name = figure.id
    picture._element.nvPicPr.cNvPr.set("descr", figure.alt)  # python-pptx has no name for it
    below = int(0.06 * height)
    line = slide.shapes.add_textbox(left, height - below, wide, below)
    line.text_frame.text = figure.attribution
    line.text_frame.paragraphs[0].font.size = Pt(12)
    slide.notes_slide.notes_text_frame.text = f"{figure.alt}\n\n{figure.bibtex}"


def _undated(archive: bytes) -> bytes:
    """A zip file with the same entries in the same order, without the time of their writing."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(_entry(entry.filename), old.read(entry), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _document(title: str, figures: Iterable[Shown]) -> str:
    """The Beamer document: frames with the figures' messages as their titles."""
    points = 72
    lower_left = (PICTURE.x0 * SIZE[0] * points, PICTURE.y0 * SIZE[1] * points)
    upper_right = ((1 - PICTURE.x1) * SIZE[0] * points, (1 - PICTURE.y1) * SIZE[1] * points)
    trim = " ".join(f"{length:.1f}bp" for length in (*lower_left, *upper_right))
    frames = [
        _filled(
            _FRAME,
            title=_latex(figure.title),
            file=f"{figure.id}.pdf",
            attribution=_latex(figure.attribution),
        )
        for figure in figures
    ]
    return _filled(
        _BEAMER, trim=f"{trim}", title=_latex(title), author=AUTHOR, frames="".join(frames).strip()
    )


def _filled(template: str, **values: str) -> str:
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], template)


def _latex(text: str) -> str:
    """``text`` for any TeX: Greek letters and mathematical signs as commands."""
    return re.sub(
        r"[^\x00-\x7f]", lambda found: _SIGNS.get(found[0]) or _greek(found[0]), tex(text)
    )


_SIGNS = {"−": "$-$", "–": "--", "—": "---", "’": "'", "“": "``", "”": "''", "×": r"$\times$"}
_SIGNS |= {"≤": r"$\le$", "≥": r"$\ge$", "→": r"$\to$", "∞": r"$\infty$", "·": r"$\cdot$"}


def _greek(letter: str) -> str:
    """A Greek letter as its command; what is neither stays, for engines that know Unicode."""
    name = unicodedata.name(letter, "")
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if not found:
        return letter
    command = found[2].lower() if found[1] == "SMALL" else found[2].capitalize()
    return rf"$\{command}$"
