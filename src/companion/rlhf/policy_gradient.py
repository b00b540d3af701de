"""The policy gradient with samples, at a cost that a pretrained model on a laptop allows.

What GRPO computes when each batch is used once: samples of the present policy, advantages above
their group's mean, no ratio to clip. Samples that repeat are scored once, and the completions of a
prompt share its tokens. KL(policy ‖ start) is part of the reward of a whole completion, as in
trl's RLOO and in the theory (fact 6).
"""

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from companion.rlhf.experiment import Experiment
from companion.rlhf.monitor import Diverged, Monitor
from companion.rlhf.optimizers import descend, optimizer_of
from companion.rlhf.rewards import Rewards
from companion.rlhf.sampling import Sampler, Tokens
from companion.rlhf.scoring import Scorer
from companion.rlhf.tasks import get_task
from companion.rlhf.tokens import decode, prompt_tokens
from companion.theory.normalised import GUARD


def train_by_policy_gradient(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Rewards,
    monitor: Monitor,
) -> None:
    """Train ``policy`` in place; metrics of a batch, before its step, go to the monitor.

    Raises:
        Diverged: if a loss or a weight is not a finite number.
    """
    mixed = experiment.model is not None
    sampler = Sampler(policy, tokenizer.eos_token_id, experiment.max_new_tokens, mixed)
    reference = copy.deepcopy(policy) if experiment.beta else None
    optimizer = optimizer_of(experiment, policy)
    heads = {p: prompt_tokens(tokenizer, p) for p in experiment.prompts}
    batches = _batches(experiment)
    policy.eval()
    for number in range(experiment.steps):
        monitor.check(number, policy)  # sampling would draw tokens that are none
        prompts = next(batches)
        drawn = sampler.draw([heads[p] for p in prompts], experiment.group_size)
        texts = [[decode(tokenizer, sample) for sample in group] for group in drawn]
        worth = rewards.totals(prompts, texts).to(policy.device)
        facts = {"reward": worth.mean().item()}
        distinct = [list(dict.fromkeys(group)) for group in drawn]
        scorer = Scorer([heads[p] for p in prompts], distinct, len(tokenizer), mixed)
        logp = scorer.log_probabilities(policy)
        if reference is not None:
            with torch.no_grad():
                base = scorer.log_probabilities(reference)
            ratios = [(a.detach() - b) for a, b in zip(logp, base, strict=True)]
            per_sample = _of_samples(ratios, distinct, drawn)
            worth = worth - experiment.beta * per_sample
            facts["kl"] = per_sample.mean().item()
        advantages = advantages_of(worth, experiment.scale_rewards)
        loss = -(advantages * _of_samples(logp, distinct, drawn)).mean()
        if number % experiment.eval_every == 0:
            facts |= _shares(experiment, prompts, texts)
            monitor.write(number, policy, facts | rewards.gate())
        if not torch.isfinite(loss):
            raise Diverged(number)
        descend(policy, optimizer, loss)
    monitor.write(experiment.steps, policy, rewards.gate())


def advantages_of(worth: torch.Tensor, scale: str) -> torch.Tensor:
    """(prompts, samples) worth above the group's mean, divided as trl's ``scale_rewards`` says."""
    above = worth - worth.mean(dim=1, keepdim=True)
    if scale == "group":
        return above / (worth.std(dim=1, keepdim=True) + GUARD)
    if scale == "batch":
        return above / (worth.std() + GUARD)
    return above


def _of_samples(
    values: Sequence[torch.Tensor],
    distinct: Sequence[Sequence[Tokens]],
    drawn: Sequence[Sequence[Tokens]],
) -> torch.Tensor:
    """(prompts, samples) from one value for each distinct sample of a prompt."""
    rows = []
    for value, kinds, samples in zip(values, distinct, drawn, strict=True):
        place = {kind: i for i, kind in enumerate(kinds)}
        rows.append(value[torch.tensor([place[s] for s in samples], device=value.device)])
    return torch.stack(rows)


def _batches(experiment: Experiment) -> Iterator[list[str]]:
    """Prompts for each step: all of them in random order, again and again."""
    size = experiment.batch_size // experiment.group_size
    rng = random.Random(f"prompts/{experiment.seed}")
    queue: list[str] = []
    while True:
        while len(queue) < size:
            queue += rng.sample(experiment.prompts, len(experiment.prompts))
        yield queue[:size]
        del queue[:size]


def _shares(
    experiment: Experiment, prompts: Sequence[str], texts: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Share of each behaviour label among the samples of a batch, as ``share/label``."""
    task = get_task(experiment.task)
    asked = [p for p, group in zip(prompts, texts, strict=True) for _ in group]
    counts = Counter(task.behaviours(asked, [text for group in texts for text in group]))
    return {f"share/{label}": counts[label] / experiment.batch_size for label in task.labels}
