"""Scoring with recurrent policies, whose state after a prefix cannot be shared by a mask."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedModel

if TYPE_CHECKING:
    from companion.rlhf.scoring import PrefixTree

RECURRENT = ("rwkv",)  # by the name that transformers gives a family


class Branches:
    """Every branch of every prompt's tree as a row of its own, behind its prompt.

    A recurrent network reads from left to right and has no positions, so what fills a row up on
    its right changes nothing.

    Args:
        prompts: for each prompt, its tokens.
        trees: their completions.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], trees: Sequence["PrefixTree"]) -> None:
        texts: list[list[int]] = []
        self._places: list[tuple[torch.Tensor, torch.Tensor]] = []
        for prompt, tree in zip(prompts, trees, strict=True):
            branches = _branches(tree)
            places = [(0, len(prompt) - 1)] + [(-1, -1)] * len(tree.tokens)
            for i, branch in enumerate(branches):
                for node in branch:
                    places[node + 1] = (i, len(prompt) + int(tree.depths[node]))
            rows, columns = torch.tensor(places).T
            self._places.append((rows + len(texts), columns))
            texts += [[*prompt, *tree.tokens[branch].tolist()] for branch in branches]
        width = max(map(len, texts))
        self._ids = torch.tensor([text + [0] * (width - len(text)) for text in texts])

    def logits(self, policy: PreTrainedModel) -> list[torch.Tensor]:
        """For each prompt, (1 + nodes, vocabulary), as the rows of its tree."""
        found = policy(input_ids=self._ids.to(policy.device), use_cache=False).logits
        return [found[rows, columns] for rows, columns in self._places]


def _branches(tree: "PrefixTree") -> list[list[int]]:
    """The nodes from the prompt's end to each node without children; one is empty if all are."""
    parents = tree.parents.tolist()
    found = []
    for leaf in sorted(set(range(len(parents))) - set(parents)):
        branch = [leaf]
        while parents[branch[0]] >= 0:
            branch.insert(0, parents[branch[0]])
        found.append(branch)
    return found or [[]]
