"""Distances between policies whose completions cannot all be listed, and distances per step.

Both need the trained weights: run the experiments with ``keep_policy=True``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.measurement import measured_prompts
from companion.rlhf.policies import load
from companion.rlhf.quiet import quiet
from companion.rlhf.records import Record
from companion.rlhf.sampling import Sampler
from companion.rlhf.scoring import Scorer
from companion.rlhf.tasks import get_task
from companion.rlhf.tokens import prompt_tokens
from companion.rlhf.trainers import check_weights

_ROWS = 256  # completions drawn and scored at a time


@dataclass(frozen=True)
class Estimate:
    """An estimated distance with an interval that covers it with the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float
    samples: int


def estimated_distance(
    a: Record, b: Record, split: str = "train", samples: int = 64, seed: int = 0
) -> Estimate:
    """Total variation over whole completions, estimated from samples and averaged over prompts.

    Half of the samples come from each policy, that is from the mixture m = (p + q) / 2, under
    which TV = E_m |p - q| / (p + q). The terms lie in [0, 1] whatever the policies are.

    Args:
        a, b: records of one task that kept their policies.
        split: prompts to ask.
        samples: completions per prompt, even; of a pretrained model the measured prompts are asked.
        seed: of the samples.

    Raises:
        CompanionError: if a record kept no policy, or its policy diverged.
        ValueError: for an odd number of samples, or fewer than two.
    """
    return mixture_distance(a.experiment, _folders(a, b), split, samples, seed)


def mixture_distance(
    experiment: Experiment,
    folders: tuple[Path, Path],
    split: str = "train",
    samples: int = 64,
    seed: int = 0,
) -> Estimate:
    """``estimated_distance`` between two policies saved in folders.

    Args:
        experiment: of one of them; says how long completions are and which prompts are measured.
        folders: of the two policies.
        split, samples, seed: as ``estimated_distance`` has them.

    Raises:
        CompanionError: if a policy diverged.
        ValueError: for an odd number of samples, or fewer than two.
    """
    if samples < 2 or samples % 2:
        raise ValueError(f"samples: must be even and >= 2, is {samples}")
    asked = [prompt for part, prompt in measured_prompts(experiment) if part == split]
    with quiet(offline=True, threads=None if experiment.model else 1), torch.no_grad():
        policies, tokenizer = _both(experiment, folders)
        set_seed(seed)
        terms = mixture_terms(experiment, policies, tokenizer, asked, samples)
    return empirical_bernstein(terms)


def mixture_terms(
    experiment: Experiment,
    policies: tuple[PreTrainedModel, PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    samples: int,
) -> list[float]:
    """|p(y) - q(y)| / (p(y) + q(y)) for ``samples`` completions y a prompt, half of each policy."""
    mixed = experiment.model is not None
    eos, length = tokenizer.eos_token_id, experiment.max_new_tokens
    samplers = [Sampler(policy, eos, length, mixed) for policy in policies]
    heads = [prompt_tokens(tokenizer, prompt) for prompt in prompts]
    terms: list[float] = []
    share = max(1, _ROWS // samples)
    for first in range(0, len(heads), share):
        part = heads[first : first + share]
        halves = [sampler.draw(part, samples // 2) for sampler in samplers]
        drawn = [one + other for one, other in zip(*halves, strict=True)]
        distinct = [list(dict.fromkeys(group)) for group in drawn]
        scorer = Scorer(part, distinct, len(tokenizer), mixed)
        p, q = (scorer.log_probabilities(policy) for policy in policies)
        for group, kinds, one, other in zip(drawn, distinct, p, q, strict=True):
            term = dict(zip(kinds, torch.tanh((one - other).abs() / 2).tolist(), strict=True))
            terms += [term[sample] for sample in group]
    return terms


def empirical_bernstein(terms: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of independent terms in [0, 1] with the interval of Maurer and Pontil (2009, Thm 4).

    Raises:
        ValueError: for fewer than two terms, or terms that are not in [0, 1].
    """
    values = np.asarray(terms, dtype=float)
    if values.ndim != 1 or len(values) < 2 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("terms: must be two or more numbers in [0, 1]")
    n, mean = len(values), float(values.mean())
    log = math.log(4 / (1 - confidence))
    half = math.sqrt(2 * values.var(ddof=1) * log / n) + 7 * log / (3 * (n - 1))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), confidence, n)


def step_distance(a: Record, b: Record, split: str = "train") -> pd.DataFrame:
    """Exact total variation between next-token distributions, by step.

    Prefixes of the task's grammar are weighted by the mean of their probabilities under the two
    policies.

    Returns:
        Columns ``step`` (from 0), ``distance`` (mean over prefixes and prompts) and ``reached``
        (mass of the prefixes that the mean is over).
    """
    task = get_task(a.experiment.task)
    prompts = task.prompts[split]
    with quiet(offline=True, threads=1), torch.no_grad():
        policies, tokenizer = _both(a.experiment, _folders(a, b))
        scorer = Scorer.of_texts(tokenizer, prompts, [task.completions(p) for p in prompts])
        found = [scorer.next_tokens(policy) for policy in policies]
    rows: list[tuple[int, float, float]] = []
    for p, q in zip(*found, strict=True):
        distance = 0.5 * (p.probabilities - q.probabilities).abs().sum(dim=1)
        reach = (p.reach + q.reach) / 2
        rows += zip(p.depths.tolist(), distance.tolist(), reach.tolist(), strict=True)
    table = pd.DataFrame(rows, columns=["step", "distance", "reached"])
    table["distance"] *= table["reached"]
    sums = table.groupby("step", as_index=False).sum()
    sums["distance"] /= sums["reached"]
    sums["reached"] /= len(prompts)
    return sums


def _folders(a: Record, b: Record) -> tuple[Path, Path]:
    for record in (a, b):
        if not record.experiment.keep_policy:
            raise CompanionError(f"{record.path}: kept no policy; run with keep_policy=True")
        if record.diverged_at is not None:
            raise CompanionError(f"{record.path}: diverged at step {record.diverged_at}")
    return a.path / "policy", b.path / "policy"


def _both(
    experiment: Experiment, folders: tuple[Path, Path]
) -> tuple[tuple[PreTrainedModel, PreTrainedModel], PreTrainedTokenizerBase]:
    device = pick_hardware(experiment.accelerator).device
    first, tokenizer = load(folders[0], device)
    second, _ = load(folders[1], device)
    for folder, policy in zip(folders, (first, second), strict=True):
        check_weights(policy, str(folder))
    return (first.eval(), second.eval()), tokenizer
