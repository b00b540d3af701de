"""Explorers that compute in the browser, so that they work on a static page without a kernel."""

from companion.widgets.cliff import CliffExplorer
from companion.widgets.geometry import GeometryExplorer
from companion.widgets.normaliser import NormaliserExplorer
from companion.widgets.router import RouterExplorer
from companion.widgets.runs import RunsExplorer
from companion.widgets.scores import ScoresExplorer

__all__ = [
    "CliffExplorer",
    "GeometryExplorer",
    "NormaliserExplorer",
    "RouterExplorer",
    "RunsExplorer",
    "ScoresExplorer",
]
