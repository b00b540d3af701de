"""The checkout a book is built in: its folders, its chapters and what git says about them."""

import ast
import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import jupytext
from nbformat import NotebookNode

from companion.errors import CompanionError
from companion.publish.checksums import sha256
from companion.publish.imports import Package
from companion.strict_yaml import read_yaml

PACKAGE = Path(__file__).parents[1]
UNCOMMITTED = "+uncommitted"
UNKNOWN = "unknown"
# What makes an execution out of a notebook, besides what the notebook imports.
EXECUTION = ("environment.py", "execute.py", "normalise.py", "toggles.py", "worker.py")


@dataclass(frozen=True)
class Commit:
    """What names a chapter's inputs in git.

    Attributes:
        name: hash, marked if the inputs differ from it; ``unknown`` without git.
        year: of the commit; of today without git.
    """

    name: str
    year: int


@dataclass(frozen=True)
class Project:
    """A checkout of the book, by its root folder, as it is when first asked."""

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
    def own(self) -> Path:
        """What the build keeps for itself: cache, lock, third-party files; never committed."""
        return self.root / ".companion"

    @property
    def node_modules(self) -> Path:
        """Third-party JavaScript, styles and fonts, as npm laid them."""
        return self.root / "node_modules"

    @property
    def vendor(self) -> Path:
        """The part of ``node_modules`` that the site serves."""
        return self.own / "vendor"

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

    @cached_property
    def package(self) -> Package:
        """The package that chapters import."""
        return Package(PACKAGE)

    @cached_property
    def data_files(self) -> dict[str, Path]:
        """Path below ``data/`` -> file, for all recorded data."""
        files = sorted(path for path in self.data.rglob("*") if path.is_file())
        return {path.relative_to(self.data).as_posix(): path for path in files}

    @cached_property
    def _sums(self) -> dict[Path, str]:
        return {}

    def sums(self, files: Sequence[Path]) -> dict[str, str]:
        """Name of each file, below the package or the root -> sha256; each file is read once."""
        named = {}
        for file in files:
            base = PACKAGE.parent if file.is_relative_to(PACKAGE) else self.root
            if file not in self._sums:
                self._sums[file] = sha256(file)
            named[file.relative_to(base).as_posix()] = self._sums[file]
        return named

    def git(self, *arguments: str) -> str | None:
        """Output of a git command in this checkout, or None where git has no answer.

        It speaks of this checkout alone: not of one around it or one that the environment names,
        and also where another user owns the files.
        """
        root = self.root.resolve()
        outside = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        own = {"GIT_CEILING_DIRECTORIES": str(root.parent), "LC_ALL": "C"}
        trust = ["-c", f"safe.directory={root}"]
        try:
            done = subprocess.run(
                ["git", *trust, "-C", str(root), *arguments],
                env=outside | own,
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
            )
        except FileNotFoundError:
            return None
        return done.stdout.strip("\n") if done.returncode == 0 else None

    @cached_property
    def _history(self) -> dict[str, tuple[int, str, int]]:
        """Path -> when it last changed on the main line: rank (0: newest), commit, time."""
        log = self.git(
            "log", "--first-parent", "-m", "--name-only", "--no-renames", "--no-show-signature",
            "-z", "--format=%x01%H %ct%x00",
        )  # fmt: skip
        history: dict[str, tuple[int, str, int]] = {}
        for rank, entry in enumerate((log or "").split("\x01")[1:]):
            head, *paths = entry.split("\0")
            commit, seconds = head.split()
            for path in paths:
                history.setdefault(path.strip("\n"), (rank, commit, int(seconds)))
        return history

    @cached_property
    def _changed(self) -> set[str]:
        """Paths that differ from the checked-out commit, new ones included."""
        status = self.git("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
        return {entry[3:] for entry in (status or "").split("\0")}  # XY, space, path

    def commit_of(self, files: Sequence[Path]) -> Commit:
        """The commit that holds ``files`` as they are, marked if they differ from it.

        It is the newest one on the main line that changed any of them.
        """
        root = self.root.resolve()
        paths = [file.resolve() for file in files]
        inside = [p.relative_to(root).as_posix() for p in paths if p.is_relative_to(root)]
        known = [self._history[path] for path in inside if path in self._history]
        if not known:
            return Commit(UNKNOWN, time.gmtime().tm_year)
        _, name, seconds = min(known)
        if len(known) < len(inside) or not self._changed.isdisjoint(inside):
            name += UNCOMMITTED
        return Commit(name, time.gmtime(seconds).tm_year)

    @cached_property
    def dates(self) -> dict[str, str]:
        """Environment that gives every written file the date of the checked-out commit."""
        seconds = self.git("log", "-1", "--no-show-signature", "--format=%ct")
        return {"SOURCE_DATE_EPOCH": seconds} if seconds else {}

    @cached_property
    def repository(self) -> str | None:
        """Web address of the public repository, from CI's environment or the git remote."""
        server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
        if server and name:
            return f"{server}/{name}"
        remote = self.git("remote", "get-url", "origin") or ""
        remote = remote.removesuffix(".git").replace("git@github.com:", "https://github.com/")
        return remote if remote.startswith("https://github.com/") else None

    @property
    def address(self) -> str | None:
        """Web address of the published book with a slash at its end: the repository's own pages."""
        if not (self.repository or "").startswith("https://github.com/"):
            return None
        owner, name = str(self.repository).split("/")[-2:]
        home = f"{owner.lower()}.github.io"
        return f"https://{home}/" if name.lower() == home else f"https://{home}/{name}/"


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
            CompanionError: if the file is not a MyST notebook with a mapping as front matter.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise CompanionError(f"{self.source}: not UTF-8: {error}") from None
        front = read_yaml(_front_matter(text), f"{self.source}: front matter")
        if not isinstance(front, dict | None):
            raise CompanionError(f"{self.source}: front matter: not a mapping")
        try:
            json.dumps(front)  # as a notebook keeps it
        except (TypeError, ValueError, RecursionError) as error:
            raise CompanionError(f"{self.source}: front matter: {error}") from None
        try:
            return jupytext.reads(text, fmt="md:myst")
        except Exception as error:
            reason = " ".join(str(error).split())
            raise CompanionError(f"{self.source}: not a MyST notebook: {reason}") from error

    @property
    def code(self) -> list[str]:
        """Sources of the code cells."""
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Names assigned in the cell tagged ``parameters``, with their values where literal.

        Raises:
            CompanionError: if the cell is not Python.
        """
        cells = [c for c in self.notebook.cells if "parameters" in c.metadata.get("tags", [])]
        assigned: dict[str, Any] = {}
        for cell in cells:
            try:
                body = ast.parse(cell.source).body
            except (SyntaxError, ValueError) as error:
                raise CompanionError(f"{self.source}: parameters cell: {error}") from None
            for statement in body:
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    assigned |= _assigned(statement)
        return assigned

    @cached_property
    def data_patterns(self) -> list[str]:
        """What the chapter's front matter declares under ``companion: data:``.

        Raises:
            CompanionError: if that is anything but a list of names or patterns.
        """
        own = self.notebook.metadata.get("companion", {})
        patterns = own.get("data") if isinstance(own, dict) else None
        if isinstance(own, dict) and "data" not in own:
            return []
        if not isinstance(patterns, list) or not patterns:
            raise CompanionError(f"{self.source}: front matter: companion: data: must be a list")
        if not all(isinstance(pattern, str) and pattern for pattern in patterns):
            raise CompanionError(f"{self.source}: front matter: companion: data: names only")
        return list(patterns)

    def data_files(self) -> list[Path]:
        """The declared data files.

        Raises:
            CompanionError: if a declared name or pattern matches no file.
        """
        files = self.project.data_files
        chosen: dict[str, Path] = {}
        for pattern in self.data_patterns:
            matching = {name: file for name, file in files.items() if fnmatch(name, pattern)}
            if not matching:
                raise CompanionError(f"{self.source}: data/{pattern}: no such file")
            chosen |= matching
        return [chosen[name] for name in sorted(chosen)]

    def inputs(self) -> list[Path]:
        """Every file that the executed chapter depends on."""
        imported = self.project.package.reached(self.code)
        execution = [PACKAGE / "publish" / name for name in EXECUTION]
        also = [self.project.root / "constraints.txt"]
        if PACKAGE / "contents.py" in imported:  # which reads it
            also.append(self.project.root / "_toc.yml")
        return [self.path, *imported, *execution, *self.data_files(), *also]

    @cached_property
    def commit(self) -> Commit:
        """The commit that holds the chapter's inputs as they are."""
        return self.project.commit_of(self.inputs())


def _front_matter(text: str) -> str:
    """The YAML between the first line ``---`` and the next; empty if the text has none."""
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != "---":
        return ""
    end = next((i for i, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), len(lines))
    return "\n".join(lines[1:end])


def _assigned(statement: ast.Assign | ast.AnnAssign) -> dict[str, Any]:
    """Names that a statement assigns -> their value, None where it is not a literal."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    try:
        value = ast.literal_eval(statement.value) if statement.value else None
    except (ValueError, TypeError):
        value = None
    return {target.id: value for target in targets if isinstance(target, ast.Name)}
