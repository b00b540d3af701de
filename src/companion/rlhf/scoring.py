"""Exact probabilities of all completions of a prompt, in one pass that shares their prefixes.

The completions form a tree of tokens. Prompt and tree go through the policy as one sequence in
which every node attends to the prompt and to its own ancestors only, so a prefix that many
completions share is computed once. A recurrent policy cannot attend; it reads every branch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from companion.rlhf.hardware import autocast
from companion.rlhf.recurrent import Branches
from companion.rlhf.tiers import RECURRENT
from companion.rlhf.tokens import encode, prompt_tokens

T = TypeVar("T")

_PROMPTS_PER_PASS = 64
_LOGITS_PER_PASS = 2**27  # 1 GiB in double precision


@dataclass(frozen=True)
class NextTokens:
    """Next-token distributions at every prefix of a prompt's completions.

    Attributes:
        probabilities: (prefixes, vocabulary).
        depths: (prefixes,) number of tokens in the prefix.
        reach: (prefixes,) probability of the prefix.
    """

    probabilities: torch.Tensor
    depths: torch.Tensor
    reach: torch.Tensor


@dataclass(frozen=True)
class PrefixTree:
    """Completions as a tree. Row 0 stands for the prompt's end, row i > 0 for node i - 1.

    Attributes:
        tokens: (nodes,) token of each node that has children.
        parents: (nodes,) the node before it, -1 for the prompt's end.
        depths: (nodes,) distance of a node from the prompt's end, counted from 0.
        ancestors: (nodes, nodes) whether the row's node sees the column's (itself included).
        rows, targets, owners: (steps,) each token of each completion: the row that predicts it,
            the token, and the completion's number.
        size: number of completions.
    """

    tokens: torch.Tensor
    parents: torch.Tensor
    depths: torch.Tensor
    ancestors: torch.Tensor
    rows: torch.Tensor
    targets: torch.Tensor
    owners: torch.Tensor
    size: int

    def collect(self, rows: torch.Tensor) -> torch.Tensor:
        """(completions,) log-probabilities from (1 + nodes, vocabulary) next-token ones."""
        device = rows.device
        steps = rows[self.rows.to(device), self.targets.to(device)]
        total = torch.zeros(self.size, dtype=rows.dtype, device=device)
        return total.index_add(0, self.owners.to(device), steps)

    def next_tokens(self, rows: torch.Tensor) -> NextTokens:
        """The distributions at every prefix, with the prefix's own probability."""
        reach = torch.zeros(len(rows), dtype=rows.dtype, device=rows.device)
        for node, (token, parent) in enumerate(
            zip(self.tokens.tolist(), self.parents.tolist(), strict=True)
        ):
            reach[node + 1] = reach[parent + 1] + rows[parent + 1, token]
        depths = torch.cat([torch.zeros(1, dtype=torch.long), self.depths + 1])
        return NextTokens(rows.exp(), depths, reach.exp())


