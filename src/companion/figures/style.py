"""One look for every figure: colour-blind safe, readable on a projector, in light and in dark."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from cycler import cycler
from matplotlib.font_manager import fontManager
from matplotlib.style import context

INK = "#1a1c22"
FAINT = "#8a8f9a"
GRID = "#d9dce2"
PAPER = "#ffffff"

# The palette of Okabe and Ito (2008), told apart by readers with any common colour blindness.
COLOURS = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#aa4499",
    "sky": "#56b4e9",
    "amber": "#e69f00",
    "ink": INK,
    "faint": FAINT,
}

# What each colour becomes on a dark page; others stay, so figures draw with these.
DARK = {
    INK: "#eceef2",
    FAINT: "#9aa0ac",
    GRID: "#3a3f49",
    PAPER: "#14181e",
    COLOURS["blue"]: "#4ba3dc",
    COLOURS["orange"]: "#f28a3c",
    COLOURS["green"]: "#2fc49a",
    COLOURS["purple"]: "#d486c6",
}

FONTS = Path(__file__).with_name("fonts")
"""Source Sans 3, in which the book sets what is not running text; OFL.md there is its licence."""

for _file in sorted(FONTS.glob("*.ttf")):
    fontManager.addfont(_file)
# before fonts of the same name that a machine may have: the same glyphs everywhere
fontManager.ttflist.sort(key=lambda font: Path(font.fname).parent != FONTS)

_RC: Any = {
    "figure.figsize": (9.0, 5.0),
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "font.family": ["Source Sans 3", "DejaVu Sans"],  # the second, of matplotlib, has every sign
    "font.size": 16,
    "mathtext.fontset": "custom",  # powers of ten on axes
    "mathtext.rm": "Source Sans 3",
    "mathtext.bf": "Source Sans 3:bold",
    "mathtext.it": "DejaVu Sans:italic",
    "mathtext.cal": "DejaVu Sans",  # its default is a family that few machines have
    "axes.titlesize": 17,
    "axes.titlelocation": "left",
    "axes.labelsize": 16,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 1.2,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.facecolor": "none",
    "axes.prop_cycle": cycler(
        color=[COLOURS[c] for c in ("blue", "orange", "green", "purple", "sky", "amber")]
    ),
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.9,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 15,
    "ytick.labelsize": 15,
    "lines.linewidth": 2.8,
    "lines.markersize": 9,
    "legend.frameon": False,
    "legend.fontsize": 14,
    "svg.fonttype": "path",
    "svg.hashsalt": "policy-cliff-companion",
    "pdf.fonttype": 42,
}

# On a slide, what differs: no type under 20 pt at 13.3 inches, lines and marks to match.
_SLIDE_RC: Any = {
    "savefig.dpi": 144,  # 1920 × 1080
    "font.size": 22,
    "axes.titlesize": 23,
    "axes.labelsize": 22,
    "xtick.labelsize": 21,
    "ytick.labelsize": 21,
    "xtick.major.pad": 9,  # the larger labels of both axes would meet in the corner
    "legend.fontsize": 21,
    "axes.linewidth": 1.6,
    "grid.linewidth": 1.2,
    "lines.linewidth": 3.6,
    "lines.markersize": 12,
}
_on_slide: ContextVar[bool] = ContextVar("on_slide", default=False)


def style() -> AbstractContextManager[None]:
    """Context in which figures are drawn: ``with style(): fig, ax = plt.subplots()``.

    It begins at matplotlib's own defaults, so that no setting of the user's reaches a figure.
    Inside :func:`slide_style` it is the style of slides.
    """
    return context(["default", _RC, _SLIDE_RC] if _on_slide.get() else ["default", _RC])


def on_slide() -> bool:
    """Whether a slide is being drawn, for what no larger type can make readable there."""
    return _on_slide.get()


@contextmanager
def slide_style() -> Iterator[None]:
    """Context in which :func:`style` is that of slides: a drawing function draws its slide there.

    Sizes that a function gives to type by number would not grow; give none, or by name (``large``).
    """
    token = _on_slide.set(True)
    try:
        yield
    finally:
        _on_slide.reset(token)
