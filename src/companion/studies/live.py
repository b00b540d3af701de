"""Training a few runs of a study while a page is built: the live part of a chapter."""

from collections.abc import Iterable
from pathlib import Path

from companion.rlhf.curves import LiveCurves
from companion.rlhf.sweeps import sweep
from companion.studies.store import Runs
from companion.studies.study import Key, Study


def train_live(
    study: Study,
    keys: Iterable[Key],
    column: str,
    *,
    tier: str = "tiny",
    jobs: int = 2,
    root: Path | str = "runs",
    label: str | None = None,
) -> tuple[Runs, LiveCurves]:
    """Train some runs of a study, with curves that move in a running notebook.

    Args:
        study: whose conditions are trained.
        keys: which runs; a live part takes starts that the study does not record, so that the
            record is tested and not repeated.
        column: of ``metrics``, to draw.
        tier: of sizes, see ``companion.rlhf.tiers``.
        jobs: runs side by side.
        root: folder of the runs.
        label: of the vertical axis.

    Returns:
        The runs, and the curves, whose lines carry the names of the conditions.
    """
    plan = {key: study.experiment(*key).at_tier(tier) for key in keys}
    names = {experiment.id: key.condition for key, experiment in plan.items()}
    with LiveCurves(plan.values(), column, lambda e: names[e.id], root, label) as curves:
        records = sweep(plan.values(), root, jobs, progress=False)
    return Runs(study, dict(zip(plan, records, strict=True))), curves