def prefix_tree(sequences: Sequence[Sequence[int]]) -> PrefixTree:
    """Build the tree of token sequences; each ends with the end-of-sequence token."""
    index: dict[tuple[int, ...], int] = {(): 0}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    steps: list[tuple[int, int, int]] = []
    for owner, sequence in enumerate(sequences):
        row = 0
        for depth, token in enumerate(sequence):
            steps.append((row, token, owner))
            if depth == len(sequence) - 1:
                break
            prefix = tuple(sequence[: depth + 1])
            if prefix not in index:
                index[prefix] = len(tokens) + 1
                tokens.append(token)
                parents.append(row - 1)
                depths.append(depth)
            row = index[prefix]
    ancestors = torch.eye(len(tokens), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            ancestors[node] |= ancestors[parent]
    rows, targets, owners = (torch.tensor(column) for column in zip(*steps, strict=True))
    return PrefixTree(
        torch.tensor(tokens, dtype=torch.long),
        torch.tensor(parents, dtype=torch.long),
        torch.tensor(depths, dtype=torch.long),
        ancestors,
        rows,
        targets,
        owners,
        len(sequences),
    )


class Scorer:
    """Scores fixed sets of completions for fixed prompts; made once, called per policy.

    Args:
        prompts: for each prompt, its tokens.
        completions: for each prompt, the completions to score, as tokens with the end token (one
            that was cut has none).
        size: of the policies' vocabulary.
        mixed: whether matrix products may be rounded, see ``hardware.autocast``.
    """

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[Sequence[int]]],
        size: int,
        mixed: bool = False,
    ) -> None:
        self.tokens = sum(len(sequence) for group in completions for sequence in group)
        tree = cache(prefix_tree)
        self._trees = [tree(tuple(map(tuple, sequences))) for sequences in completions]
        rows = 1 + max(len(tree.tokens) for tree in self._trees)
        share = min(_PROMPTS_PER_PASS, max(1, _LOGITS_PER_PASS // (rows * size)))
        self._batches = [
            _Batch(prompts[i : i + share], self._trees[i : i + share], mixed)
            for i in range(0, len(prompts), share)
        ]

    @classmethod
    def of_texts(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Sequence[str],
        completions: Sequence[Sequence[str]],
        mixed: bool = False,
    ) -> "Scorer":
        """A scorer of prompts and completions given as texts."""
        eos = tokenizer.eos_token_id
        tokens = cache(lambda text: (*encode(tokenizer, text), eos))
        sequences = [[tokens(text) for text in texts] for texts in completions]
        heads = [prompt_tokens(tokenizer, prompt) for prompt in prompts]
        return cls(heads, sequences, len(tokenizer), mixed)

    def log_probabilities(self, policy: PreTrainedModel) -> list[torch.Tensor]:
        """For each prompt, (completions,) log-probabilities, differentiable in the policy."""
        return [
            tree.collect(rows) for batch in self._batches for tree, rows in batch.log_rows(policy)
        ]

    def next_tokens(self, policy: PreTrainedModel) -> list[NextTokens]:
        """For each prompt, what the policy would write next after every prefix."""
        return [
            tree.next_tokens(rows)
            for batch in self._batches
            for tree, rows in batch.log_rows(policy)
        ]


def slow_bar(prompts: Sequence[T], name: str, progress: bool) -> Iterator[T]:
    """Go through prompts; a bar appears where that takes seconds, as running programs does."""
    return iter(tqdm(prompts, desc=name, unit="prompt", delay=2, disable=not progress))


class _Batch:
    def __init__(
        self, prompts: Sequence[Sequence[int]], trees: Sequence[PrefixTree], mixed: bool
    ) -> None:
        width = max(map(len, prompts))
        nodes = max(len(tree.tokens) for tree in trees)
        length = width + nodes
        ids = torch.zeros(len(prompts), length, dtype=torch.long)  # what is not visible: any token
        positions = torch.zeros(len(prompts), length, dtype=torch.long)
        visible = torch.eye(length, dtype=torch.bool).repeat(len(prompts), 1, 1)
        for i, (prompt, tree) in enumerate(zip(prompts, trees, strict=True)):
            first, n, size = width - len(prompt), len(prompt), len(tree.tokens)
            ids[i, first:width] = torch.tensor(list(prompt))
            ids[i, width : width + size] = tree.tokens
            positions[i, first:width] = torch.arange(n)
            positions[i, width : width + size] = n + tree.depths
            visible[i, first:width, first:width] = torch.ones(n, n).tril().bool()
            visible[i, width : width + size, first:width] = True
            visible[i, width : width + size, width : width + size] = tree.ancestors
        self._ids, self._positions = ids, positions
        self._visible, self._width, self._trees = visible, width, trees
        self._mixed = mixed
        self._branches = cache(partial(Branches, prompts, trees))

    def log_rows(self, policy: PreTrainedModel) -> list[tuple[PrefixTree, torch.Tensor]]:
        """Each tree with its (1 + nodes, vocabulary) next-token log-probabilities."""
        recurrent = policy.config.model_type in RECURRENT
        with autocast(policy.device, self._mixed):
            logits = self._branches().logits(policy) if recurrent else self._attended(policy)
        exact = torch.float32 if self._mixed else torch.float64
        return [
            (tree, torch.log_softmax(found[: 1 + len(tree.tokens)].to(exact), dim=-1))
            for tree, found in zip(self._trees, logits, strict=True)
        ]

    def _attended(self, policy: PreTrainedModel) -> torch.Tensor:
        """(prompts, 1 + nodes, vocabulary); a tree with fewer nodes has rows without meaning."""
        device = policy.device
        logits: torch.Tensor = policy(
            input_ids=self._ids.to(device),
            position_ids=self._positions.to(device),
            attention_mask=self._visible.to(device)[:, None],
            use_cache=False,
            logits_to_keep=self._ids.shape[1] - self._width + 1,
        ).logits
        return logits
