"""Distances between policies whose completions cannot all be listed, and distances per step.

Both need the trained weights: run the experiments with ``keep_policy=True``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from companion.errors import CompanionError
from companion.rlhf.policies import encode, load, quiet
from companion.rlhf.records import Record
from companion.rlhf.scoring import Scorer
from companion.rlhf.tasks import get_task


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
        samples: completions per prompt, even.
        seed: of the samples.

    Raises:
        CompanionError: if a record kept no policy, or its policy diverged.
        ValueError: for an odd number of samples, or fewer than two.
    """
    if samples < 2 or samples % 2:
        raise ValueError(f"samples: must be even and >= 2, is {samples}")
    prompts = get_task(a.experiment.task).prompts[split]
    length = a.experiment.max_new_tokens
    with quiet(offline=True, threads=1), torch.no_grad():
        policies, tokenizer = _both(a, b)
        set_seed(seed)
        terms = [
            term
            for prompt in prompts
            for term in mixture_terms(policies, tokenizer, prompt, samples, length)
        ]
    return empirical_bernstein(terms)


def mixture_terms(
    policies: tuple[PreTrainedModel, PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    samples: int,
    max_new_tokens: int,
) -> list[float]:
    """|p(y) - q(y)| / (p(y) + q(y)) for ``samples`` completions y, half from each policy."""
    head = encode(tokenizer, prompt)
    drawn = torch.cat(
        [_sample(policy, tokenizer, head, samples // 2, max_new_tokens) for policy in policies]
    )
    p, q = (_log_probabilities(policy, tokenizer, head, drawn) for policy in policies)
    return torch.tanh((p - q).abs() / 2).tolist()


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
        policies, tokenizer = _both(a, b)
        scorer = Scorer(tokenizer, prompts, [task.completions(p) for p in prompts])
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


def _both(
    a: Record, b: Record
) -> tuple[tuple[PreTrainedModel, PreTrainedModel], PreTrainedTokenizerBase]:
    for record in (a, b):
        if not record.experiment.keep_policy:
            raise CompanionError(f"{record.path}: kept no policy; run with keep_policy=True")
        if record.diverged_at is not None:
            raise CompanionError(f"{record.path}: diverged at step {record.diverged_at}")
    first, tokenizer = load(a.path / "policy")
    second, _ = load(b.path / "policy")
    return (first.eval(), second.eval()), tokenizer


def _sample(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    head: list[int],
    count: int,
    max_new_tokens: int,
) -> torch.Tensor:
    """(count, max_new_tokens) sampled tokens, padded after the end."""
    out: torch.Tensor = policy.generate(  # type: ignore[operator]
        input_ids=torch.tensor([head]),
        attention_mask=torch.ones(1, len(head), dtype=torch.long),
        do_sample=True,
        top_k=0,
        max_new_tokens=max_new_tokens,
        num_return_sequences=count,
        pad_token_id=tokenizer.pad_token_id,
    )[:, len(head) :]
    missing = max_new_tokens - out.shape[1]
    return torch.nn.functional.pad(out, (0, missing), value=tokenizer.pad_token_id)


def _log_probabilities(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    head: list[int],
    drawn: torch.Tensor,
) -> torch.Tensor:
    """(count,) log-probabilities of sampled completions up to and with their end token."""
    ids = torch.cat([torch.tensor([head]).expand(len(drawn), -1), drawn], dim=1)
    logits = policy(ids).logits[:, len(head) - 1 : -1]
    steps = torch.log_softmax(logits.double(), -1).gather(2, drawn[:, :, None])[:, :, 0]
    ended = (drawn == tokenizer.eos_token_id).cumsum(dim=1)
    after_the_end = (ended - (drawn == tokenizer.eos_token_id).long()) > 0
    return steps.masked_fill(after_the_end, 0.0).sum(dim=1)
