"""What a record keeps of a trained policy: listed completions with probabilities, and samples."""

from collections.abc import Sequence

import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from companion.rlhf.experiment import Experiment
from companion.rlhf.sampling import Sampler
from companion.rlhf.scoring import Scorer, slow_bar
from companion.rlhf.tasks import SPLITS, get_task
from companion.rlhf.tokens import decode, prompt_tokens

_SEED = 2**20  # apart from the seeds of training
_ROWS = 64  # completions drawn at a time


def measured_prompts(
    experiment: Experiment, splits: Sequence[str] = SPLITS
) -> list[tuple[str, str]]:
    """(split, prompt) of every prompt that a run's policy is measured on, within ``splits``."""
    task = get_task(experiment.task)
    return [
        (split, prompt)
        for split in splits
        for prompt in _spread(task.prompts[split], experiment.measured_prompts)
    ]


def _spread(prompts: Sequence[str], count: int) -> list[str]:
    """``count`` prompts at equal steps, since neighbours are of one kind; all if it is 0."""
    if not 0 < count < len(prompts):
        return list(prompts)
    return [prompts[i * len(prompts) // count] for i in range(count)]


def distribution_table(
    experiment: Experiment,
    tokenizer: PreTrainedTokenizerBase,
    start: PreTrainedModel,
    final: PreTrainedModel,
    progress: bool = False,
) -> pd.DataFrame:
    """The listed completions of the measured prompts with log-probabilities under two policies.

    Returns:
        Columns ``split``, ``prompt``, ``completion``, ``label``, ``start_logprob``, ``logprob``.
    """
    task = get_task(experiment.task)
    asked = measured_prompts(experiment)
    completions = [task.completions(prompt) for _, prompt in asked]
    mixed = experiment.model is not None
    scorer = Scorer.of_texts(tokenizer, [prompt for _, prompt in asked], completions, mixed)
    with torch.no_grad():
        columns = [torch.cat(scorer.log_probabilities(p)).cpu() for p in (start, final)]
    rows = [
        (split, prompt, text, label)
        for (split, prompt), texts in zip(
            slow_bar(asked, "labels", progress), completions, strict=True
        )
        for text, label in zip(texts, task.behaviours([prompt] * len(texts), texts), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["split", "prompt", "completion", "label"])
    return table.assign(start_logprob=columns[0].numpy(), logprob=columns[1].numpy())


def sample_table(
    experiment: Experiment,
    tokenizer: PreTrainedTokenizerBase,
    policy: PreTrainedModel,
    splits: Sequence[str] = SPLITS,
) -> pd.DataFrame:
    """Completions drawn for the measured prompts of some splits, as texts with their labels.

    Returns:
        Columns ``split``, ``prompt``, ``completion``, ``label`` and ``count``, how often it came.
    """
    task = get_task(experiment.task)
    sampler = Sampler(
        policy, tokenizer.eos_token_id, experiment.max_new_tokens, experiment.model is not None
    )
    set_seed(_SEED + experiment.seed)
    rows = []
    asked = measured_prompts(experiment, splits)
    share = max(1, _ROWS // experiment.samples)
    for first in range(0, len(asked), share):
        part = asked[first : first + share]
        drawn = sampler.draw([prompt_tokens(tokenizer, p) for _, p in part], experiment.samples)
        for (split, prompt), group in zip(part, drawn, strict=True):
            rows += [(split, prompt, decode(tokenizer, tokens)) for tokens in group]
    columns = ["split", "prompt", "completion"]
    table = pd.DataFrame(rows, columns=columns).value_counts(columns, sort=False).reset_index()
    return table.assign(label=task.behaviours(list(table["prompt"]), list(table["completion"])))
