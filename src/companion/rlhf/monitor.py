"""What is measured while a policy trains: exact behaviour masses, where they can be had."""

import json
import os
import time
from pathlib import Path

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from companion.rlhf.experiment import Experiment
from companion.rlhf.scoring import Scorer, slow_bar
from companion.rlhf.tasks import get_task

_SHARDED = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP")  # no process holds the policy


class Monitor:
    """Writes metrics as they come, for policies made from config with exact behaviour masses.

    A pretrained model writes anything; what it does is counted in its samples instead.
    """

    def __init__(
        self, experiment: Experiment, tokenizer: PreTrainedTokenizerBase, path: Path, bar: tqdm
    ) -> None:
        self._path = path
        self._bar = bar
        self.step = 0
        self._main = int(os.environ.get("RANK", "0")) == 0
        sharded = any(os.environ.get(name) == "true" for name in _SHARDED)
        self._exact = experiment.model is None and not sharded
        self._began = time.monotonic()
        if self._exact:
            task = get_task(experiment.task)
            prompts = experiment.prompts
            completions = [task.completions(p) for p in prompts]
            self._scorer = Scorer.of_texts(tokenizer, prompts, completions)
            asked = zip(slow_bar(prompts, "labels", not bar.disable), completions, strict=True)
            self._labels = [task.behaviours([p] * len(cs), cs) for p, cs in asked]
            self._names = task.labels

    def write(self, step: int, policy: PreTrainedModel, metrics: dict[str, float]) -> None:
        """Append one line: step, seconds, other metrics, exact masses of labels if they are had."""
        self._bar.update(step - self.step)
        self.step = step
        if not self._main:
            return
        line = {"step": step, "seconds": round(time.monotonic() - self._began, 3), **metrics}
        if self._exact:
            line |= self._masses(policy)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def resume(self, step: int) -> None:
        """Forget what was measured after the checkpoint at ``step``."""
        lines = self._path.read_text().splitlines()
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        self._path.write_text("".join(line + "\n" for line in kept))
        self._bar.update(step)
        self.step = step

    def _masses(self, policy: PreTrainedModel) -> dict[str, float]:
        with torch.no_grad():
            log_probabilities = self._scorer.log_probabilities(policy)
        masses = dict.fromkeys(self._names, 0.0)
        for labels, lps in zip(self._labels, log_probabilities, strict=True):
            for label, p in zip(labels, lps.exp().tolist(), strict=True):
                masses[label] += p / len(log_probabilities)
        outside = max(0.0, 1 - sum(masses.values()))
        return {**{f"mass/{k}": v for k, v in masses.items()}, "mass/outside": outside}
