"""What is measured while a policy trains: exact behaviour masses, where they can be had."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from companion.rlhf.experiment import Experiment
from companion.rlhf.ranks import rank
from companion.rlhf.scoring import Scorer, slow_bar
from companion.rlhf.tasks import get_task
from companion.rlhf.trainers import finite

_SHARDED = ("ACCELERATE_USE_DEEPSPEED", "ACCELERATE_USE_FSDP")  # no process holds the policy


class Diverged(Exception):
    """The policy's probabilities are no numbers any more."""

    def __init__(self, step: int) -> None:
        super().__init__(f"diverged at step {step}")
        self.step = step


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
        self._main = rank() == 0
        self._sharded = any(os.environ.get(name) == "true" for name in _SHARDED)
        self._exact = experiment.model is None and not self._sharded
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
        """Append one line: step, seconds, other metrics, exact masses of labels if they are had.

        Raises:
            Diverged: if a weight, a mass or the loss is not a finite number; the line is written
                all the same.
        """
        self._bar.update(step - self.step)
        self.step = step
        if not self._main:
            return
        line = {"step": step, "seconds": round(time.monotonic() - self._began, 3), **metrics}
        sound = self._sharded or finite(policy)
        if self._exact:
            line |= self._masses(policy) if sound else self._no_masses()
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        vital = [value for name, value in line.items() if name.startswith("mass/")]
        if not (sound and np.isfinite([*vital, line.get("loss", 0.0)]).all()):
            raise Diverged(step)

    def check(self, step: int, policy: PreTrainedModel) -> None:
        """Write a line that ends the run if a weight is not a finite number.

        Raises:
            Diverged: then.
        """
        if not finite(policy):
            self.write(step, policy, {})

    def resume(self, step: int) -> None:
        """Forget what was measured after the checkpoint at ``step``."""
        kept = [line for line in whole_lines(self._path) if line["step"] <= step]
        part = self._path.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(part, self._path)
        self._bar.update(step)
        self.step = step

    def _no_masses(self) -> dict[str, float]:
        return {f"mass/{name}": math.nan for name in (*self._names, "outside")}

    def _masses(self, policy: PreTrainedModel) -> dict[str, float]:
        with torch.no_grad():
            log_probabilities = self._scorer.log_probabilities(policy)
        masses = dict.fromkeys(self._names, 0.0)
        for labels, lps in zip(self._labels, log_probabilities, strict=True):
            for label, p in zip(labels, lps.exp().tolist(), strict=True):
                masses[label] += p / len(log_probabilities)
        outside = float(np.maximum(0.0, 1 - sum(masses.values())))  # NaN stays NaN
        return {**{f"mass/{k}": v for k, v in masses.items()}, "mass/outside": outside}


def whole_lines(metrics: Path) -> list[dict[str, Any]]:
    """The measurements of a file up to the first line that a full disk or a kill cut short."""
    lines: list[dict[str, Any]] = []
    for text in metrics.read_text().splitlines() if metrics.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:
            break
        if not isinstance(line, dict) or "step" not in line:
            break
        lines.append(line)
    return lines
