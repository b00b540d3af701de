"""Where a run comes from: commit, lock, source, versions, seeds."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from companion.rlhf.experiment import Experiment
from companion.rlhf.folders import file_sha256

_PACKAGE = Path(__file__).parents[1]
_LIBRARIES = ("torch", "transformers", "trl", "numpy")


def write_provenance(path: Path, experiment: Experiment, facts: dict[str, Any]) -> None:
    """Record where a run comes from; ``facts`` are the run's own (device, seconds, ...)."""
    origin = {
        "id": experiment.id,
        "commit": _commit(),
        "lock_sha256": _lock(),
        "source_sha256": source_digest(),
        "versions": versions(),
        "python": platform.python_version(),
        "seed": experiment.seed,
        "sft_seed": experiment.sft_seed,
    }
    path.write_text(json.dumps(origin | facts, indent=1) + "\n")


def versions() -> dict[str, str]:
    """Of the libraries that a run's numbers depend on."""
    return {name: version(name) for name in _LIBRARIES}


@cache
def source_digest() -> str:
    """SHA-256 over the laboratory's own source files."""
    return _digest(sorted((_PACKAGE / "rlhf").rglob("*.py")))


def _digest(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _lock() -> str | None:
    candidates = (_PACKAGE / "_data" / "constraints.txt", _PACKAGE.parents[1] / "constraints.txt")
    return next((file_sha256(file) for file in candidates if file.is_file()), None)


def _commit() -> str | None:
    """The commit that the package's checkout stands at, marked if files of it differ from that."""
    if "COMPANION_COMMIT" in os.environ:
        return os.environ["COMPANION_COMMIT"]
    root = _PACKAGE.parents[1]
    if not (root / ".git").exists():
        return None  # installed, perhaps into somebody else's checkout
    head = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "src", "constraints.txt")
    return None if head is None or changed is None else head + ("-dirty" if changed else "")


def _git(root: Path, *arguments: str) -> str | None:
    """What git answers about a checkout, whoever owns it and whatever repository is set."""
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    settings = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10, env=settings
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
