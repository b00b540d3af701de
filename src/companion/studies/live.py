"""Training a few runs of a study while a page is built: the live part of a chapter."""

from collections.abc import Iterable
from pathlib import Path

from companion.errors import CompanionError
from companion.rlhf.curves import LiveCurves
from companion.rlhf.experiment import Experiment
from companion.rlhf.sweeps import sweep
from companion.studies.runs import Runs
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


def train_pretrained(
    study: Study,
    keys: Iterable[Key],
    column: str,
    *,
    tier: str = "small",
    threads: int = 2,
    root: Path | str = "runs",
    label: str | None = None,
) -> tuple[Runs, LiveCurves]:
    """Train some runs of a pretrained model from one start, weights in memory, as ``train_live``.

    Args:
        study: of a pretrained model.
        keys: of one start; conditions of 0 steps measure the start itself.
        column: of ``metrics``, to draw.
        tier: of sizes; ``tiny`` knows no pretrained model and is taken as ``small``.
        threads: of the processor.
        root: folder of the runs.
        label: of the vertical axis.

    Returns:
        The runs, which hold samples for held-out prompts and no lists; and the curves.

    Raises:
        CompanionError: if the weights cannot be had (see ``missing_weights``).
    """
    from companion.rlhf.together import run_together

    plan = {key: _pretrained(study.experiment(*key), tier) for key in keys}
    trained = {e.id: key.condition for key, e in plan.items() if e.steps}
    moving = [e for e in plan.values() if e.steps]
    with LiveCurves(moving, column, lambda e: trained[e.id], root, label) as curves:
        records = run_together(list(plan.values()), root, threads=threads)
    return Runs(study, dict(zip(plan, records, strict=True))), curves


def missing_weights(study: Study, tier: str = "small") -> str | None:
    """Why the weights of a study's model cannot be had; ``None`` if they can.

    They are fetched if need be.

    Args:
        study: of a pretrained model.
        tier: as ``train_pretrained`` has it.
    """
    from companion.rlhf.weights import weights_folder

    model = _pretrained(study.experiment(next(iter(study.conditions))), tier).model
    try:
        weights_folder(str(model))
    except CompanionError as error:
        return str(error)
    return None


def _pretrained(experiment: Experiment, tier: str) -> Experiment:
    return experiment if tier == "tiny" else experiment.at_tier(tier)
