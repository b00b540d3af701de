"""The tasks of this repository: ``python -m nox -s book``, ``tests``, ``lint``, ``figures``.

One environment (``.nox/companion``) serves book, tests and figures; it is filled under the one
lock, constraints.txt, and touched again only when that or pyproject.toml changes.
"""

import hashlib
import os
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nox

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "companion"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
# hatchling builds the package here, so that it, too, comes from the lock
PIP = ("-m", "pip", "install", "--quiet", "--no-build-isolation", "-c", "constraints.txt")

nox.options.sessions = ["book"]
nox.options.reuse_existing_virtualenvs = True
nox.needs_version = ">=2024.10"


def torch_index() -> list[str]:
    """Spare a Linux machine without a GPU several GB of CUDA, where CPU wheels can be reached."""
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return []
    try:
        urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=5).close()
    except (urllib.error.URLError, OSError):
        return []
    return ["--extra-index-url", CPU_WHEELS]


def environment(session: nox.Session) -> str:
    """Python of the shared environment, brought in line with the lock."""
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = str(ENVIRONMENT / scripts / "python")
    locked = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    key = hashlib.sha256(locked + sys.version.encode()).hexdigest()
    stamp = ENVIRONMENT / "installed.sha256"
    if stamp.exists() and stamp.read_text() == key:
        return python
    session.run(sys.executable, "-m", "venv", str(ENVIRONMENT), external=True)
    session.run(python, *PIP, "pip", "hatchling", external=True)
    index = [] if list(ENVIRONMENT.glob("**/site-packages/torch/version.py")) else torch_index()
    session.run(python, *PIP, *index, "-e", ".[book,rlhf,test]", external=True)
    stamp.write_text(key)
    return python


@nox.session(venv_backend="none")
def book(session: nox.Session) -> None:
    """Execute what changed and build _build/html: ``nox -s book [-- build options]``."""
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", *session.posargs, external=True)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Bring the book up to date, then run the tests: ``nox -s tests [-- pytest options]``."""
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", external=True)
    session.run(python, "-m", "pytest", *session.posargs, external=True)


@nox.session(venv_backend="none")
def figures(session: nox.Session) -> None:
    """Write every figure with its sidecar to _build/figures: ``nox -s figures``."""
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", "--no-site", external=True)
    target = ROOT / "_build" / "figures"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "book" / "chapters" / "figures", target)
    session.log(f"{len(list(target.iterdir()))} figures in {os.path.relpath(target)}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, types and who imports whom: ``nox -s lint``."""
    tools = ("import-linter", "mypy", "ruff", "numpy", "pandas", "sympy")
    session.install("-c", "constraints.txt", *tools)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy", "src")
    session.run("lint-imports", env={"PYTHONPATH": "src"})
