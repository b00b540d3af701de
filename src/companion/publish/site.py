"""Build the site with Jupyter Book beside the old one; only a whole site takes its place."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from companion.errors import CompanionError
from companion.processes import JOB, end_job
from companion.publish import vendor
from companion.publish.checksums import checksums, combined
from companion.publish.environment import clean_environment, machine
from companion.publish.project import PACKAGE, Project

DOCUMENTED = ("figures", "studies", "theory")  # packages with a page of their docstrings, book/api
# Sphinx's own, and what our extension refuses.
_COMPLAINT = re.compile(r"WARNING|ERROR|^(?:Key|Value)Error: ")
_JUPYTER_BOOK = (
    "from companion.processes import follow_parent; follow_parent();"
    "from jupyter_book.cli.main import main; main()"
)


def site_key(project: Project) -> str:
    """Key of the site: every file that it is made of, its year, the repository it links to."""
    root = project.root
    own = [root / name for name in ("_config.yml", "_toc.yml", "package-lock.json")]
    own += [root / "constraints.txt", root / "CITATION.cff", *sorted(project.book.rglob("*"))]
    for name in ("publish", "widgets", *DOCUMENTED):
        own += sorted((PACKAGE / name).rglob("*"))
    if project.repository is None:  # the site then holds the package itself
        own += [root / "pyproject.toml", *PACKAGE.rglob("*"), *project.data_files.values()]
    files = sorted({path for path in own if path.is_file() and path.suffix != ".pyc"})
    epoch = project.dates.get("SOURCE_DATE_EPOCH")
    return combined(
        files=project.sums(files),
        year=epoch and time.gmtime(int(epoch)).tm_year,  # all that pages show of it
        repository=project.repository,
        machine=machine(),
    )


def build_site(project: Project) -> bool:
    """Build ``_build/html`` unless it is up to date and whole; True if it was built.

    Raises:
        CompanionError: if Jupyter Book fails or warns; the site that was there stays.
    """
    record = _record(project)
    key = site_key(project)
    if _recorded(record) == {"key": key, "files": checksums(project.html)}:
        return False
    vendor.prepare(project)
    parent = project.html.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.glob("staging*"):
            shutil.rmtree(left)
        # a name of its own: whatever a killed build left running writes elsewhere
        staging = Path(tempfile.mkdtemp(prefix="staging-", dir=parent))
    except OSError as error:
        raise CompanionError(f"{parent}: cannot write: {error.strerror}") from error
    built = _jupyter_book(project, staging)
    (built / ".buildinfo").unlink(missing_ok=True)  # Sphinx's key, over absolute paths
    files = checksums(built)
    record.unlink(missing_ok=True)
    _swap(built, project.html)
    record.write_text(json.dumps({"key": key, "files": files}, indent=1))
    shutil.rmtree(staging)
    return True


def renew_record(project: Project) -> None:
    """Hold the site to be whole as it is now: after something was added to it."""
    record = _record(project)
    recorded = _recorded(record)
    if isinstance(recorded, dict):
        record.write_text(json.dumps(recorded | {"files": checksums(project.html)}, indent=1))


def _record(project: Project) -> Path:
    """Where the key of the built site and the sums of its files lie."""
    return project.html.with_name("site.json")


def _recorded(record: Path) -> object:
    try:
        return json.loads(record.read_text())
    except (OSError, ValueError):
        return None


def _jupyter_book(project: Project, staging: Path) -> Path:
    """Run Jupyter Book into ``staging``; the folder of the finished HTML."""
    root = project.root
    command = [sys.executable, "-c", _JUPYTER_BOOK, "build", str(project.book)]
    command += ["--config", str(root / "_config.yml"), "--toc", str(root / "_toc.yml")]
    command += ["--path-output", str(staging), "-W", "-n", "--keep-going"]
    job = {JOB: f"{staging}{os.sep}", "PYTHONPATH": str(PACKAGE.parent)}
    known = {k: v for k, v in os.environ.items() if k.startswith("GITHUB_")}  # the repository
    log = staging / "jupyter-book.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=clean_environment() | project.dates | known | job,
            stdin=subprocess.PIPE,  # held open, see follow_parent
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            code = process.wait()
        finally:
            end_job(job[JOB])
            process.wait()
    html = staging / "_build" / "html"
    if code or not (html / "index.html").exists():
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        marked = [line for line in lines if _COMPLAINT.search(line)] or lines[-20:]
        print("\n".join(marked), file=sys.stderr)
        raise CompanionError(f"the site was not built: {len(marked)} complaints, see {log}")
    return html


def _swap(new: Path, old: Path) -> None:
    """Put ``new`` in the place of ``old`` by renaming."""
    retired = old.with_name("retired")
    shutil.rmtree(retired, ignore_errors=True)
    if old.exists():
        old.rename(retired)
    new.rename(old)
    shutil.rmtree(retired, ignore_errors=True)
