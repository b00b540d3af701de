"""Build the site with Jupyter Book beside the old one; only a whole site takes its place."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from companion.errors import CompanionError
from companion.publish import vendor
from companion.publish.cache import hash_files
from companion.publish.project import PACKAGE, Project

_KEY = ".companion-key"
_JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


def site_key(project: Project) -> str:
    """Key of the site: every file that it is made of, and the repository it links to."""
    root = project.root
    own = [root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")]
    own += [root / "constraints.txt", *sorted(project.book.rglob("*"))]
    own += sorted((PACKAGE / "publish").rglob("*"))
    files = [path for path in own if path.is_file() and path.suffix != ".pyc"]
    return hash_files(root, files, project.repository or "")


def build_site(project: Project) -> bool:
    """Build ``_build/html`` unless it is up to date; True if it was built.

    Raises:
        CompanionError: if Jupyter Book fails or warns; the site that was there stays.
    """
    key = site_key(project)
    recorded = project.html / _KEY
    if recorded.exists() and recorded.read_text() == key:
        return False
    vendor.prepare(project)
    staging = project.html.parent / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
    except OSError as error:
        raise CompanionError(f"{staging}: cannot write: {error.strerror}") from error
    built = _jupyter_book(project, staging)
    (built / ".buildinfo").unlink(missing_ok=True)  # Sphinx's key, over absolute paths
    (built / _KEY).write_text(key)
    _swap(built, project.html)
    shutil.rmtree(staging)
    return True


def _jupyter_book(project: Project, staging: Path) -> Path:
    """Run Jupyter Book into ``staging``; the folder of the finished HTML."""
    root = project.root
    command = [sys.executable, "-c", _JUPYTER_BOOK, "build", str(project.book)]
    command += ["--config", str(root / "_config.yml"), "--toc", str(root / "_toc.yml")]
    command += ["--path-output", str(staging), "-W", "-n", "--keep-going"]
    environment = os.environ | project.dates | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    html = staging / "_build" / "html"
    if done.returncode or not (html / "index.html").exists():
        said = [line for line in done.stderr.splitlines() if line.strip()]
        marked = [line for line in said if "WARNING" in line or "ERROR" in line] or said[-20:]
        print("\n".join(marked), file=sys.stderr)
        log = staging / "jupyter-book.log"
        log.write_text(done.stdout + done.stderr)
        raise CompanionError(f"the site was not built: {len(marked)} warnings, see {log}")
    return html


def _swap(new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``old`` by renaming."""
    retired = old.with_name("retired")
    shutil.rmtree(retired, ignore_errors=True)
    if old.exists():
        old.rename(retired)
    new.rename(old)
    shutil.rmtree(retired, ignore_errors=True)
