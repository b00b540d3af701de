"""Supervised starts: every run begins from demonstrations, as the paper's policies do."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase, PrinterCallback
from trl import SFTConfig, SFTTrainer

from companion.rlhf.experiment import Start
from companion.rlhf.policies import encode, new_policy, save, word_tokenizer
from companion.rlhf.tasks import get_task


def quiet_arguments(folder: Path, seed: int) -> dict[str, Any]:
    """Arguments that every trainer here shares: no reports, plain float32."""
    return {
        "output_dir": str(folder),
        "seed": seed,
        "use_cpu": True,
        "bf16": False,
        "fp16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def train_start(start: Start, folder: Path) -> None:
    """Train a policy on demonstrations and write it, with its tokenizer, to ``folder``."""
    task = get_task(start.task)
    tokenizer = word_tokenizer(task.texts())
    policy = new_policy(start.architecture, start.hidden_size, start.layers, tokenizer, start.seed)
    pairs = task.demonstrations(start.steps * start.batch_size, start.seed, start.traces)
    trainer = SFTTrainer(
        model=policy,
        args=SFTConfig(
            **quiet_arguments(folder, start.seed) | {"lr_scheduler_type": "linear"},
            max_steps=start.steps,
            per_device_train_batch_size=start.batch_size,
            learning_rate=start.learning_rate,
            logging_strategy="no",
            max_length=None,
        ),
        train_dataset=Dataset.from_list([_example(tokenizer, *pair) for pair in pairs]),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    save(policy, tokenizer, folder)


def _example(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str
) -> dict[str, list[int]]:
    """Token ids with a mask: the loss counts the completion alone."""
    head = encode(tokenizer, prompt)
    tail = [*encode(tokenizer, completion), tokenizer.eos_token_id]
    return {
        "input_ids": head + tail,
        "completion_mask": [0] * len(head) + [1] * len(tail),
    }
