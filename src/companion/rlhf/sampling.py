"""Sampling whole completions from a policy: prompts read once, then a token at a time.

The keys and values of the prompts are computed once per prompt and shared by its completions. On
a GPU the one-token step is captured as a CUDA graph, since launching its kernels one by one would
take longer than computing them; there every row is computed to the end. A CPU leaves out the rows
that have ended.
"""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache, DynamicCache, PreTrainedModel
from transformers.cache_utils import StaticLayer

from companion.rlhf.compat import set_lengths
from companion.rlhf.hardware import autocast

Tokens = tuple[int, ...]

_WORTH = 0.25  # of the rows: to leave out fewer takes longer than to compute them


class Sampler:
    """Draws completions of one policy at temperature 1; its weights may change between calls.

    Args:
        policy: a causal language model.
        eos: token that ends a completion.
        max_new_tokens: after which a completion is cut.
        mixed: whether matrix products may be rounded, see ``hardware.autocast``.
    """

    def __init__(
        self, policy: PreTrainedModel, eos: int, max_new_tokens: int, mixed: bool = False
    ) -> None:
        self._policy, self._eos, self._length = policy, eos, max_new_tokens
        self._mixed = mixed
        self._steps: dict[tuple[int, int], _Step] = {}

    @torch.no_grad()
    def draw(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[Tokens]]:
        """Completions of each prompt, ``count`` of each, as tokens; the end token is included.

        A completion without it was cut at ``max_new_tokens``. Randomness is torch's own.
        """
        device = self._policy.device
        lengths = torch.tensor([len(p) for p in prompts], device=device)
        width = -(-int(lengths.max()) // 32) * 32  # few distinct widths: few graphs
        ids = torch.full((len(prompts), width), self._eos, device=device)
        for row, prompt in zip(ids, prompts, strict=True):
            row[width - len(prompt) :] = torch.tensor(list(prompt), device=device)
        with autocast(device, self._mixed):  # on a CPU the rounded weights serve all tokens
            return self._draw(ids, lengths, count)

    def _draw(self, ids: torch.Tensor, lengths: torch.Tensor, count: int) -> list[list[Tokens]]:
        device = ids.device
        logits, cache = self._read(ids, lengths)
        step = self._step(len(ids) * count, ids.shape[1])
        step.begin(cache, lengths, count)
        drawn = torch.full((len(ids) * count, self._length), self._eos, device=device)
        rows = torch.arange(len(drawn), device=device)  # those that are computed
        ended = torch.zeros(len(drawn), dtype=torch.bool, device=device)  # which of them are idle
        logits = logits.repeat_interleave(count, dim=0)
        for t in range(self._length):
            token = _one_of(torch.softmax(logits.float(), dim=-1))
            drawn[rows, t] = torch.where(ended, self._eos, token)
            ended |= token == self._eos
            if t == self._length - 1 or bool(ended.all()):
                break
            if device.type == "cpu" and ended.float().mean() >= _WORTH:
                step.keep(~ended)
                rows, token, ended = rows[~ended], token[~ended], ended[~ended]
            logits = step.advance(token, t)
        texts = [self._cut(row) for row in drawn.tolist()]
        return [texts[i : i + count] for i in range(0, len(texts), count)]

    def _cut(self, row: list[int]) -> Tokens:
        end = row.index(self._eos) + 1 if self._eos in row else len(row)
        return tuple(row[:end])

    def _read(self, ids: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, DynamicCache]:
        """Next-token logits after left-padded prompts, and their keys and values."""
        width = ids.shape[1]
        place = torch.arange(width, device=ids.device)
        real = place >= width - lengths[:, None]
        causal = place[:, None] >= place
        itself = torch.eye(width, dtype=torch.bool, device=ids.device)
        cache = DynamicCache()
        out = self._policy(
            input_ids=ids,
            position_ids=(place - (width - lengths[:, None])).clamp_min(0),
            attention_mask=((causal & real[:, None]) | itself)[:, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1], cache

    def _step(self, rows: int, width: int) -> "_Step":
        if self._policy.device.type == "cpu":  # it loses rows on the way
            return _Step(self._policy, rows, width, self._length, self._mixed)
        if (rows, width) not in self._steps:
            self._steps[rows, width] = _Step(self._policy, rows, width, self._length, self._mixed)
        return self._steps[rows, width]


def _one_of(probabilities: torch.Tensor) -> torch.Tensor:
    """A column drawn for each row; torch.multinomial takes ten times as long on a CPU."""
    ends = probabilities.double().cumsum(dim=1)
    point = torch.rand(len(ends), 1, dtype=ends.dtype, device=ends.device) * ends[:, -1:]
    place = torch.searchsorted(ends, point, right=True)[:, 0]
    return place.clamp_max(ends.shape[1] - 1)  # not a number lies nowhere: its loss will say so


class _Layer(StaticLayer):
    """Keys and values of one precision: rounded products leave the values with less."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append, as ``StaticLayer`` does."""
        return super().update(key_states, value_states.to(key_states.dtype), *args, **kwargs)


class _Step:
    """One more token for a fixed number of rows, in tensors that stay where they are."""

    def __init__(
        self, policy: PreTrainedModel, rows: int, width: int, length: int, mixed: bool
    ) -> None:
        device = policy.device
        self._policy, self._width, self._mixed = policy, width, mixed
        self._layers = [_Layer(width + length) for _ in range(policy.config.num_hidden_layers)]
        self._cache = Cache(layers=list(self._layers))
        self._tokens = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._positions = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self._visible = torch.zeros(rows, 1, 1, width + length, dtype=torch.bool, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logits: torch.Tensor | None = None
        self._graphs = device.type == "cuda"

    def begin(self, prompts: Any, lengths: torch.Tensor, count: int) -> None:
        """Take over the prompts' keys and values, each for ``count`` rows."""
        for ours, theirs in zip(self._layers, prompts.layers, strict=True):
            keys, values = (x.repeat_interleave(count, dim=0) for x in (theirs.keys, theirs.values))
            if not ours.is_initialized:
                ours.lazy_initialization(keys, values)
            assert ours.keys is not None
            assert ours.values is not None
            ours.keys[:, :, : self._width].copy_(keys)
            ours.values[:, :, : self._width].copy_(values)
        lengths = lengths.repeat_interleave(count)
        place = torch.arange(self._width, device=lengths.device)
        self._visible.zero_()
        self._visible[:, 0, 0, : self._width] = place >= self._width - lengths[:, None]
        self._positions.copy_(lengths[:, None] - 1)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with some rows alone, given as a mask; on a CPU, as a graph has fixed tensors."""
        for layer in self._layers:
            assert layer.keys is not None
            assert layer.values is not None
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]
        self._tokens, self._positions = self._tokens[rows], self._positions[rows]
        self._visible = self._visible[rows]

    def advance(self, tokens: torch.Tensor, t: int) -> torch.Tensor:
        """(rows, vocabulary) logits after the ``t``-th new token of each row."""
        self._tokens.copy_(tokens[:, None])
        self._positions += 1
        self._visible[..., self._width + t] = True
        if self._graphs and self._graph is None:
            self._capture(t)
        self._set_length(t)
        if self._graph is None or self._logits is None:
            return self._forward()
        self._graph.replay()
        return self._logits

    def _set_length(self, t: int) -> None:
        set_lengths(self._layers, self._width + t)

    def _forward(self) -> torch.Tensor:
        device = self._tokens.device
        with autocast(device, self._mixed, cache_enabled=device.type == "cpu"):
            out = self._policy(
                input_ids=self._tokens,
                position_ids=self._positions,
                attention_mask=self._visible,
                past_key_values=self._cache,
                use_cache=True,
            )
        return out.logits[:, -1]

    def _capture(self, t: int) -> None:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(2):
                self._set_length(t)
                self._forward()
        torch.cuda.current_stream().wait_stream(side)
        self._set_length(t)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._logits = self._forward()
        except RuntimeError as error:  # this model's forward pass cannot be captured
            print(f"no CUDA graph: {str(error).splitlines()[0]}", file=sys.stderr)
            self._graphs = False
        else:
            self._graph = graph
