"""Reward models learned from biased preferences (Bradley-Terry, trl's RewardTrainer)."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    PrinterCallback,
)
from trl import RewardConfig, RewardTrainer

from companion.rlhf.experiment import RewardModel
from companion.rlhf.policies import policy_config, pretrained
from companion.rlhf.tasks import get_task
from companion.rlhf.tokens import encode, prompt_tokens, word_tokenizer
from companion.rlhf.trainers import Bar, check_weights, quiet_arguments


def train_reward_model(spec: RewardModel, folder: Path, progress: bool = False) -> None:
    """Train a reward model on preferences and write it, with its tokenizer, to ``folder``."""
    task = get_task(spec.task)
    assert task.preferences is not None
    torch.manual_seed(spec.seed)
    model, tokenizer = _untrained(spec, progress)
    pairs = task.preferences(spec.pairs, spec.seed, spec.bias)
    texts = {(prompt, reply) for prompt, *replies in pairs for reply in replies}
    ids = {text: _ids(tokenizer, *text) for text in texts}
    rows = [
        {"chosen_ids": ids[prompt, chosen], "rejected_ids": ids[prompt, rejected]}
        for prompt, chosen, rejected in pairs
    ]
    trainer = RewardTrainer(
        model=model,
        args=RewardConfig(
            **quiet_arguments(folder / "trainer", spec.seed, spec.accelerator)
            | {"lr_scheduler_type": "linear"},
            max_steps=spec.steps,
            per_device_train_batch_size=spec.batch_size,
            learning_rate=spec.learning_rate,
            logging_strategy="no",
            max_length=None,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Bar("reward model", spec.steps, progress)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    check_weights(model, f"reward model {spec.id}")
    trainer.save_model(str(folder))
    shutil.rmtree(folder / "trainer", ignore_errors=True)


def _untrained(
    spec: RewardModel, progress: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model before its training: from config, or a pretrained one with a new head."""
    if spec.model is not None:
        kind = AutoModelForSequenceClassification
        model, tokenizer, _ = pretrained(spec.model, progress, kind, num_labels=1)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model, tokenizer
    tokenizer = word_tokenizer(get_task(spec.task).texts())
    config = policy_config("llama", spec.hidden_size, spec.layers, tokenizer)
    config.num_labels = 1
    config.initializer_range = spec.initializer_range
    return AutoModelForSequenceClassification.from_config(config), tokenizer


class LearnedReward:
    """Scores texts by a reward model saved in a folder; each pair of texts once."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self._model = AutoModelForSequenceClassification.from_pretrained(
            str(folder), dtype=torch.float32
        ).eval()
        torch.nn.Module.to(self._model, device)
        self._tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
        self._known: dict[tuple[str, str], float] = {}

    def __call__(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """Score of each completion; its tokenizer must read them."""
        pairs = list(zip(prompts, completions, strict=True))
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self._known]
        if new:
            batch = self._tokenizer.pad(
                {"input_ids": [_ids(self._tokenizer, *pair) for pair in new]}, return_tensors="pt"
            ).to(self._model.device)
            with torch.no_grad():
                logits = self._model(
                    input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
                ).logits[:, 0]
            self._known.update(zip(new, logits.tolist(), strict=True))
        return [self._known[pair] for pair in pairs]


def _ids(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> list[int]:
    return [
        *prompt_tokens(tokenizer, prompt),
        *encode(tokenizer, completion),
        tokenizer.eos_token_id,
    ]
