"""Where the recorded data of the book lies: ``data/`` of a checkout or of the installed package."""

import os
from fnmatch import fnmatch
from pathlib import Path

from companion.errors import CompanionError

_PACKAGE = Path(__file__).parent
_ROOTS = (_PACKAGE / "_data", _PACKAGE.parents[1] / "data")


def data_path(name: str) -> Path:
    """Path of a recorded file or folder, such as ``paper/fig_o3_mini_coding.csv``.

    A chapter lists what it reads under ``companion: data:`` in its front matter, because the
    build's cache is keyed on it; while a chapter is built (the build sets ``COMPANION_DATA``),
    anything else is refused.

    Raises:
        CompanionError: if the file is missing, or not listed by the chapter being built.
    """
    declared = os.environ.get("COMPANION_DATA")
    if declared is not None and not any(fnmatch(name, p) for p in declared.split(os.pathsep)):
        raise CompanionError(f"data/{name}: not listed under 'companion: data:' in this chapter")
    for root in _ROOTS:
        if (root / name).exists():
            return root / name
    raise CompanionError(f"data/{name}: no such file")


def has_data(name: str) -> bool:
    """Whether there is a recorded file or folder of that name, which the chapter may not list."""
    return any((root / name).exists() for root in _ROOTS)
