"""The checkout a book is built in: its folders, its chapters and what git says about them."""

import ast
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from companion.errors import CompanionError

PACKAGE = Path(__file__).parents[1]
UNCOMMITTED = "+uncommitted"


@dataclass(frozen=True)
class Project:
    """A checkout of the book, by its root folder."""

    root: Path

    @classmethod
    def here(cls) -> "Project":
        """The project that the working directory lies in.

        Raises:
            CompanionError: if neither it nor a folder above holds ``_config.yml`` and ``_toc.yml``.
        """
        cwd = Path.cwd()
        for folder in (cwd, *cwd.parents):
            if (folder / "_config.yml").exists() and (folder / "_toc.yml").exists():
                return cls(folder)
        raise CompanionError(f"{cwd}: no _config.yml and _toc.yml here or above; run in a checkout")

    @property
    def book(self) -> Path:
        """Pages without code, and below ``chapters`` the executed notebooks."""
        return self.root / "book"

    @property
    def executed(self) -> Path:
        """Where the site reads executed notebooks and their figures; generated, never committed."""
        return self.book / "chapters"

    @property
    def data(self) -> Path:
        """The recorded data."""
        return self.root / "data"

    @property
    def html(self) -> Path:
        """The finished site."""
        return self.root / "_build" / "html"

    @property
    def node_modules(self) -> Path:
        """Third-party JavaScript, styles and fonts, as npm laid them."""
        return self.root / "node_modules"

    @property
    def vendor(self) -> Path:
        """The part of ``node_modules`` that the site serves."""
        return self.root / ".companion" / "vendor"

    def chapters(self, names: Sequence[str] = ()) -> list["Chapter"]:
        """The notebooks called ``names`` (all if empty), chapters in the order of their numbers.

        Raises:
            CompanionError: for a name without a notebook.
        """
        known = {path.stem: path for path in sorted((self.root / "notebooks").glob("*.md"))}
        for name in names:
            if name not in known:
                listing = ", ".join(known) or "none"
                raise CompanionError(f"unknown chapter {name!r}; notebooks/ holds {listing}")
        return [Chapter(self, known[name]) for name in known if not names or name in names]

    def git(self, *arguments: str) -> str | None:
        """Output of a git command in this checkout, or None where git has no answer."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), *arguments], capture_output=True, text=True
            )
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    @cached_property
    def dates(self) -> dict[str, str]:
        """Environment that gives every written file the date of the checked-out commit."""
        time = self.git("log", "-1", "--format=%ct")
        return {"SOURCE_DATE_EPOCH": time} if time else {}

    @cached_property
    def repository(self) -> str | None:
        """Web address of the public repository, from CI's environment or the git remote."""
        server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
        if server and name:
            return f"{server}/{name}"
        remote = self.git("remote", "get-url", "origin") or ""
        remote = remote.removesuffix(".git").replace("git@github.com:", "https://github.com/")
        return remote if remote.startswith("https://github.com/") else None


@dataclass(frozen=True)
class Chapter:
    """One text notebook, ``notebooks/NN_name.md``."""

    project: Project
    path: Path

    @property
    def name(self) -> str:
        """``NN_name``."""
        return self.path.stem

    @property
    def source(self) -> str:
        """Path relative to the checkout, as sidecars and messages give it."""
        return self.path.relative_to(self.project.root).as_posix()

    @cached_property
    def notebook(self) -> NotebookNode:
        """The unexecuted notebook.

        Raises:
            CompanionError: if jupytext cannot read the file.
        """
        try:
            return jupytext.read(self.path, fmt="md:myst")
        except Exception as error:
            raise CompanionError(f"{self.source}: not a MyST notebook: {error}") from error

    @property
    def parameters(self) -> set[str]:
        """Names assigned in the cell tagged ``parameters``."""
        cells = [c for c in self.notebook.cells if "parameters" in c.metadata.get("tags", [])]
        assigned: set[str] = set()
        for statement in (s for cell in cells for s in ast.parse(cell.source).body):
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            if isinstance(statement, ast.AnnAssign):
                targets = [statement.target]
            assigned |= {target.id for target in targets if isinstance(target, ast.Name)}
        return assigned

    @property
    def data_patterns(self) -> list[str]:
        """What the chapter's front matter declares under ``companion: data:``."""
        return list(self.notebook.metadata.get("companion", {}).get("data", []))

    def data_files(self) -> list[Path]:
        """The declared data files.

        Raises:
            CompanionError: if a declared name or pattern matches no file.
        """
        root = self.project.data
        files = sorted(path for path in root.rglob("*") if path.is_file())
        chosen: set[Path] = set()
        for pattern in self.data_patterns:
            matching = [f for f in files if fnmatch(f.relative_to(root).as_posix(), pattern)]
            if not matching:
                raise CompanionError(f"{self.source}: data/{pattern}: no such file")
            chosen.update(matching)
        return sorted(chosen)

    def inputs(self) -> list[Path]:
        """Every file that the executed chapter depends on."""
        package = [p for p in sorted(PACKAGE.rglob("*")) if p.is_file() and p.suffix != ".pyc"]
        return [self.path, *package, *self.data_files(), self.project.root / "constraints.txt"]

    @cached_property
    def commit(self) -> str:
        """The commit that holds the chapter's inputs as they are, marked if they differ from it."""
        root = self.project.root
        own = [path for path in self.inputs() if PACKAGE not in path.parents]
        paths = [str(path) for path in own]
        if PACKAGE.is_relative_to(root):
            paths.append(str(PACKAGE))
        commit = self.project.git("log", "-1", "--format=%H", "--", *paths)
        if not commit:
            return "unknown"
        changed = self.project.git("status", "--porcelain", "--", *paths)
        return commit + UNCOMMITTED if changed else commit
