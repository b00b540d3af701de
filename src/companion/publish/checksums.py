"""What files hold, as sha256 sums, and whether they still do."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def sha256(file: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def combined(**parts: Any) -> str:
    """One sum over named parts that JSON can write."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def checksums(folder: Path) -> dict[str, str]:
    """Path below ``folder`` -> sha256, for every file."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def difference(recorded: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """What is wrong with the first file that is not as recorded; None if all are."""
    for name in sorted({*recorded, *found}):
        if name not in found:
            return f"{name} is missing"
        if name not in recorded:
            return f"{name} does not belong there"
        if recorded[name] != found[name]:
            return f"{name} is not what was written"
    return None
