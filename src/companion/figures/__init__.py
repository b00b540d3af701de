"""The figure kit: one style, one save(), and a mark for functions that draw."""

from companion.figures.drawing import Drawing, FigureEntry, figure
from companion.figures.kit import SavedFigure, save
from companion.figures.style import COLOURS, slide_style, style

__all__ = [
    "COLOURS",
    "Drawing",
    "FigureEntry",
    "SavedFigure",
    "figure",
    "save",
    "slide_style",
    "style",
]
