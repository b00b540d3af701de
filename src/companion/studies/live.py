"""Training a few runs of a study while a page is built: the live part of a chapter.

The reader of a page may have chosen sizes, seeds and steps: see ``companion.studies.session``.
"""

from collections.abc import Iterable
from pathlib import Path

from companion.errors import CompanionError
from companion.rlhf.curves import LiveCurves
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import Record
from companion.rlhf.sweeps import sweep
from companion.studies import costs
from companion.studies.runs import Runs
from companion.studies.session import Trained, chosen, finished, remember
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
    choice = chosen()
    plan = {key: choice.changed(study.experiment(*key).at_tier(tier)) for key in choice.keys(keys)}
    names = {experiment.id: key.condition for key, experiment in plan.items()}
    if choice.size:
        _tell(costs.of_made_models(study, plan, jobs), study)
    with (
        choice.keeping(root, names),
        LiveCurves(plan.values(), column, lambda e: names[e.id], root, label) as curves,
    ):
        records = sweep(plan.values(), root, jobs, progress=False)
    runs = Runs(study, dict(zip(plan, records, strict=True)))
    remember(Trained(study, column, runs, curves.label))
    return runs, curves


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
    choice = chosen()
    plan = {
        key: choice.changed(_pretrained(study.experiment(*key), tier)) for key in choice.keys(keys)
    }
    trained = {e.id: key.condition for key, e in plan.items() if e.steps}
    moving = [e for e in plan.values() if e.steps]
    if choice.size:
        _tell(costs.of_pretrained(study, plan.values()), study)
    with LiveCurves(moving, column, lambda e: trained[e.id], root, label) as curves:
        for start in dict.fromkeys(key.start for key in plan):
            own = [e for key, e in plan.items() if key.start == start]
            with choice.keeping(root, [e.id for e in own]):
                _train_from_one_start(own, Path(root), threads)
    records = {key: Record(Path(root) / e.id) for key, e in plan.items()}
    runs = Runs(study, records)
    remember(Trained(study, column, runs, curves.label))
    return runs, curves


def _tell(cost: str, study: Study) -> None:
    """Before training: how long it takes, and whether the runs can stand for the record's."""
    print(cost)
    if chosen().differs(study.experiment(next(iter(study.conditions))).tier):
        print(
            "They are of another recipe than the recorded runs: figures below may show them beside "
            "the record, but no claim of this chapter is about them."
        )


def _train_from_one_start(experiments: list[Experiment], root: Path, threads: int) -> None:
    """Train what is not kept; all from the start again unless everything is."""
    from companion.rlhf.together import run_together

    if not (chosen().kept and all(finished(root / e.id) for e in experiments)):
        run_together(experiments, root, threads=threads)


def missing_weights(study: Study, tier: str = "small") -> str | None:
    """Why the weights of a study's model cannot be had; ``None`` if they can.

    They are fetched if need be.

    Args:
        study: of a pretrained model.
        tier: as ``train_pretrained`` has it.
    """
    from companion.rlhf.weights import weights_folder

    if chosen().size == "tiny":
        return "the size tiny was chosen"
    model = _pretrained(study.experiment(next(iter(study.conditions))), tier).model
    try:
        weights_folder(str(model))
    except CompanionError as error:
        return str(error)
    return None


def _pretrained(experiment: Experiment, tier: str) -> Experiment:
    """At the size that the reader chose, else at the chapter's."""
    size = chosen().size
    size = tier if size in (None, "tiny") else size
    return experiment if size == "tiny" else experiment.at_tier(size)
