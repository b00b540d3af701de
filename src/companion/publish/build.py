"""Build the book: execute what changed, then the site."""

import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.errors import CompanionError
from companion.publish.attributions import refuse_unplaced
from companion.publish.cache import Cache, chapter_key, place
from companion.publish.execute import Job, execute_all
from companion.publish.lock import sole_build
from companion.publish.memory import PeakMemory
from companion.publish.project import Chapter, Project
from companion.publish.site import build_site
from companion.strict_yaml import read_yaml


def parse_parameters(assignments: Sequence[str]) -> dict[str, Any]:
    """``NAME=VALUE`` strings as a mapping; values are read as YAML scalars and lists.

    Raises:
        CompanionError: if one has no ``=``, comes twice, or has a value that YAML cannot read.
    """
    parameters: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise CompanionError(f"--param {assignment}: expected NAME=VALUE")
        if name in parameters:
            raise CompanionError(f"--param {assignment}: {name} is given twice")
        parameters[name] = read_yaml(value, f"--param {assignment}")
    return parameters


def assign(
    chapters: Sequence[Chapter], named: Sequence[Chapter], parameters: Mapping[str, Any]
) -> list[Job]:
    """One job a chapter; the named ones get those of the parameters that they have.

    Raises:
        CompanionError: for a parameter that none of the named chapters has, or of another type
            than the chapter's own value.
    """
    for name in parameters:
        if not any(name in chapter.parameters for chapter in named):
            known = {chapter.name: sorted(chapter.parameters) for chapter in named}
            listing = "; ".join(f"{key} has {', '.join(v) or 'none'}" for key, v in known.items())
            raise CompanionError(f"unknown parameter {name!r}; {listing}")
    jobs = []
    for chapter in chapters:
        given = parameters if chapter in named else {}
        own = {k: v for k, v in given.items() if k in chapter.parameters}
        for name, value in own.items():
            _check_type(name, value, chapter)
        jobs.append(Job(chapter, own, chapter_key(chapter, own)))
    return jobs


def _check_type(name: str, value: Any, chapter: Chapter) -> None:
    """Refuse a value that is not of the kind that the chapter's parameters cell assigns."""
    default = chapter.parameters[name]
    kinds = (type(default),) if isinstance(default, bool | str | list | dict) else (int, float)
    right = isinstance(value, kinds) and isinstance(value, bool) == isinstance(default, bool)
    if default is None or (right and (value or not isinstance(value, list | dict))):
        return
    raise CompanionError(f"parameter {name}: {value!r} does not fit {chapter.name}'s {default!r}")


def build(
    project: Project,
    names: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    workers: int = 0,
    cache_folder: Path | None = None,
    site: bool = True,
) -> None:
    """Execute the named chapters (all if none is named) where the cache lacks them; build the site.

    The site is built only if every chapter is there as it would be executed now.

    Raises:
        CompanionError: for anything the user can mend: names, parameters, data, folders, a
            notebook that raises (reported in full on standard error first), a site with warnings, a
            sentence that cites the paper without its section.
    """
    started = time.monotonic()
    project = Project(project.root)  # as it is now
    named = project.chapters(names)
    jobs = assign(project.chapters(), named, parameters or {})
    pages = [] if names else sorted(project.book.glob("*.md"))
    refuse_unplaced(project.root, [*(chapter.path for chapter in named), *pages])
    cache = Cache(cache_folder or project.own / "cache")
    with PeakMemory() as memory, sole_build(project):
        wanted = [job for job in jobs if job.chapter in named]
        missing = [job for job in wanted if cache.entry(job.key, job.chapter.name) is None]
        _execute(missing, cache, workers or os.cpu_count() or 1)
        stale = _place(project, jobs, cache)
        print(f"notebooks: {len(missing)} executed, {len(wanted) - len(missing)} from the cache")
        if site and stale:
            print(f"site: not built; never executed as they are now: {', '.join(stale)}")
        elif site:
            state = "built" if build_site(project) else "unchanged"
            print(f"site: {state}, {project.html / 'index.html'}")
    seconds = time.monotonic() - started
    print(f"took {seconds:.1f} s and at most {memory.bytes / 1e9:.1f} GB of memory")


def _execute(jobs: Sequence[Job], cache: Cache, workers: int) -> None:
    failures = execute_all(jobs, cache, workers)
    for failure in failures:
        print(failure, file=sys.stderr)
    if failures:
        which = ", ".join(failure.chapter.source for failure in failures)
        raise CompanionError(f"{which}: raised, see above; the site is as it was")


def _place(project: Project, jobs: Sequence[Job], cache: Cache) -> list[str]:
    """Put the chapters that the cache holds where the site reads them; names of the others."""
    shutil.rmtree(project.executed, ignore_errors=True)
    stale = []
    for job in jobs:
        entry = cache.entry(job.key, job.chapter.name)
        if entry is None:
            stale.append(job.chapter.name)
        else:
            place(project, job.chapter, entry)
    return stale
