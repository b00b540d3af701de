"""Every study of this package, and every figure that a study or a chapter draws.

A study is a module of ``companion.studies`` with a ``STUDY``; it may hold ``CLAIMS`` and functions
marked as ``@figure``.
"""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from companion import pictures
from companion.errors import CompanionError
from companion.figures import FigureEntry
from companion.figures.drawing import MARKED
from companion.studies.study import Study


@cache
def modules() -> dict[str, ModuleType]:
    """The modules that hold a study, by name of the study, in the order of chapters."""
    package = importlib.import_module("companion.studies")
    loaded = {
        found.name: importlib.import_module(f"companion.studies.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    }
    with_study = [
        module
        for name, module in loaded.items()
        if isinstance(study := vars(module).get("STUDY"), Study) and study.name == name
    ]
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
    """The figures of the book by id: those of studies, and pictures that rest on theory alone."""
    modules()
    for found in pkgutil.iter_modules(pictures.__path__):
        importlib.import_module(f"companion.pictures.{found.name}")
    return dict(MARKED)
