"""Offline bundles: studies of pretrained models on a machine without network.

``make_bundle`` puts wheels, weights and an installer into pieces that travel one by one;
``run_plan`` works through studies there within a given time, several runs side by side on one GPU,
and packs their tables; ``import_tables`` takes them in at home.
"""

import hashlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from companion.errors import CompanionError
from companion.studies import tables
from companion.studies.pairs import add_distances, collect, run_start
from companion.studies.recording import RunsDiverged, import_records
from companion.studies.registry import find
from companion.studies.store import Archive
from companion.studies.study import Study

PIECE = 45 * 2**20  # bytes
_PACKAGE = "policy-cliff-companion"
_EXTRAS = frozenset({"rlhf"})
_PLATFORMS = [f"manylinux_2_{n}_x86_64" for n in (39, 35, 34, 31, 28, 27, 24, 17, 12, 5)]
_SPARE_SECONDS = 60  # for the runs and distances that are under way, and to pack
_PACK_SECONDS = 120
_INSTALL = """\
#!/bin/sh
# Unpack, check and install beside the machine's own Python packages; nothing is downloaded.
#   sh install.sh TARGET      then:  . TARGET/activate && companion bundle run --help
set -e
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?"say where to install"}
mkdir -p "$target"
target=$(cd "$target" && pwd)
rm -rf "$target/site" "$target/wheels"
cat "$here"/piece-* | (cd "$target" && tar -xf -)
(cd "$target" && sha256sum --quiet -c SHA256SUMS)
cd "$target"
python3 -m pip install -q --no-index --no-deps --no-compile --target site wheels/*.whl
cat > "$target/activate" <<EOF
export PYTHONPATH="$target/site" PATH="$target/site/bin:\\$PATH" COMPANION_CACHE="$target/weights"
export HF_HUB_OFFLINE=1 PIP_NO_INDEX=1
EOF
"""


def needed(has: Iterable[str] = (), python: str = "3.12") -> dict[str, str]:
    """Packages that this one needs, with the versions installed here: name to version.

    Args:
        has: names of packages that the other machine has already; torch is never sent.
        python: its version.
    """
    have = {canonicalize_name(name) for name in (*has, "torch")}
    there = {"python_version": python, "python_full_version": f"{python}.0"}
    found: dict[str, str] = {}
    queue = [(_PACKAGE, _EXTRAS)]
    seen = set(queue)
    while queue:
        name, wanted = queue.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        if name != _PACKAGE:
            found[name] = package.version
        for line in package.requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            asked = [there | {"extra": extra} for extra in wanted or ("",)]
            applies = marker is None or any(marker.evaluate(e) for e in asked)
            item = canonicalize_name(requirement.name), frozenset(requirement.extras)
            if applies and item[0] not in have and item not in seen:
                seen.add(item)
                queue.append(item)
    return dict(sorted(found.items()))


def make_bundle(
    target: Path, has: Iterable[str] = (), python: str = "3.12", source: Path | None = None
) -> list[Path]:
    """Write ``install.sh`` and pieces of at most 45 MB that hold wheels and weights.

    Args:
        target: a folder, emptied first.
        has: names of packages that the other machine has.
        python: its version.
        source: checkout of this package; ``None`` takes the one it was installed from.

    Raises:
        CompanionError: if a wheel or the weights cannot be had; the line names it.
    """
    from companion.rlhf.weights import gguf_file

    root = source or Path(__file__).parents[3]
    if not (root / "pyproject.toml").is_file():
        raise CompanionError(f"{root}: no checkout of {_PACKAGE}; a bundle is made from one")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch)
        wheels = stage / "wheels"
        _pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(root))
        for name, version in needed(has, python).items():
            platforms = [flag for p in _PLATFORMS for flag in ("--platform", p)]
            options = ["--no-deps", "--only-binary=:all:", "--python-version", python, *platforms]
            _pip("download", *options, "-d", str(wheels), f"{name}=={version}")
        (stage / "weights").mkdir()
        shutil.copy(gguf_file(progress=True), stage / "weights")
        files = sorted(p for p in stage.rglob("*") if p.is_file())
        sums = [f"{_sha256(p)}  {p.relative_to(stage).as_posix()}\n" for p in files]
        (stage / "SHA256SUMS").write_text("".join(sums))
        packed = stage / "bundle.tar"
        with tarfile.open(packed, "w") as archive:
            for file in (*files, stage / "SHA256SUMS"):
                archive.add(file, file.relative_to(stage).as_posix())
        pieces = _split(packed, target)
    installer = target / "install.sh"
    installer.write_text(_INSTALL)
    return [installer, *pieces]


