"""What a reader chose for the runs that a chapter trains: size, seeds, steps, where they are kept.

The book's own pages choose nothing. The Colab edition of a chapter has a form, which calls
``choose``; ``companion.studies.live`` then trains what was chosen, and ``live_checks`` knows which
of today's runs are of another recipe than the record.
"""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.tiers import TIERS
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

SIZES = ("tiny", "small", "large")
_MORE_STARTS = 1000  # added to a live start's number: no record goes so far
# Weights, gradients and Adam's two moments in float32, for each parameter.
_BYTES = 16
_PARAMETERS = {"small": 134.5e6, "large": 7.6e9}
_DRIVE = Path("/content/drive")


@dataclass(frozen=True)
class Choice:
    """What was chosen; as it is made, nothing.

    Attributes:
        size: of pretrained models; ``None`` leaves it to the chapter, ``tiny`` trains none.
        seeds: supervised starts for each one that the chapter names.
        steps: of reinforcement learning; 0 takes those of the record.
        supervised_steps: of the supervised start; 0 takes those of the record.
        kept: folder outside of this machine that finished runs are copied to, and come from.
    """

    size: str | None = None
    seeds: int = 1
    steps: int = 0
    supervised_steps: int = 0
    kept: Path | None = None

    def __post_init__(self) -> None:
        if self.size not in (None, *SIZES):
            raise CompanionError(f"size: no {self.size!r}, only auto, {', '.join(SIZES)}")
        for name, least in (("seeds", 1), ("steps", 0), ("supervised_steps", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise CompanionError(f"{name}: must be a whole number >= {least}, is {value!r}")

    def keys(self, keys: Iterable[Key]) -> list[Key]:
        """A chapter's live runs, each from as many supervised starts as were asked for."""
        return [
            Key(condition, start + _MORE_STARTS * more, repeat)
            for condition, start, repeat in keys
            for more in range(self.seeds)
        ]

    def changed(self, experiment: Experiment) -> Experiment:
        """The experiment with the steps that were asked for; one of 0 steps stays a start."""
        fields = {}
        if self.steps and experiment.steps:
            fields["steps"] = self.steps
        if self.supervised_steps:
            fields["sft_steps"] = self.supervised_steps
        return Experiment(**experiment.model_dump() | fields) if fields else experiment

    def differs(self, tier: str) -> bool:
        """Whether today's runs are of another recipe than the recorded ones of a tier."""
        other_size = tier != "tiny" and self.size not in (None, tier)
        return bool(self.steps or self.supervised_steps or other_size)

    @contextlib.contextmanager
    def keeping(self, root: Path | str, ids: Iterable[str]) -> Iterator[None]:
        """Bring finished runs of these ids to ``root``, and keep those that are finished then."""
        if self.kept is None:
            yield
            return
        here, there, wanted = Path(root), self.kept, list(ids)
        _copy(there, here, wanted)
        try:
            yield
        finally:
            _copy(here, there, wanted)


@dataclass(frozen=True)
class Trained:
    """Runs that this page trained.

    Attributes:
        study: that asked for them.
        column: of their ``metrics``, that the chapter draws.
        runs: themselves.
        label: what the column is, as the chapter's curves say it.
    """

    study: Study
    column: str
    runs: Runs
    label: str


_chosen = Choice()
_trained: list[Trained] = []


def remember(trained: Trained) -> None:
    """Keep in mind what was trained, in the place of the same study's runs before."""
    _trained[:] = [*(old for old in _trained if old.study.name != trained.study.name), trained]


def trained_here() -> list[Trained]:
    """What was trained on this page so far."""
    return list(_trained)


def chosen() -> Choice:
    """What the reader of this page chose."""
    return _chosen


def choose(
    size: str = "auto",
    seeds: int = 1,
    steps: int = 0,
    supervised_steps: int = 0,
    keep_on_drive: bool = False,
) -> tuple[str, int]:
    """Set what chapters train from here on, and say it in a few lines.

    Args:
        size: ``tiny``, ``small``, ``large``; ``auto`` is ``small`` with a GPU, else ``tiny``.
        seeds, steps, supervised_steps: see ``Choice``.
        keep_on_drive: whether finished runs are copied to Google Drive, and come from there.

    Returns:
        Size of the models that are made from nothing, always ``tiny``: they train on the CPU,
        whatever the pretrained model does; and how many of them train side by side.

    Raises:
        CompanionError: for a size that there is not, or a number that is none.
    """
    from joblib import cpu_count  # an extra, as torch is; counts what a container may use

    global _chosen
    _chosen = Choice()  # a wrong choice leaves none behind
    taken = _fitting(size)
    _chosen = Choice(taken, seeds, steps, supervised_steps, _on_drive() if keep_on_drive else None)
    return "tiny", cpu_count()


def _fitting(size: str) -> str:
    """The size asked for, or the largest below it that the machine has room for."""
    from companion.rlhf.hardware import pick_hardware  # loads torch, which most pages do not need

    hardware = pick_hardware("auto")
    gpu = hardware.device != "cpu"
    if size == "auto":
        size = "small" if gpu else "tiny"
        if not gpu:
            print(
                "No GPU here: only the tiny models are trained. For the pretrained model choose "
                "Runtime > Change runtime type > GPU, or the size small."
            )
    Choice(size)
    room = _memory_gb(gpu)
    while size in _PARAMETERS and _PARAMETERS[size] * _BYTES / 1e9 > room:
        need = _PARAMETERS[size] * _BYTES / 1e9
        smaller = SIZES[SIZES.index(size) - 1]
        print(f"Size {size} needs {need:.0f} GB, there are {room:.0f} GB: {smaller} is taken.")
        size = smaller
    model = TIERS[size].model
    trained = f"{model} on {hardware.description}, one run at a time" if model else "none"
    print(f"Size {size}. Pretrained model: {trained}. Tiny models: on the CPU.")
    return size


def _memory_gb(gpu: bool) -> float:
    if gpu:
        import torch

        return torch.cuda.get_device_properties(0).total_memory / 1e9
    return psutil.virtual_memory().total / 1e9


def _on_drive() -> Path | None:
    try:
        from google.colab import drive
    except ImportError:
        print("No Google Drive here: runs are kept in the folder runs alone.")
        return None
    drive.mount(str(_DRIVE))
    return _DRIVE / "MyDrive" / "policy-cliff-companion" / "runs"


def finished(folder: Path) -> bool:
    """Whether a run's folder is whole: what is written last is there."""
    return (folder / "provenance.json").is_file()


def _copy(source: Path, target: Path, ids: Iterable[str]) -> None:
    """Copy finished runs that the target lacks; a copy that is cut short is none."""
    for id in ids:
        if finished(source / id) and not finished(target / id):
            target.mkdir(parents=True, exist_ok=True)
            part = target / f"{id}.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(target / id, ignore_errors=True)
            shutil.copytree(source / id, part)
            part.rename(target / id)
