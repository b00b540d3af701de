"""The content-addressed cache of executed chapters, and the hashing it shares with the site."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.publish.project import PACKAGE, UNCOMMITTED, Chapter, Project

NOTEBOOK = "notebook.ipynb"
FIGURES = "figures"


def hash_files(root: Path, files: Iterable[Path], *extra: str) -> str:
    """sha256 over ``extra``, and over each file's path (in ``root`` or the package) and bytes."""
    digest = hashlib.sha256("\0".join(extra).encode())
    for path in files:
        base = PACKAGE if path.is_relative_to(PACKAGE) else root
        digest.update(f"\0{path.relative_to(base).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def chapter_key(chapter: Chapter, parameters: Mapping[str, Any]) -> str:
    """Key of a chapter's execution.

    An execution from uncommitted files is not reused once they are committed: its figures would
    name a commit that does not hold what made them.
    """
    dirty = UNCOMMITTED if chapter.commit.endswith(UNCOMMITTED) else ""
    given = json.dumps(dict(parameters), sort_keys=True)
    return hash_files(chapter.project.root, chapter.inputs(), given, dirty)


class Cache:
    """Executed notebooks with their figures, one folder a key."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``, made if missing.

        Raises:
            CompanionError: if it cannot be written.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise CompanionError(f"cache {folder}: cannot write: {error.strerror}") from error

    def entry(self, key: str) -> Path | None:
        """Folder of the executed chapter, or None if it has to be executed."""
        folder = self.folder / key
        return folder if (folder / NOTEBOOK).exists() else None

    def store(self, key: str, notebook: Path, figures: Path) -> Path:
        """Keep an executed notebook and its figures; whole or not at all."""
        staging = Path(tempfile.mkdtemp(dir=self.folder))
        if figures.is_dir():
            shutil.copytree(figures, staging / FIGURES)
        shutil.copy(notebook, staging / NOTEBOOK)
        target = self.folder / key
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
        return target


def place(project: Project, chapter: Chapter, entry: Path) -> None:
    """Put a cached chapter where the site reads it."""
    project.executed.mkdir(parents=True, exist_ok=True)
    shutil.copy(entry / NOTEBOOK, project.executed / f"{chapter.name}.ipynb")
    if (entry / FIGURES).is_dir():
        for folder in sorted((entry / FIGURES).iterdir()):
            target = project.executed / FIGURES / folder.name
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(folder, target)
