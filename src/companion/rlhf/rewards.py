"""From named components to what a trainer is paid: weights, routing by prompt class, a gate.

The effective reward of the paper's §4 is R_eff(s, a) = Σ_k w_k(s) R_k(s, a). Rows of ``routes``
are w(s) for the prompt classes s; a single row ``*`` is a data-mixture prior. With a ``gate_rate``
η the rows are only where a learned gate begins: mirror ascent on what is paid on average, plus
``gate_entropy`` τ times the entropy of the row; w_k ∝ w_k^(1 - ητ) exp(η · mean R_k) after every
step, one row per class. Without entropy these are multiplicative weights.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from companion.errors import CompanionError
from companion.rlhf.experiment import LEARNED, Experiment, matching_route
from companion.rlhf.tasks import get_task

GATE = "gate.json"
RewardFunction = Callable[[Sequence[str], Sequence[str]], list[float]]
Routes = dict[str, dict[str, float]]


class Rewards:
    """What an experiment pays.

    Args:
        experiment: names the components, their weights and routes.
        learned: scores (prompts, completions) by the trained reward model, if one is named.
    """

    def __init__(self, experiment: Experiment, learned: RewardFunction | None = None) -> None:
        self._task = get_task(experiment.task)
        self._learned = learned
        self._routes = {k: dict(row) for k, row in (experiment.routes or {}).items()}
        self._rate, self._entropy = experiment.gate_rate, experiment.gate_entropy
        self._replayed: Iterator[Routes] | None = None
        self._pending: dict[str, dict[str, list[float]]] = {}
        self.weights = dict(experiment.rewards)

    def scores(self, name: str, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """Scores by one component, before weights and routes.

        Raises:
            CompanionError: if a score is not a finite number; trl would take it for none at all.
        """
        if name == LEARNED:
            scores = self._learned_scores(prompts, completions)
        else:
            verdicts = self._task.judge_all(name, prompts, completions)
            scores = [verdict.score for verdict in verdicts]
        for prompt, score in zip(prompts, scores, strict=True):
            if not math.isfinite(score):
                raise CompanionError(f"rewards: {name!r} gives {score} for prompt {prompt!r}")
        return scores

    def _learned_scores(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """The reward model's scores, above that of the worst reply to the same prompt.

        Preferences leave a constant per prompt free and say nothing of texts that are no reply.
        These earn 0, as they do from every other component.
        """
        assert self._learned is not None
        replies = {p: self._task.completions(p) for p in dict.fromkeys(prompts)}
        floors = {p: min(self._learned([p] * len(cs), cs)) for p, cs in replies.items()}
        asked = list(zip(prompts, completions, strict=True))
        labels = self._task.behaviours(prompts, completions)
        sent = [pair for pair, label in zip(asked, labels, strict=True) if label != "other"]
        found = self._learned([p for p, _ in sent], [c for _, c in sent])
        scores = dict(zip(sent, found, strict=True))
        return [scores[pair] - floors[pair[0]] if pair in scores else 0.0 for pair in asked]

    def route(self, name: str, prompt: str) -> float:
        """w_k(s); 1 where nothing is routed."""
        if not self._routes:
            return 1.0
        return self._routes[self._row(prompt)].get(name, 0.0)

    def functions(
        self, asked: Mapping[str, str] | None = None
    ) -> list[Callable[..., list[float | None]]]:
        """One reward function for trl per component, routed but not weighted.

        Args:
            asked: the task's prompt by the text that the policy reads, where these differ.
        """
        return [self._function(name, asked or {}) for name in self.weights]

    def _function(self, name: str, asked: Mapping[str, str]) -> Callable[..., list[float | None]]:
        def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float | None]:
            prompts = [asked.get(p, p) for p in prompts]
            scores = self.scores(name, prompts, completions)
            routed: list[float | None] = [
                self.route(name, p) * s for p, s in zip(prompts, scores, strict=True)
            ]
            self._observe(name, prompts, scores)
            return routed

        reward.__name__ = name
        return reward

    def totals(self, prompts: Sequence[str], texts: Sequence[Sequence[str]]) -> torch.Tensor:
        """(prompts, samples) what each sampled completion is paid, weighted and routed."""
        asked = [p for p, group in zip(prompts, texts, strict=True) for _ in group]
        written = [text for group in texts for text in group]
        total = torch.zeros(len(written), dtype=torch.float64)
        for weight, pay in zip(self.weights.values(), self.functions(), strict=True):
            total += weight * torch.tensor(pay(asked, written), dtype=torch.float64)
        return total.reshape(len(prompts), -1)

    def _observe(self, name: str, prompts: Sequence[str], scores: Sequence[float]) -> None:
        """Collect a batch's scores; when all components have reported, move the gate."""
        if not self._rate:
            return
        rows: dict[str, list[float]] = {}
        for prompt, score in zip(prompts, scores, strict=True):
            rows.setdefault(self._row(prompt), []).append(score)
        self._pending[name] = rows
        if set(self._pending) == set(self.weights):
            means = {
                row: {k: _mean(scores[row]) for k, scores in self._pending.items()} for row in rows
            }
            self._pending.clear()
            self.move_gate(means)

    def move_gate(self, means: Mapping[str, Mapping[str, float]]) -> None:
        """One step of the gate from the mean scores, by row and component."""
        kept = 1 - abs(self._rate) * self._entropy
        for row, scores in means.items():
            moved = {
                k: w**kept * math.exp(self._rate * self.weights[k] * scores[k])
                for k, w in self._routes[row].items()
            }
            total = sum(moved.values())
            self._routes[row] = {k: w / total for k, w in moved.items()}

    def replay(self, routes: Iterable[Routes]) -> None:
        """Let the gate take these routes, one after each step, in place of learning."""
        self._replayed = iter(routes)

    def routes(self) -> Routes:
        """The routes as they are now."""
        return {row: dict(weights) for row, weights in self._routes.items()}

    def gate(self) -> dict[str, float]:
        """The learned weights, as metrics ``gate/row/component``; empty without a gate."""
        if not self._rate:
            return {}
        return {f"gate/{r}/{k}": w for r, row in self._routes.items() for k, w in row.items()}

    def save(self, checkpoint: Path) -> None:
        """Write the gate beside a checkpoint."""
        (checkpoint / GATE).write_text(json.dumps(self._routes))

    def restore(self, checkpoint: Path) -> None:
        """Take the gate up where a checkpoint left it."""
        self._routes = json.loads((checkpoint / GATE).read_text())

    def table(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> torch.Tensor:
        """Scores before weights and routes, shape (components, prompts, completions)."""
        rows = [
            [
                self.scores(name, [p] * len(cs), cs)
                for p, cs in zip(prompts, completions, strict=True)
            ]
            for name in self.weights
        ]
        return torch.tensor(rows, dtype=torch.float64)

    def route_table(self, prompts: Sequence[str]) -> torch.Tensor:
        """w_k(s), shape (components, prompts)."""
        rows = [[self.route(name, p) for p in prompts] for name in self.weights]
        return torch.tensor(rows, dtype=torch.float64)

    def observe_means(self, prompts: Sequence[str], means: torch.Tensor) -> None:
        """Move the gate by exact mean scores, shape (components, prompts)."""
        if self._replayed is not None:
            self._routes = next(self._replayed)
            return
        for name, row in zip(self.weights, means.tolist(), strict=True):
            self._observe(name, prompts, row)

    def _row(self, prompt: str) -> str:
        return matching_route(self._routes, self._task.kind(prompt))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
