"""Reinforcement learning from a supervised start: trl's trainers and the exact gradient."""

import json
import shutil
import time
from collections.abc import Callable, Sequence
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
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer

from companion.rlhf.experiment import Experiment
from companion.rlhf.policies import load
from companion.rlhf.scoring import Scorer
from companion.rlhf.sft import quiet_arguments
from companion.rlhf.tasks import Task, get_task

_STD_FLOOR = 1e-4  # what trl adds to the standard deviation it divides by


class Monitor:
    """Measures exact behaviour masses on the training prompts and writes metrics as they come."""

    def __init__(
        self, task: Task, tokenizer: PreTrainedTokenizerBase, path: Path, bar: tqdm
    ) -> None:
        prompts = task.prompts["train"]
        completions = [task.completions(p) for p in prompts]
        self.scorer = Scorer(tokenizer, prompts, completions)
        self._labels = [
            [task.behaviour(p, c) for c in cs] for p, cs in zip(prompts, completions, strict=True)
        ]
        self._names = task.labels
        self._path = path
        self._bar = bar
        self.step = 0
        self._began = time.monotonic()

    def write(self, step: int, policy: PreTrainedModel, metrics: dict[str, float]) -> None:
        """Append one line: step, seconds, exact masses of the labels, and other metrics."""
        line = {"step": step, "seconds": round(time.monotonic() - self._began, 3), **metrics}
        line |= self._masses(policy)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._bar.update(step - self.step)
        self.step = step

    def _masses(self, policy: PreTrainedModel) -> dict[str, float]:
        with torch.no_grad():
            log_probabilities = self.scorer.log_probabilities(policy)
        masses = dict.fromkeys(self._names, 0.0)
        for labels, lps in zip(self._labels, log_probabilities, strict=True):
            for label, p in zip(labels, lps.exp().tolist(), strict=True):
                masses[label] += p / len(log_probabilities)
        outside = max(0.0, 1 - sum(masses.values()))
        return {**{f"mass/{k}": v for k, v in masses.items()}, "mass/outside": outside}


def train(
    experiment: Experiment, start: Path, folder: Path, progress: bool = False
) -> PreTrainedModel:
    """Train from the policy saved in ``start``; metrics go to ``folder/metrics.jsonl``."""
    policy, tokenizer = load(start)
    task = get_task(experiment.task)
    with tqdm(total=experiment.steps, unit="step", disable=not progress) as bar:
        monitor = Monitor(task, tokenizer, folder / "metrics.jsonl", bar)
        set_seed(experiment.seed)
        if experiment.trainer == "exact":
            reference, _ = load(start)
            _train_exactly(experiment, policy, reference, monitor)
        else:
            monitor.write(0, policy, {})
            sampling_trainer(experiment, policy, tokenizer, folder, [_Log(monitor)]).train()
            shutil.rmtree(folder / "trainer", ignore_errors=True)
        if monitor.step < experiment.steps:
            monitor.write(experiment.steps, policy, {})
    return policy


def sampling_trainer(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> GRPOTrainer:
    """The trl trainer that an experiment asks for, ready to train ``policy``."""
    task = get_task(experiment.task)
    config = GRPOConfig(
        **quiet_arguments(folder / "trainer", experiment.seed),
        max_steps=experiment.steps,
        per_device_train_batch_size=experiment.batch_size,
        num_generations=experiment.group_size,
        max_completion_length=experiment.max_new_tokens,
        learning_rate=experiment.learning_rate,
        optim={"adam": "adamw_torch", "sgd": "sgd"}[experiment.optimizer],
        logging_steps=experiment.eval_every,
        beta=experiment.beta,
        scale_rewards=experiment.scale_rewards,
        loss_type=experiment.loss_type,
        multi_objective_aggregation=experiment.aggregation,
        entropy_coef=experiment.entropy_coef,
        reward_weights=list(experiment.rewards.values()),
    )
    trainer = GRPOTrainer(
        model=policy,
        args=config,
        reward_funcs=[_reward_function(task, name) for name in experiment.rewards],
        train_dataset=Dataset.from_dict({"prompt": list(task.prompts["train"])}),
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _reward_function(task: Task, name: str) -> Callable[..., list[float | None]]:
    def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float | None]:
        return [task.judge(name, p, c).score for p, c in zip(prompts, completions, strict=True)]

    reward.__name__ = name
    return reward


class _Log(TrainerCallback):
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
        if "train_runtime" in logs:
            return
        kept = {k: v for k, v in logs.items() if k in _KEPT or k.startswith("rewards/")}
        self._monitor.write(state.global_step, kw["model"], kept)


_KEPT = {"loss", "grad_norm", "reward", "reward_std", "kl", "entropy", "frac_reward_zero_std"}


def _train_exactly(
    experiment: Experiment, policy: PreTrainedModel, reference: PreTrainedModel, monitor: Monitor
) -> None:
    """Follow the gradient of E[reward] / scale - beta KL, summed over all completions.

    What lies outside the grammar counts as one event of reward 0.
    """
    task = get_task(experiment.task)
    prompts = task.prompts["train"]
    rewards = torch.tensor(
        [[task.reward(experiment.rewards, p, c) for c in task.completions(p)] for p in prompts],
        dtype=torch.float64,
    )
    with torch.no_grad():
        base = torch.stack(monitor.scorer.log_probabilities(reference))
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[experiment.optimizer](
        policy.parameters(), lr=experiment.learning_rate
    )
    policy.eval()
    for step in range(experiment.steps + 1):
        logp = torch.stack(monitor.scorer.log_probabilities(policy))
        expected, divergence = expected_reward(logp, rewards), exact_kl(logp, base)
        if step % experiment.eval_every == 0 or step == experiment.steps:
            metrics = {"reward": expected.mean().item(), "kl": divergence.mean().item()}
            monitor.write(step, policy, metrics)
        if step == experiment.steps:
            break
        scale = reward_scale(logp.detach(), rewards, experiment.scale_rewards)
        loss = (experiment.beta * divergence - expected / scale).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
        optimizer.step()


def expected_reward(logp: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
    """(prompts,) expected reward from (prompts, completions) log-probabilities and rewards."""
    return (logp.exp() * rewards).sum(dim=1)


def exact_kl(logp: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """(prompts,) KL divergence from ``base``, everything unscored merged into one event."""
    rest, rest_base = (_log_rest(x) for x in (logp, base))
    return (logp.exp() * (logp - base)).sum(dim=1) + rest.exp() * (rest - rest_base)


def _log_rest(logp: torch.Tensor) -> torch.Tensor:
    return torch.log((1 - logp.exp().sum(dim=1)).clamp_min(1e-12))


def reward_scale(logp: torch.Tensor, rewards: torch.Tensor, kind: str) -> torch.Tensor:
    """What advantages are divided by: (prompts,) for ``group``, () for ``batch``, 1 for ``none``.

    The standard deviations are exact under the policy, plus trl's 1e-4.
    """
    if kind == "none":
        return torch.ones((), dtype=logp.dtype)
    mean, square = expected_reward(logp, rewards), expected_reward(logp, rewards**2)
    if kind == "batch":
        mean, square = mean.mean(), square.mean()
    return (square - mean**2).clamp_min(0).sqrt() + _STD_FLOOR
