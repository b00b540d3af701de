"""The figure kit: one style, one save()."""

from companion.figures.kit import SavedFigure, save
from companion.figures.style import COLOURS, style

__all__ = ["COLOURS", "SavedFigure", "save", "style"]
