"""Scoring with recurrent policies, whose state after a prefix cannot be shared by a mask."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

from companion.rlhf.compat import LayerStates

if TYPE_CHECKING:
    from companion.rlhf.scoring import PrefixTree

_LEAST = 2  # tokens of a row: transformers' RWKV reads single tokens of several rows wrongly


class Branches:
    """Prompts that are read once, and every branch of their trees as a row of its own behind them.

    A recurrent network reads from left to right and has no positions, so what fills a row up on
    its right changes nothing.

    Args:
        prompts: for each prompt, its tokens.
        trees: their completions.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], trees: Sequence["PrefixTree"]) -> None:
        grouped = _alike(prompts)
        self._prompts = [torch.tensor([list(prompts[i]) for i in group]) for group in grouped]
        order = {i: row for row, i in enumerate(i for group in grouped for i in group)}
        texts: list[list[int]] = []
        owners: list[int] = []
        self._places: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        for i, tree in enumerate(trees):
            branches = _branches(tree)
            row = torch.zeros(len(tree.tokens), dtype=torch.long)
            for number, branch in enumerate(branches, start=len(texts)):
                row[branch] = number
            self._places.append((order[i], row, tree.depths))
            texts += [tree.tokens[branch].tolist() for branch in branches]
            owners += [order[i]] * len(branches)
        width = max(_LEAST, *map(len, texts), 0)
        padded = [text + [0] * (width - len(text)) for text in texts]
        self._ids = torch.tensor(padded, dtype=torch.long).reshape(len(texts), width)
        self._owners = torch.tensor(owners, dtype=torch.long)

    def logits(self, policy: PreTrainedModel) -> list[torch.Tensor]:
        """For each prompt, (1 + nodes, vocabulary), as the rows of its tree."""
        states = [LayerStates.initial(policy, len(ids)) for ids in self._prompts]
        read = [_read(policy, *both) for both in zip(self._prompts, states, strict=True)]
        ends = torch.cat([logits[:, -1] for logits in read])
        if not self._ids.numel():
            return [ends[[place]] for place, _, _ in self._places]
        state = LayerStates.joined(states, self._owners.to(policy.device))
        found = _read(policy, self._ids, state)
        return [
            torch.cat([ends[[place]], found[rows, columns]])
            for place, rows, columns in self._places
        ]


def _read(policy: PreTrainedModel, ids: torch.Tensor, state: list[LayerStates]) -> torch.Tensor:
    """(rows, tokens, vocabulary) logits of texts read on from a state, which goes to their ends."""
    logits: torch.Tensor
    logits = policy(input_ids=ids.to(policy.device), state=state, use_cache=False).logits
    return logits


def _alike(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The numbers of the prompts of equal length; those of a single token each by itself."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, prompt in enumerate(prompts):
        groups.setdefault((len(prompt), 0 if len(prompt) >= _LEAST else i), []).append(i)
    return list(groups.values())


def _branches(tree: "PrefixTree") -> list[list[int]]:
    """The nodes from the prompt's end to each node without children."""
    parents = tree.parents.tolist()
    found = []
    for leaf in sorted(set(range(len(parents))) - set(parents)):
        branch = [leaf]
        while parents[branch[0]] >= 0:
            branch.insert(0, parents[branch[0]])
        found.append(branch)
    return found
