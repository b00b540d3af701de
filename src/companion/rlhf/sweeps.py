"""Many runs in parallel; finished ones are never repeated."""

import contextlib
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Literal

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.folders import or_corrupt, writable
from companion.rlhf.preparations import preparations
from companion.rlhf.records import Record, read_record
from companion.rlhf.running import check_machine, finished, run, tell_versions
from companion.rlhf.workers import Workers, on_ray

_NAMED = 3


class SweepFailed(CompanionError):
    """Some runs of a sweep failed; the others are recorded.

    Attributes:
        failures: the reason by the id of the run.
        records: of the runs that did not fail, in their order.
    """

    def __init__(self, failures: dict[str, str], records: list[Record], total: int) -> None:
        named = "; ".join(f"{id} ({reason})" for id, reason in list(failures.items())[:_NAMED])
        more = f"; and {len(failures) - _NAMED} more" if len(failures) > _NAMED else ""
        super().__init__(f"{len(failures)} of {total} runs failed: {named}{more}")
        self.failures, self.records = failures, records


def sweep(
    experiments: Iterable[Experiment],
    root: Path | str = "runs",
    jobs: int | None = None,
    progress: bool = True,
    backend: Literal["processes", "ray"] = "processes",
    gpus_per_run: float = 0,
    made: Callable[[Record], object] | None = None,
) -> list[Record]:
    """Records of many experiments, in their order; missing ones are trained in parallel.

    Args:
        experiments: may repeat; each distinct one is trained once.
        root: folder of the records and of the supervised starts they share; every node of a
            cluster must see it.
        jobs: processes at a time on this machine; ``None`` takes the number of cores.
        progress: show a bar of runs done, with rate and time left.
        backend: ``processes`` of this machine (joblib), or the tasks of a running ``ray`` cluster,
            which starts a run again elsewhere when its node dies.
        gpus_per_run: GPUs that ``ray`` reserves for each run.
        made: gets the record of each run that was not there before, when all have ended.

    Raises:
        SweepFailed: if runs failed or their processes were killed, after all others have ended.
        CompanionError: if ``root`` cannot be written, or the machine lacks what a run needs.
    """
    if jobs is not None and jobs < 1:
        raise CompanionError(f"jobs: must be >= 1, is {jobs}")
    root = writable(root).resolve()
    ordered = list(experiments)
    wanted = {e.id: e for e in ordered}
    found = {id: or_corrupt(finished, root / id) for id in wanted}
    tell_versions(record for record in found.values() if record)
    missing = {id: e for id, e in wanted.items() if found[id] is None}
    for experiment in missing.values():
        check_machine(experiment)
    with contextlib.closing(Workers(jobs or os.cpu_count() or 1, progress)) as processes:
        parallel: Callable[..., list[str]] = processes
        if backend == "ray":
            parallel = partial(on_ray, gpus=gpus_per_run, progress=progress)
        failures = _prepare_all(missing, root, parallel)
        left = {id: e for id, e in missing.items() if id not in failures}
        reasons = parallel([partial(run, e, root) for e in left.values()], unit="run")
    failures |= {id: reason for id, reason in zip(left, reasons, strict=True) if reason}
    found |= (new := {id: read_record(root / id) for id in left if id not in failures})
    if made:
        for trained in new.values():
            made(trained)
    records = [record for e in ordered if (record := found[e.id]) is not None]
    if failures:
        raise SweepFailed(failures, records, len(wanted))
    return records


def _prepare_all(
    missing: dict[str, Experiment], root: Path, parallel: Callable[..., list[str]]
) -> dict[str, str]:
    """Train what the missing runs share; the reason of failure by the id of each that fails so."""
    shared = {id: preparations(e, root) for id, e in missing.items()}
    jobs = {path: job for needed in shared.values() for path, job in needed.items()}
    reasons = dict(zip(jobs, parallel(list(jobs.values()), unit="preparation"), strict=True))
    failed = {
        id: next((r for p in needed if (r := reasons[p])), "") for id, needed in shared.items()
    }
    return {id: reason for id, reason in failed.items() if reason}
