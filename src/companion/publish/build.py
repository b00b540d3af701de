"""Build the book: execute what changed, then the site."""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from companion.errors import CompanionError
from companion.publish.attributions import refuse_unplaced
from companion.publish.cache import Cache, chapter_key, place
from companion.publish.execute import Job, execute_all
from companion.publish.memory import PeakMemory
from companion.publish.project import Chapter, Project
from companion.publish.site import build_site


def parse_parameters(assignments: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` strings as a mapping; values are read as YAML scalars and lists.

    Raises:
        CompanionError: if one has no ``=`` or a value that YAML cannot read.
    """
    parameters = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise CompanionError(f"--param {assignment}: expected NAME=VALUE")
        try:
            parameters[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise CompanionError(f"--param {assignment}: cannot read the value") from error
    return parameters


def assign(chapters: Sequence[Chapter], parameters: Mapping[str, Any]) -> list[Job]:
    """One job a chapter, each with the given parameters that its parameters cell names.

    Raises:
        CompanionError: for a parameter that none of the chapters has.
    """
    for name in parameters:
        if not any(name in chapter.parameters for chapter in chapters):
            known = {chapter.name: sorted(chapter.parameters) for chapter in chapters}
            listing = "; ".join(f"{key} has {', '.join(v) or 'none'}" for key, v in known.items())
            raise CompanionError(f"unknown parameter {name!r}; {listing}")
    jobs = []
    for chapter in chapters:
        own = {k: v for k, v in parameters.items() if k in chapter.parameters}
        jobs.append(Job(chapter, own, chapter_key(chapter, own)))
    return jobs


def build(
    project: Project,
    names: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    workers: int = 0,
    cache_folder: Path | None = None,
    site: bool = True,
) -> None:
    """Execute the named chapters (all if none is named) where the cache lacks them; build the site.

    Raises:
        CompanionError: for anything the user can mend: names, parameters, data, folders, a
            notebook that raises (reported in full on standard error first), a site with warnings, a
            sentence that cites the paper without its section.
    """
    started = time.monotonic()
    jobs = assign(project.chapters(names), parameters or {})
    pages = [] if names else sorted(project.book.glob("*.md"))
    refuse_unplaced(project.root, [*(job.chapter.path for job in jobs), *pages])
    cache = Cache(cache_folder or project.root / ".companion" / "cache")
    with PeakMemory() as memory:
        missing = [job for job in jobs if cache.entry(job.key) is None]
        _execute(missing, cache, workers or os.cpu_count() or 1)
        if not names:
            shutil.rmtree(project.executed, ignore_errors=True)
        for job in jobs:
            entry = cache.entry(job.key)
            assert entry is not None
            place(project, job.chapter, entry)
        print(f"notebooks: {len(missing)} executed, {len(jobs) - len(missing)} from the cache")
        if site:
            print(f"site: {_site(project)}")
    seconds = time.monotonic() - started
    print(f"took {seconds:.1f} s and at most {memory.bytes / 1e9:.1f} GB of memory")


def _execute(jobs: Sequence[Job], cache: Cache, workers: int) -> None:
    failures = execute_all(jobs, cache, workers)
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        which = ", ".join(failure.chapter.source for failure in failures)
        raise CompanionError(f"{which}: raised, see above; the site is as it was")


def _site(project: Project) -> str:
    """Build the site if it can be whole; what became of it."""
    executed = {path.stem for path in project.executed.glob("*.ipynb")}
    lacking = [c.name for c in project.chapters() if c.name not in executed]
    if lacking:
        return f"not built, since these were never executed: {', '.join(lacking)}"
    state = "built" if build_site(project) else "unchanged"
    return f"{state}, {project.html / 'index.html'}"
