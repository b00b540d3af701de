"""Supervised fine-tuning of a pretrained model, scored at the completions' tokens alone.

trl's SFTTrainer computes logits at every position; with a vocabulary of 49 thousand words and
short replies to longer prompts most of the time would go there.
"""

from collections.abc import Sequence

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from companion.errors import CompanionError
from companion.rlhf.optimizers import descend
from companion.rlhf.scoring import Scorer


def fine_tune(
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    batch_size: int,
    learning_rate: float,
    progress: bool = False,
) -> list[float]:
    """Train a policy in place on (prompt, completion) pairs, once through, in their order.

    Adam with a learning rate that falls to 0 linearly; the loss is the mean over tokens.

    Returns:
        The loss of each step, in nats a token.

    Raises:
        CompanionError: if a loss is not finite.
    """
    optimizer = torch.optim.Adam(policy.parameters(), lr=learning_rate, fused=True)
    starts = range(0, len(pairs), batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=len(starts))
    losses: list[float] = []
    policy.train()
    for first in tqdm(starts, desc="supervised start", unit="step", disable=not progress):
        batch = pairs[first : first + batch_size]
        prompts = list(dict.fromkeys(prompt for prompt, _ in batch))
        replies = [[c for p, c in batch if p == prompt] for prompt in prompts]
        scorer = Scorer.of_texts(tokenizer, prompts, replies, mixed=True)
        total = torch.cat(scorer.log_probabilities(policy)).sum()
        loss = -total / scorer.tokens
        losses.append(loss.item())
        if not torch.isfinite(loss):
            raise CompanionError(
                f"supervised start: the loss is {losses[-1]} at step {len(losses)}"
            )
        descend(policy, optimizer, loss)
        schedule.step()
    policy.eval()
    return losses
