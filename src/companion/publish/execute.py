"""Execute chapters side by side, each in its own process and its own empty working directory."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from tqdm import tqdm

from companion.processes import JOB, end_job
from companion.publish.cache import COMMIT, FIGURES, YEAR, Cache, chapter_key, figure_problem
from companion.publish.environment import kernel_environment
from companion.publish.normalise import normalise
from companion.publish.project import PACKAGE, Chapter, Project
from companion.publish.toggles import name_toggles

LOG_TAIL = 10_000


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


def environment(chapter: Chapter, scratch: Path) -> dict[str, str]:
    """The kernel's environment: what the chapter is, and settings that make its results repeat."""
    own = {
        # the package whose files are in the cache's key, whatever the working directory
        "PYTHONPATH": str(PACKAGE.parent),
        "COMPANION_DATA": os.pathsep.join(chapter.data_patterns),
        "COMPANION_NOTEBOOK": chapter.source,
        "COMPANION_COMMIT": COMMIT,
        "COMPANION_YEAR": YEAR,
        JOB: _job(scratch),
    }
    if chapter.project.address:
        own["COMPANION_URL"] = chapter.project.address  # slides carry it
    return kernel_environment(scratch / "settings") | own


def _job(scratch: Path) -> str:
    return f"{scratch}{os.sep}"  # with an end, so that no job's name begins another's


def execute(job: Job, cache: Cache, scratch: Path) -> Failure | None:
    """Execute one chapter into ``cache``, working in the new folder ``scratch``."""
    chapter = job.chapter
    work = scratch / "work"
    work.mkdir(parents=True)
    progress = Progress(chapter.name, len(chapter.notebook.cells))
    failure: Failure | None = None
    try:
        jupytext.write(chapter.notebook, scratch / "in.ipynb", fmt="ipynb")
        failure = _run_worker(job, scratch, work, progress)
        if failure is None:
            failure = _store(job, cache, scratch / "out.ipynb", work / FIGURES)
        return failure
    finally:
        end_job(_job(scratch))
        shutil.rmtree(scratch, ignore_errors=True)
        progress.close("failed" if failure or sys.exc_info()[0] else "done")


def _run_worker(job: Job, scratch: Path, work: Path, progress: Progress) -> Failure | None:
    """Run the worker process, following its reports."""
    command = [sys.executable, "-m", "companion.publish.worker"]
    command += [str(scratch / "in.ipynb"), str(scratch / "out.ipynb"), json.dumps(job.parameters)]
    log = scratch / "log"
    done = 0
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command,
            cwd=work,
            env=environment(job.chapter, scratch),
            stdin=subprocess.PIPE,  # held open: by its end the worker knows that we are gone
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,  # an interrupt is ours to pass on
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            message = json.loads(line)
            if "failed" in message:
                end_job(_job(scratch))
                return Failure(job.chapter, **message["failed"])
            if "ended" in message:
                return None
            done = message["done"]
            progress.advance(done)
    cells = job.chapter.notebook.cells
    source = cells[min(done, len(cells) - 1)].source
    said = log.read_text(errors="replace")[-LOG_TAIL:]
    ended = f"the executing process ended with code {process.returncode}:\n{said}"
    return Failure(job.chapter, done, source, ended)


def _store(job: Job, cache: Cache, executed: Path, figures: Path) -> Failure | None:
    """Keep what was executed, unless it is not what the key says."""
    chapter = job.chapter
    problem = figure_problem(figures)
    now = Chapter(Project(chapter.project.root), chapter.path)
    if chapter_key(now, job.parameters) != job.key:
        problem = "a file that it rests on was changed while it was executed; build again"
    if problem:
        return Failure(chapter, len(chapter.notebook.cells) - 1, "", problem)
    notebook = name_toggles(normalise(nbformat.read(executed, as_version=4)))
    notebook.metadata.setdefault("companion", {})
    notebook.metadata["companion"] |= {"notebook": chapter.source, "commit": COMMIT}
    nbformat.write(notebook, executed)
    cache.store(job.key, executed, figures)
    return None


def execute_all(jobs: Sequence[Job], cache: Cache, workers: int) -> list[Failure]:
    """Execute ``jobs``, ``workers`` at a time; all of them, even if some fail.

    Whatever ends this early, no process is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="companion-", ignore_cleanup_errors=True) as folder:
        pool = ThreadPoolExecutor(max_workers=workers)
        tasks = [pool.submit(execute, job, cache, Path(folder, job.chapter.name)) for job in jobs]
        try:
            outcomes = [task.result() for task in tasks]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            while any(not task.done() for task in tasks):
                end_job(folder)
                wait(tasks, timeout=0.1)
            raise
        finally:
            pool.shutdown()
        return [failure for failure in outcomes if failure is not None]
