"""Execute chapters side by side, each in its own process and its own empty working directory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from tqdm import tqdm

from companion.publish.cache import FIGURES, Cache
from companion.publish.normalise import normalise
from companion.publish.project import PACKAGE, Chapter


@dataclass(frozen=True)
class Job:
    """A chapter to execute: with these parameters, for this place in the cache."""

    chapter: Chapter
    parameters: Mapping[str, Any]
    key: str


@dataclass(frozen=True)
class Failure:
    """A cell that raised: which, what it says, and how it ended."""

    chapter: Chapter
    cell: int
    source: str
    traceback: str

    def __str__(self) -> str:
        """The report that a build ends with."""
        rule = "-" * 79
        head = f"{self.chapter.source}: cell {self.cell + 1} failed"
        return f"{rule}\n{head}\n{rule}\n{self.source}\n{rule}\n{self.traceback}"


class Progress:
    """A bar while a notebook runs on a terminal, a line before elsewhere, a line after on both."""

    def __init__(self, name: str, cells: int) -> None:
        self.name = name
        self.started = time.monotonic()
        terminal = sys.stderr.isatty()
        self.bar = tqdm(total=cells, desc=name, unit="cell", leave=False, disable=not terminal)
        if not terminal:
            print(f"{name}: executing {cells} cells", file=sys.stderr, flush=True)

    def advance(self, done: int) -> None:
        """Show that ``done`` cells have been executed."""
        self.bar.update(done - self.bar.n)

    def close(self, outcome: str) -> None:
        """Replace the bar by a line that says how it went and how long it took."""
        self.bar.close()
        seconds = time.monotonic() - self.started
        tqdm.write(f"{self.name}: {outcome} after {seconds:.0f} s", file=sys.stderr)


def environment(chapter: Chapter) -> dict[str, str]:
    """The kernel's environment: what the chapter is, and settings that make its results repeat."""
    steady = {
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",  # a build asks no model hub for anything
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    given = os.environ.get("PYTHONPATH")
    own = {
        # the package whose files are in the cache's key, whatever the working directory
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE.parent), given])),
        "COMPANION_DATA": os.pathsep.join(chapter.data_patterns),
        "COMPANION_NOTEBOOK": chapter.source,
        "COMPANION_COMMIT": chapter.commit,
    }
    return steady | dict(os.environ) | chapter.project.dates | own


def execute(job: Job, cache: Cache) -> Failure | None:
    """Execute one chapter into ``cache``."""
    chapter = job.chapter
    scratch = Path(tempfile.mkdtemp(prefix=f"{chapter.name}-"))
    work = scratch / "work"
    work.mkdir()
    progress = Progress(chapter.name, len(chapter.notebook.cells))
    try:
        jupytext.write(chapter.notebook, scratch / "in.ipynb", fmt="ipynb")
        failure = _run_worker(job, scratch, work, progress)
        if failure is None:
            _store(job, cache, scratch / "out.ipynb", work / FIGURES)
        progress.close("failed" if failure else "done")
        return failure
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run_worker(job: Job, scratch: Path, work: Path, progress: Progress) -> Failure | None:
    """Run the worker process, following its reports."""
    command = [sys.executable, "-m", "companion.publish.worker"]
    command += [str(scratch / "in.ipynb"), str(scratch / "out.ipynb"), json.dumps(job.parameters)]
    log = scratch / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command,
            cwd=work,
            env=environment(job.chapter),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        done = 0
        for line in process.stdout:
            message = json.loads(line)
            if "failed" in message:
                return Failure(job.chapter, **message["failed"])
            if "ended" in message:
                return None
            done = message["done"]
            progress.advance(done)
    cells = job.chapter.notebook.cells
    source = cells[min(done, len(cells) - 1)].source
    ended = f"the executing process ended with code {process.returncode}:\n{log.read_text()}"
    return Failure(job.chapter, done, source, ended)


def _store(job: Job, cache: Cache, executed: Path, figures: Path) -> None:
    notebook = normalise(nbformat.read(executed, as_version=4))
    notebook.metadata.setdefault("companion", {})
    notebook.metadata["companion"] |= {
        "notebook": job.chapter.source,
        "commit": job.chapter.commit,
    }
    nbformat.write(notebook, executed)
    cache.store(job.key, executed, figures)


def execute_all(jobs: Sequence[Job], cache: Cache, workers: int) -> list[Failure]:
    """Execute ``jobs``, ``workers`` at a time; all of them, even if some fail."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        outcomes = pool.map(lambda job: execute(job, cache), jobs)
        return [failure for failure in outcomes if failure is not None]
