"""The content-addressed cache of executed chapters."""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.publish.checksums import checksums, combined, difference, sha256
from companion.publish.environment import machine
from companion.publish.project import Chapter, Project

NOTEBOOK = "notebook.ipynb"
FIGURES = "figures"
SUMS = "checksums.json"
# Stand in an executed chapter for what git says of it, which is known when it is placed: the same
# content may be committed later, or again under another name.
COMMIT = "COMMIT-OF-THIS-CHAPTER"
YEAR = "YEAR-OF-THIS-CHAPTER"


def chapter_key(chapter: Chapter, parameters: Mapping[str, Any]) -> str:
    """Key of a chapter's execution: all that it rests on, and nothing else."""
    return combined(
        files=chapter.project.sums(chapter.inputs()),
        parameters=dict(parameters),
        address=chapter.project.address,
        machine=machine(),
    )


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

    def entry(self, key: str, name: str) -> Path | None:
        """Folder of the executed chapter ``name``, or None if it has to be executed.

        What is not as it was stored is dropped with a line on standard error.
        """
        folder = self.folder / key
        if not folder.exists():
            return None
        found = checksums(folder)
        found.pop(SUMS, None)
        try:
            problem = difference(json.loads((folder / SUMS).read_text()), found)
        except (OSError, ValueError, AttributeError, TypeError):
            problem = f"{SUMS} cannot be read"
        if problem is None:
            return folder
        print(f"{name}: cache {folder}: {problem}; executing again", file=sys.stderr)
        shutil.rmtree(folder)
        return None

    def store(self, key: str, notebook: Path, figures: Path) -> Path:
        """Keep an executed notebook and its figures; whole or not at all."""
        target = self.folder / key
        staging = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            if figures.is_dir():
                shutil.copytree(figures, staging / FIGURES)
            shutil.copy(notebook, staging / NOTEBOOK)
            (staging / SUMS).write_text(json.dumps(checksums(staging), indent=1))
            if not target.exists():  # else another build was quicker
                staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target


def figure_problem(figures: Path) -> str | None:
    """What is wrong with the first figure that its own sidecar contradicts; None if all are right.

    Args:
        figures: folder with one folder a figure, each with a sidecar of its name.
    """
    for folder in sorted(figures.iterdir()) if figures.is_dir() else ():
        sidecar = folder / f"{folder.name}.json"
        if not sidecar.is_file():
            return f"{FIGURES}/{folder.name}: no sidecar {sidecar.name}"
        recorded = json.loads(sidecar.read_text(encoding="utf-8")).get("sha256", {})
        found = {file.name: sha256(file) for file in folder.iterdir() if file != sidecar}
        problem = difference(recorded, found)
        if problem:
            return f"{FIGURES}/{folder.name}: {problem}"
    return None


def place(project: Project, chapter: Chapter, entry: Path) -> None:
    """Put a cached chapter where the site reads it, with the commit that holds its inputs now."""
    project.executed.mkdir(parents=True, exist_ok=True)
    _copy_named(entry / NOTEBOOK, project.executed / f"{chapter.name}.ipynb", chapter)
    if (entry / FIGURES).is_dir():
        for folder in sorted((entry / FIGURES).iterdir()):
            target = project.executed / FIGURES / folder.name
            shutil.copytree(folder, target, dirs_exist_ok=True)
            sidecar = f"{folder.name}.json"
            _copy_named(folder / sidecar, target / sidecar, chapter)


def _copy_named(source: Path, target: Path, chapter: Chapter) -> None:
    text = source.read_text(encoding="utf-8")
    text = text.replace(COMMIT, chapter.commit.name).replace(YEAR, str(chapter.commit.year))
    target.write_text(text, encoding="utf-8", newline="\n")
