"""Every study of this package, and every figure that a study or a chapter draws.

A study is a module of ``companion.studies`` with a ``STUDY``; it may hold ``CLAIMS`` and functions
marked as ``@figure``.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from types import ModuleType
from typing import ParamSpec

import pandas as pd
from matplotlib.figure import Figure

import companion
from companion.errors import CompanionError
from companion.figures import SavedFigure, save
from companion.studies.study import Study

P = ParamSpec("P")
_PACKAGE = Path(companion.__file__).parent


@dataclass(frozen=True)
class Drawing:
    """What a figure function returns: see ``companion.figures.save`` for the fields."""

    figure: Figure
    title: str
    caption: str
    alt: str
    data: pd.DataFrame


@dataclass(frozen=True)
class FigureEntry:
    """A figure and what it rests on.

    Attributes:
        id: of the figure.
        rests_on: names of results, such as ``prop_2_10``.
        function: that draws it, as a chapter calls it: ``cliff.trained``.
        source: file and line of that function, as ``src/companion/studies/cliff.py#L120``.
    """

    id: str
    rests_on: tuple[str, ...]
    function: str
    source: str


_FIGURES: dict[str, FigureEntry] = {}


def figure(
    id: str, rests_on: tuple[str, ...]
) -> Callable[[Callable[P, Drawing]], Callable[P, SavedFigure]]:
    """Mark a function that draws: calling it saves the figure, and the registry lists it.

    Args:
        id: see ``companion.figures.save``.
        rests_on: names of the results it shows, such as ``("prop_2_10",)``.
    """

    def mark(draw: Callable[P, Drawing]) -> Callable[P, SavedFigure]:
        file = Path(inspect.getsourcefile(draw) or "").relative_to(_PACKAGE)
        source = f"src/companion/{file.as_posix()}#L{inspect.getsourcelines(draw)[1]}"
        function = f"{file.stem}.{draw.__name__}"
        _FIGURES[id] = FigureEntry(id, rests_on, function, source)

        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> SavedFigure:
            done = draw(*args, **kwargs)
            return save(
                done.figure,
                id,
                title=done.title,
                caption=done.caption,
                alt=done.alt,
                data=done.data,
                source=source,
            )

        return drawn

    return mark


@cache
def modules() -> dict[str, ModuleType]:
    """The modules that hold a study, by name of the study, in the order of chapters."""
    package = importlib.import_module("companion.studies")
    loaded = [
        importlib.import_module(f"companion.studies.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    with_study = [module for module in loaded if isinstance(vars(module).get("STUDY"), Study)]
    with_study.sort(key=lambda module: (module.STUDY.chapter, module.STUDY.name))
    return {module.STUDY.name: module for module in with_study}


def find(name: str) -> Study:
    """The study of that name.

    Raises:
        CompanionError: if there is none.
    """
    return module_of(name).STUDY


def module_of(name: str) -> ModuleType:
    """The module of the study of that name.

    Raises:
        CompanionError: if there is none.
    """
    if name not in modules():
        raise CompanionError(f"no study {name!r}, only {', '.join(modules())}")
    return modules()[name]


def figures() -> dict[str, FigureEntry]:
    """The figures of all studies by id."""
    modules()
    return dict(_FIGURES)