def run_plan(
    studies: Sequence[str],
    root: Path,
    out: Path,
    minutes: float,
    jobs: int = 1,
    starts: int | None = None,
    only: Sequence[str] = ("*",),
) -> list[Path]:
    """Run studies of pretrained models within a given time and pack what got done.

    The runs of one start are one piece of work; pieces are begun start by start, a study after
    the other. What is not done in time is left for the next call with the same ``root``. What is
    done is packed every few minutes, so that a machine that fails takes little with it.

    Args:
        studies: names.
        root: folder of the records.
        out: gets ``NAME.tar``, a study's tables, for ``companion bundle import``.
        minutes: after which all must be packed.
        jobs: pieces of work side by side on the device.
        starts: how many starts of each study; ``None`` means all.
        only: patterns of the conditions to run.
    """
    end = time.time() + 60 * minutes
    wanted = [find(name) for name in studies]
    units = [
        (study.name, start)
        for i in range(max(len(study.starts) for study in wanted))
        for study in wanted
        for start in study.starts[i : i + 1]
        if starts is None or i < starts
    ]
    out.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_calm) as pool:
        until = end - _SPARE_SECONDS
        futures = {pool.submit(_unit, *unit, root, until, tuple(only)): unit for unit in units}
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=_PACK_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                print(f"{'{}, start {}'.format(*futures[future])}: {_told(future)}", flush=True)
            packed = [_pack(study, root, out) for study in wanted]
    return packed


def _told(future: "Future[bool]") -> str:
    error = future.exception()
    if error is not None:
        return f"failed: {(str(error) or type(error).__name__).splitlines()[0]}"
    return "done" if future.result() else "not all done in time"


def import_tables(file: Path, folder: Path) -> tuple[str, int]:
    """Take the tables that ``run_plan`` packed into a study's record, after checking them.

    Args:
        file: ``NAME.tar``.
        folder: that holds the studies' folders.

    Returns:
        Name of the study, and how many runs were new.

    Raises:
        CompanionError: if the file cannot be read, or holds runs that no condition asks for.
    """
    study = find(file.stem)
    with tempfile.TemporaryDirectory() as scratch:
        sent = Path(scratch) / study.name  # its name is what errors say
        try:
            with tarfile.open(file, "r:") as archive:
                archive.extractall(sent, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise CompanionError(f"{file}: cannot be read: {error}") from None
        tables.check_tables(sent)
        runs = Archive(sent).runs(study)
        distances = tables.read_table(sent, "pairs") if tables.has_table(sent, "pairs") else None
        if distances is not None:
            named = {*distances["condition"].astype(str), *distances["partner"].astype(str)}
            for name in named - set(study.conditions):
                raise CompanionError(f"study {study.name}: distance of unknown condition {name!r}")
        added = import_records(runs, study, folder / study.name)
        if distances is not None:
            add_distances(folder / study.name, distances)
    return study.name, added


def _unit(name: str, start: int, root: Path, until: float, only: Sequence[str]) -> bool:
    return run_start(find(name), start, root, lambda line: print(line, flush=True), until, only)


def _calm() -> None:
    """A worker's settings: one thread, since its neighbours use the other cores."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _pack(study: Study, root: Path, out: Path) -> Path:
    folder = root / "tables" / study.name
    try:
        collect(study, root, folder)
    except RunsDiverged as error:
        print(error, flush=True)
    file = out / f"{study.name}.tar"
    part = file.with_suffix(".part")
    with tarfile.open(part, "w") as archive:
        for table in sorted(folder.iterdir()) if folder.is_dir() else ():
            archive.add(table, table.name)
    part.replace(file)
    return file


def _split(file: Path, target: Path) -> list[Path]:
    pieces: list[Path] = []
    with file.open("rb") as stream:
        while block := stream.read(PIECE):
            pieces.append(target / f"piece-{len(pieces):03d}")
            pieces[-1].write_bytes(block)
    return pieces


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--quiet"], capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise CompanionError(f"pip {arguments[0]} {arguments[-1]}: {reason}")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
