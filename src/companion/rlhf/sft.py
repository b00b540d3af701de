"""Supervised starts: every run begins from demonstrations, as the paper's policies do."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer

from companion.errors import CompanionError
from companion.rlhf.experiment import Start
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.policies import (
    encode,
    new_policy,
    pretrained,
    prompt_tokens,
    word_tokenizer,
)
from companion.rlhf.supervised import fine_tune
from companion.rlhf.tasks import get_task
from companion.rlhf.weights import ORIGIN


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
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if batch_size % processes:
        raise CompanionError(f"batch of {batch_size}: not divisible by {processes} processes")
    return batch_size // processes


def train_start(start: Start, folder: Path, progress: bool = False) -> None:
    """Train a policy on demonstrations and write it, with its tokenizer, to ``folder``.

    Raises:
        CompanionError: if a pretrained model cannot be loaded, or training diverges.
    """
    if start.model is None:
        _train_from_config(start, folder, progress)
        return
    policy, tokenizer, origin = fine_tuned(start.model, start, progress)
    check_weights(policy, f"supervised start {start.id}")
    policy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / ORIGIN).write_text(json.dumps(origin, indent=1) + "\n")


def fine_tuned(
    model: str, start: Start, progress: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, str]]:
    """A pretrained model after the supervised start's demonstrations, on its device.

    Returns:
        The policy, its tokenizer, and where its weights came from (``weights.origin``).

    Raises:
        CompanionError: if the model cannot be loaded.
    """
    policy, tokenizer, origin = pretrained(model, progress)
    torch.nn.Module.to(policy, pick_hardware(start.accelerator).device)
    pairs = _demonstrations(start)
    fine_tune(policy, tokenizer, pairs, start.batch_size, start.learning_rate, progress)
    return policy, tokenizer, origin


def _demonstrations(start: Start) -> list[tuple[str, str]]:
    task = get_task(start.task)
    return task.demonstrations(start.steps * start.batch_size, start.seed, start.traces)


def _train_from_config(start: Start, folder: Path, progress: bool) -> None:
    pairs = _demonstrations(start)
    tokenizer = word_tokenizer(get_task(start.task).texts())
    policy = new_policy(start.architecture, start.hidden_size, start.layers, tokenizer, start.seed)
    arguments = quiet_arguments(folder / "trainer", start.seed, start.accelerator)
    trainer = SFTTrainer(
        model=policy,
        args=SFTConfig(
            **arguments | {"lr_scheduler_type": "linear"},
            max_steps=start.steps,
            per_device_train_batch_size=per_process(start.batch_size),
            learning_rate=start.learning_rate,
            logging_strategy="no",
            max_length=None,
        ),
        train_dataset=Dataset.from_list([_example(tokenizer, *pair) for pair in pairs]),
        processing_class=tokenizer,
        callbacks=[Bar("supervised start", start.steps, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    check_weights(policy, f"supervised start {start.id}")
    trainer.save_model(str(folder))
    shutil.rmtree(folder / "trainer", ignore_errors=True)


def _example(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str
) -> dict[str, list[int]]:
    """Token ids with a mask: the loss counts the completion alone."""
    head = prompt_tokens(tokenizer, prompt)
    tail = [*encode(tokenizer, completion), tokenizer.eos_token_id]
    return {
        "input_ids": head + tail,
        "completion_mask": [0] * len(head) + [1] * len(tail),
    }
