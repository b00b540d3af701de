"""What all of trl's trainers share here: their settings, their bar, the check of what they made."""

from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, TrainerCallback

from companion.errors import CompanionError
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.ranks import processes


def quiet_arguments(folder: Path, seed: int, accelerator: str) -> dict[str, Any]:
    """Arguments that every trainer here shares: the machine's precision, no reports."""
    return {
        **pick_hardware(accelerator).arguments(),
        "output_dir": str(folder),
        "seed": seed,
        "gradient_checkpointing": False,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,
    }


def check_weights(model: PreTrainedModel, name: str) -> None:
    """Refuse a model that training has driven out of the numbers.

    Raises:
        CompanionError: if a weight is not finite.
    """
    if not finite(model):
        raise CompanionError(f"{name}: training diverged, weights are not finite; learn slower")


def finite(model: PreTrainedModel) -> bool:
    """Whether all weights that this process holds are finite numbers, and their squares are.

    Where a square overflows, a layer that divides by the root of the mean square returns zeros:
    probabilities stay numbers, and say nothing of what was learned.
    """
    with torch.no_grad():
        return all(bool(w.float().square().sum().isfinite()) for w in model.parameters())


class Bar(TrainerCallback):
    """A progress bar that a trainer moves with every step."""

    def __init__(self, name: str, steps: int, shown: bool) -> None:
        self._bar = tqdm(desc=name, total=steps, unit="step", disable=not shown)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Move on by one."""
        self._bar.update()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Leave the bar as it stands."""
        self._bar.close()


def per_process(batch_size: int) -> int:
    """This process's share of a batch.

    Raises:
        CompanionError: if the processes cannot share it evenly.
    """
    count = processes()
    if batch_size % count:
        raise CompanionError(f"batch of {batch_size}: not divisible by {count} processes")
    return batch_size // count
