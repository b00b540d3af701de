"""A folder of Parquet tables with checksums: small, checked on use, never left half written.

``write_tables`` first writes every new table beside the old one (``NAME.parquet.new``), then
replaces ``checksums.json`` in one step, then gives the tables their names. A writer that is killed
before that step has changed nothing; one that is killed after it is finished by the next reader or
writer, since the checksums then name the new files.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import BaseFileLock, FileLock

from companion.errors import CompanionError

CHECKSUMS = "checksums.json"
_NEW = ".new"
# What zstd compresses best: bytes of equal weight together, and steps rather than numbers.
_ENCODINGS = {"fraction": "BYTE_STREAM_SPLIT", "integer": "DELTA_BINARY_PACKED"}


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write tables into a folder, all or none; its other tables stay as they are.

    Texts are dictionary-encoded, all is compressed by zstd. Numbers keep their precision: measured
    ones are best given as float32. The index of a table is not kept.

    Args:
        folder: of a study, made if missing.
        tables: by name; each becomes ``NAME.parquet``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        listed = _settled(folder)
        for name, table in tables.items():
            file = folder / f"{name}.parquet"
            _write_parquet(table, _beside(file))
            listed[file.name] = _summary(_beside(file))
        text = json.dumps(dict(sorted(listed.items())), indent=1) + "\n"
        sums = folder / CHECKSUMS
        _beside(sums).write_text(text, newline="\n")
        _sync(_beside(sums))
        os.replace(_beside(sums), sums)  # from here on the new tables are the study's
        _settled(folder)


def append_rows(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Add rows to the tables of a folder, all or none; a table that is not there begins with them.

    Columns that one side lacks are empty there.
    """
    with locked(folder):
        old = {name: [read_table(folder, name)] for name in tables if has_table(folder, name)}
        whole = {
            name: pd.concat([*old.get(name, []), table], ignore_index=True)
            for name, table in tables.items()
        }
        write_tables(folder, whole)


def has_table(folder: Path, name: str) -> bool:
    """Whether a folder lists a table of that name."""
    return (folder / CHECKSUMS).exists() and f"{name}.parquet" in _listing(folder)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A table of a study, as pandas holds it.

    Raises:
        CompanionError: if the table is not listed, missing, or not the one that was written.
    """
    return read_arrow(folder, name).to_pandas()


def read_arrow(folder: Path, name: str) -> pa.Table:
    """A table of a study as Arrow columns, texts dictionary-encoded; errors as ``read_table``."""
    file = checked_file(folder, name)
    texts = [field.name for field in pq.read_schema(file) if _is_text(field.type)]
    return pq.read_table(file, read_dictionary=texts)


def distinct(folder: Path, name: str, column: str) -> list[str]:
    """The distinct values of a table's column, none if there is no such table."""
    return read_arrow(folder, name)[column].unique().to_pylist() if has_table(folder, name) else []


def checked_file(folder: Path, name: str) -> Path:
    """The file of a table, its size and SHA-256 compared with ``checksums.json``.

    Raises:
        CompanionError: one line that names the study and the table.
    """
    expected = _listing(folder).get(f"{name}.parquet")
    if expected is None:
        raise CompanionError(f"study {folder.name}: no table {name!r}")
    file = folder / f"{name}.parquet"
    for path in (file, _beside(file)):
        if _matches(path, expected):
            return path
    raise CompanionError(
        f"study {folder.name}: table {name!r} is missing or changed since it was written"
    )


def check_tables(folder: Path) -> None:
    """Compare every table of a folder with its checksum.

    Raises:
        CompanionError: as ``checked_file`` does, for the first that differs.
    """
    for name in _listing(folder):
        checked_file(folder, name.removesuffix(".parquet"))


def _listing(folder: Path) -> dict[str, dict[str, str | int]]:
    try:
        return json.loads((folder / CHECKSUMS).read_text())
    except (OSError, ValueError):
        raise CompanionError(f"study {folder.name}: no readable {CHECKSUMS}") from None


def _settled(folder: Path) -> dict[str, dict[str, str | int]]:
    """What the checksums list, after finishing or dropping what a killed writer left."""
    listed = _listing(folder) if (folder / CHECKSUMS).exists() else {}
    for new in folder.glob(f"*{_NEW}"):
        name = new.name.removesuffix(_NEW)
        if name in listed and _matches(new, listed[name]):
            os.replace(new, folder / name)
        else:
            new.unlink()
    return listed


def _write_parquet(table: pd.DataFrame, path: Path) -> None:
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata(None)
    encodings = {f.name: _ENCODINGS[kind] for f in arrow.schema if (kind := _kind(f.type))}
    pq.write_table(
        arrow,
        path,
        compression="zstd",
        compression_level=15,
        use_dictionary=[f.name for f in arrow.schema if _is_text(f.type)],
        column_encoding=encodings or None,
        row_group_size=2**22,
    )
    _sync(path)


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_floating(kind):
        return "fraction"
    return "integer" if pa.types.is_integer(kind) else None


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def _matches(path: Path, expected: Mapping[str, str | int]) -> bool:
    try:
        stat = path.stat()
        if stat.st_size != expected["bytes"]:
            return False
        return _sha256(path, stat.st_mtime_ns, stat.st_size) == expected["sha256"]
    except OSError:
        return False


def _summary(path: Path) -> dict[str, str | int]:
    stat = path.stat()
    return {"bytes": stat.st_size, "sha256": _sha256(path, stat.st_mtime_ns, stat.st_size)}


@lru_cache(maxsize=256)
def _sha256(path: Path, modified: int, size: int) -> str:
    """Hashed once for each state of a file, which ``modified`` and ``size`` tell apart."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _NEW)


def _sync(path: Path) -> None:
    """Make sure a file is on the disk before anything refers to it."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def locked(folder: Path) -> BaseFileLock:
    """A lock between writers; it lies outside the folder, which holds nothing but the study.

    A process that holds it may take it again.
    """
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"companion-{name}.lock", is_singleton=True)
