"""The figure kit: one style, one save(), and a mark for functions that draw."""

from companion.figures.drawing import Drawing, FigureEntry, figure
from companion.figures.kit import SavedFigure, save
from companion.figures.style import COLOURS, on_slide, slide_style, style

__all__ = [
    "COLOURS",
    "Drawing",
    "FigureEntry",
    "SavedFigure",
    "figure",
    "on_slide",
    "save",
    "slide_style",
    "style",
]
