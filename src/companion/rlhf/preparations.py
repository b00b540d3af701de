"""What runs share and is trained once: supervised starts and reward models."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from companion.rlhf.experiment import Experiment, RewardModel, Spec, Start
from companion.rlhf.folders import (
    CorruptRecord,
    check_files,
    close_record,
    fresh,
    locked,
    or_corrupt,
    unless_corrupt,
)
from companion.rlhf.ranks import agree, first
from companion.rlhf.workers import Job

_SPEC = "spec.json"


def prepare_start(start: Start, root: Path | str, progress: bool = False) -> Path:
    """Folder of a supervised policy below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.sft import train_start

        train_start(start, folder, progress)

    return _prepare(start, Path(root) / "starts", train, start.model)


def prepare_reward_model(model: RewardModel, root: Path | str, progress: bool = False) -> Path:
    """Folder of a reward model below ``root``; trains it unless it is there."""

    def train(folder: Path) -> None:
        from companion.rlhf.reward_models import train_reward_model

        train_reward_model(model, folder, progress)

    return _prepare(model, Path(root) / "reward_models", train, model.model)


def _prepare(
    spec: Spec, shelf: Path, train: Callable[[Path], None], pretrained: str | None
) -> Path:
    from companion.rlhf.quiet import quiet

    final, part = shelf / spec.id, shelf / f"{spec.id}.part"
    shelf.mkdir(parents=True, exist_ok=True)
    with locked(shelf / f".{spec.id}.lock"):
        if agree(lambda: not unless_corrupt(final, _prepared, spec)):
            first(partial(fresh, part))
            with quiet(offline=pretrained is None, threads=None if pretrained else 1):
                train(part)
            first(lambda: (part / _SPEC).write_text(_spec_text(spec)))
            first(partial(close_record, part, final))
    return final


def _spec_text(spec: Spec) -> str:
    return spec.model_dump_json(indent=1) + "\n"


def _prepared(path: Path, spec: Spec) -> bool:
    """Whether a folder is there and holds, whole, what ``spec`` asks for.

    Raises:
        CorruptRecord: if it is there and does not.
    """
    if not path.exists():
        return False
    check_files(path, (_SPEC,))
    if (path / _SPEC).read_text() != _spec_text(spec):
        raise CorruptRecord(f"{path}: made from another specification")
    return True


def preparations(experiment: Experiment, root: Path) -> dict[Path, Job]:
    """What a run shares with others and lacks, by its folder: start and reward model."""
    start, model = experiment.start, experiment.reward_model
    jobs: dict[Path, Job] = {}
    shelf = root / "starts" / start.id
    if not or_corrupt(_prepared, shelf, start):
        jobs[shelf] = partial(prepare_start, start, root)
    if model is not None:
        shelf = root / "reward_models" / model.id
        if not or_corrupt(_prepared, shelf, model):
            jobs[shelf] = partial(prepare_reward_model, model, root)
    return jobs
