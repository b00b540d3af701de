"""One build at a time in a checkout."""

import getpass
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from companion.errors import CompanionError
from companion.publish.project import Project


@contextmanager
def sole_build(project: Project) -> Iterator[None]:
    """Hold the checkout's lock; wait for another build, and say on standard error who it is.

    The lock is the operating system's, so that a build that is killed holds it no longer.

    Raises:
        CompanionError: if the lock cannot be had, such as in a checkout that cannot be written.
    """
    file = project.own / "build.lock"
    holder = project.own / "build.holder"
    try:
        project.own.mkdir(exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = holder.read_text().strip() if holder.is_file() else "another process"
            print(f"waiting for the build of {who} in {project.root}", file=sys.stderr, flush=True)
            lock.acquire()
        holder.write_text(_self() + "\n")
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CompanionError(f"{file}: cannot lock this checkout: {reason}") from error
    try:
        yield
    finally:
        lock.release()


def _self() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    since = time.strftime("%H:%M:%S")
    return f"process {os.getpid()} ({user} on {socket.gethostname()}, since {since})"
