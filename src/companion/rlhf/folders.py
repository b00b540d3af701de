"""Folders of runs: locked while one process works in them, closed with checksums."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from companion.errors import CompanionError
from companion.rlhf.ranks import rank

CHECKSUMS = "checksums.json"
T = TypeVar("T")


class CorruptRecord(CompanionError):
    """A record whose files are not those it was closed with."""


def or_corrupt(question: Callable[..., T], *arguments: Any) -> T | None:
    """The answer of a question about a folder, or ``None`` if the folder is corrupt."""
    try:
        return question(*arguments)
    except CorruptRecord:
        return None


def unless_corrupt(path: Path, question: Callable[..., T], *arguments: Any) -> T | None:
    """The answer about the folder at ``path``; if it is corrupt, ``None``, and it is set aside.

    Only the holder of the folder's lock may ask: another could set aside what was made anew.
    """
    try:
        return question(path, *arguments)
    except CorruptRecord as error:
        print(f"{error}; set aside as {set_aside(path).name}", file=sys.stderr)
        return None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """A lock between runs; the processes of one run share it."""
    if rank():
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:
        raise CompanionError(f"{path}: cannot be locked: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def fresh(folder: Path) -> Path:
    """An empty folder there, whatever was there before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def writable(root: Path | str) -> Path:
    """A folder for records, made if missing.

    Raises:
        CompanionError: if it cannot be made or written.
    """
    root = Path(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompanionError(f"{root}: cannot be made: {error.strerror}") from None
    if not os.access(root, os.W_OK):
        raise CompanionError(f"{root}: cannot be written")
    return root


def check_files(folder: Path, needed: Iterable[str]) -> None:
    """Compare a folder's files with their checksums.

    Args:
        folder: closed by ``close_record`` or ``write_checksums``.
        needed: names that have to be among those listed.

    Raises:
        CorruptRecord: if a file is missing, changed, or was never listed.
    """
    try:
        listed = dict(json.loads((folder / CHECKSUMS).read_text()))
    except (OSError, ValueError, TypeError):
        raise CorruptRecord(f"{folder}: no readable {CHECKSUMS}") from None
    for name in needed:
        if name not in listed:
            raise CorruptRecord(f"{folder}: {CHECKSUMS} does not list {name}")
    for name, digest in listed.items():
        file = folder / name
        if not file.is_file() or file_sha256(file) != digest:
            raise CorruptRecord(f"{file}: missing or changed since it was written")


def write_checksums(folder: Path) -> None:
    """List all files of a folder with their checksums; written last, and whole or not at all."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    sums = {p.relative_to(folder).as_posix(): file_sha256(p) for p in files}
    half = folder / f"{CHECKSUMS}.part"
    half.write_text(json.dumps(sums, indent=1) + "\n")
    os.replace(half, folder / CHECKSUMS)


def close_record(part: Path, final: Path) -> None:
    """Write the checksums of a finished folder and give it its final name."""
    write_checksums(part)
    os.replace(part, final)


def set_aside(path: Path) -> Path:
    """Move what is corrupt out of the way, keeping it; returns where it went."""
    aside = path.with_name(f"{path.name}.corrupt-{time.time_ns()}")
    os.replace(path, aside)
    return aside


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
