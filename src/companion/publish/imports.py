"""Which files of the package a notebook rests on, found by reading its imports.

The cache of executed chapters is keyed on these, so that a change re-executes the pages that it can
reach and no others. What cannot be told from the source counts as reached.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

_DYNAMIC = {"import_module", "__import__", "iter_modules", "walk_packages"}
_NOT_CODE = {"__pycache__", "_data"}


class Package:
    """The importable files below one folder.

    Attributes:
        folder: of the package; its name is the package's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reads = cache(self._reads_of)

    def reached(self, sources: Iterable[str], also: Iterable[str] = ()) -> list[Path]:
        """Every file that Python ``sources`` reach through imports, and what ``also`` reach.

        Args:
            sources: code of notebook cells; what does not parse reaches the whole package.
            also: names of modules that count in any case.
        """
        waiting = {name for source in sources for name in self._named_in(source, self.folder.name)}
        waiting |= set(also)
        modules: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in modules:
                continue
            modules.add(name)
            waiting |= self._reads(name)
        files = {self._file(name) for name in modules}
        for folder in {file.parent for file in files}:
            files.update(_resources(folder))
        return sorted(files)

    def _reads_of(self, module: str) -> set[str]:
        """Modules that a module imports, loads by name or mentions, and the packages it lies in."""
        file = self._file(module)
        own = module if file.name == "__init__.py" else module.rpartition(".")[0]
        return self._named_in(file.read_text(encoding="utf-8"), own) | set(_parents(module))

    def _named_in(self, source: str, package: str) -> set[str]:
        """Modules that ``source``, a part of ``package``, may import."""
        try:
            tree = ast.parse(_without_magics(source))
        except SyntaxError:
            return set(self._below(self.folder.name))
        found: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                found.update(_imported_from(node, package))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # a module run with -m, or a script beside this one
                found |= {node.value, f"{package}.{node.value.removesuffix('.py')}"}
                if node.value.endswith(".") and self._is_module(node.value[:-1]):
                    found.update(self._below(node.value[:-1]))  # f"companion.results.{name}"
            elif isinstance(node, ast.Name | ast.Attribute) and _name(node) in _DYNAMIC:
                found.update(self._below(package))
        known = {name for name in found if self._is_module(name)}
        return known | {parent for name in known for parent in _parents(name)}

    def _below(self, package: str) -> Iterator[str]:
        """Every module of a package and of those inside it."""
        top = self._file(package).parent
        for file in top.rglob("*.py"):
            parts = file.relative_to(self.folder.parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _file(self, module: str) -> Path:
        path = self.folder.parent.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def _is_module(self, name: str) -> bool:
        parts = name.split(".")
        if parts[0] != self.folder.name or not all(part.isidentifier() for part in parts):
            return False
        return self._file(name).is_file()


def _imported_from(node: ast.ImportFrom, package: str) -> list[str]:
    """``from a import b`` may mean the module a.b, or what a defines."""
    base = node.module or ""
    if node.level:
        parents = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*parents, *filter(None, [node.module])])
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


def _name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _resources(folder: Path) -> Iterator[Path]:
    """What modules of ``folder`` may read beside them: all but Python and packages."""
    for path in folder.iterdir():
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path
        elif path.is_dir() and path.name not in _NOT_CODE and not any(path.glob("*.py")):
            yield from (file for file in path.rglob("*") if file.is_file())


def _without_magics(source: str) -> str:
    """IPython's ``%`` and ``!`` lines become ``pass``, at their indentation."""
    lines = source.splitlines()
    magics = [line.lstrip()[:1] in ("%", "!") for line in lines]
    kept = (
        line[: len(line) - len(line.lstrip())] + "pass" if magic else line
        for line, magic in zip(lines, magics, strict=True)
    )
    return "\n".join(kept)
