"""Supervised starts: every run begins from demonstrations, as the paper's policies do."""

import json
import shutil
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
)
from trl import SFTConfig, SFTTrainer

from companion.rlhf.experiment import Start
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.policies import new_policy, pretrained
from companion.rlhf.supervised import fine_tune
from companion.rlhf.tasks import get_task
from companion.rlhf.tokens import encode, prompt_tokens, word_tokenizer
from companion.rlhf.trainers import Bar, check_weights, per_process, quiet_arguments
from companion.rlhf.weights import ORIGIN


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
