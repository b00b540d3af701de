"""Run records: a folder per run, written whole or not at all, checked whenever it is read.

A folder holds ``experiment.json``, ``metrics.jsonl``, ``distribution.parquet`` and
``provenance.json``; ``checksums.json`` lists them and is written last, before the folder takes
its final name. No weights, unless the experiment asks to keep them (``policy/``).
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.distances import Distance, distribution_distance
from companion.rlhf.experiment import Experiment
from companion.rlhf.folders import CorruptRecord, check_files
from companion.rlhf.tasks import Task, get_task

SAMPLED = ("split", "prompt", "completion", "label", "count")
_FILES = ("experiment.json", "metrics.jsonl", "distribution.parquet", "provenance.json")


class Run(ABC):
    """A finished run and its exact measures, wherever it is kept."""

    @property
    @abstractmethod
    def experiment(self) -> Experiment:
        """What was run."""

    @property
    @abstractmethod
    def metrics(self) -> pd.DataFrame:
        """One row per measurement: step, seconds, reward, exact behaviour masses."""

    @property
    @abstractmethod
    def distribution(self) -> pd.DataFrame:
        """Every scored completion of every prompt.

        Columns ``split``, ``prompt``, ``completion``, ``label``, ``start_logprob`` (the
        supervised policy) and ``logprob`` (the trained one), natural logarithms.
        """

    @property
    @abstractmethod
    def provenance(self) -> dict[str, Any]:
        """Commit, lock, device, versions, seeds, wall and processor time in seconds.

        ``resumed_at`` is the step of the checkpoint an interrupted run went on from.
        """

    @property
    def diverged_at(self) -> int | None:
        """The step at which the policy's probabilities ceased to be numbers, if they did."""
        return self.provenance.get("diverged_at")

    @property
    @abstractmethod
    def samples(self) -> pd.DataFrame:
        """Completions that were drawn from the trained policy; empty if none were.

        Columns ``split``, ``prompt``, ``completion``, ``label`` and ``count``.
        """

    def drawn(self, split: str = "test", kind: str = "") -> pd.DataFrame:
        """The rows of ``samples`` of one split.

        Args:
            split: train, test or ood.
            kind: only prompts whose kind begins so.

        Raises:
            CompanionError: if there are none, as where a policy diverged.
        """
        found = self._sound(self.samples[self.samples["split"] == split])
        task = get_task(self.experiment.task)
        if kind:
            found = found[[task.kind(prompt).startswith(kind) for prompt in found["prompt"]]]
        if found.empty:
            wanted = f"{split!r} {kind!r}" if kind else repr(split)
            raise CompanionError(f"split: record {self.experiment.id} has no samples of {wanted}")
        return found

    def shares(self, split: str = "test", kind: str = "") -> pd.Series:
        """Share of each behaviour label among samples, each prompt weighing the same.

        Args:
            split, kind: as ``drawn`` has them; so are the errors.
        """
        task = get_task(self.experiment.task)
        counts = (
            self.drawn(split, kind)
            .pivot_table(
                index="prompt", columns="label", values="count", aggfunc="sum", fill_value=0
            )
            .reindex(columns=task.labels, fill_value=0)
        )
        return counts.div(counts.sum(axis=1), axis=0).mean()

    def sampled(self, component: str, split: str = "test", kind: str = "") -> float:
        """Mean of a reward component over samples, each prompt weighing the same.

        Args:
            component: of the task.
            split, kind: as ``drawn`` has them; so are the errors.
        """
        drawn = self.drawn(split, kind)
        texts = drawn["prompt"].tolist(), drawn["completion"].tolist()
        verdicts = get_task(self.experiment.task).judge_all(component, *texts)
        scores = [verdict.score for verdict in verdicts] * drawn["count"]
        scored = drawn.assign(score=scores)
        sums = scored.groupby("prompt")[["score", "count"]].sum()
        return float((sums["score"] / sums["count"]).mean())

    def split(self, name: str) -> pd.DataFrame:
        """The part of ``distribution`` that is about one split.

        Raises:
            CompanionError: if the record has none of that name, or its policy diverged.
        """
        table = self.distribution[self.distribution["split"] == name]
        if table.empty:
            raise CompanionError(f"split: record {self.experiment.id} has no {name!r}")
        return self._sound(table).reset_index(drop=True)

    def _sound(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of a policy that has probabilities: sums would take what is none for nothing."""
        if self.diverged_at is not None or table.filter(like="logprob").isna().any(axis=None):
            when = "" if self.diverged_at is None else f" at step {self.diverged_at}"
            raise CompanionError(f"record {self.experiment.id}: its policy diverged{when}")
        return table

    def masses(self, split: str = "train", policy: str = "final") -> pd.Series:
        """Exact probability of each behaviour label, averaged over the prompts of a split.

        Args:
            split: train, test or ood.
            policy: ``final`` or ``start``.
        """
        table = self.split(split)
        mass = np.exp(table[_COLUMNS[policy]]).groupby(table["label"]).sum()
        return mass / table["prompt"].nunique()

    def expected(self, component: str, split: str = "train", policy: str = "final") -> float:
        """Exact mean of a reward component over a split; completions not scored count as 0."""
        table = self.split(split)
        return _mean_score(get_task(self.experiment.task), table, component, policy)

    def evaluations(self, policy: str = "final") -> pd.Series:
        """Exact scores of the task's held-out evaluations, by name."""
        task = get_task(self.experiment.task)
        scores = {}
        for evaluation in task.evaluations:
            rows = self.distribution["prompt"].isin(evaluation.prompts)
            table = self._sound(self.distribution[rows])
            scores[evaluation.name] = _mean_score(task, table, evaluation.component, policy)
        return pd.Series(scores, dtype=float)


@dataclass(frozen=True)
class Record(Run):
    """A finished run in a folder of its own."""

    path: Path

    @cached_property
    def experiment(self) -> Experiment:
        """What was run, as ``experiment.json`` holds it."""
        return Experiment(**json.loads((self.path / "experiment.json").read_text()))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The lines of ``metrics.jsonl``."""
        return pd.read_json(self.path / "metrics.jsonl", lines=True)

    @cached_property
    def distribution(self) -> pd.DataFrame:
        """The table of ``distribution.parquet``."""
        return pd.read_parquet(self.path / "distribution.parquet")

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The table of ``samples.parquet``."""
        file = self.path / "samples.parquet"
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(SAMPLED))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What ``provenance.json`` holds."""
        return json.loads((self.path / "provenance.json").read_text())


_COLUMNS = {"final": "logprob", "start": "start_logprob"}


def _mean_score(task: Task, table: pd.DataFrame, component: str, policy: str) -> float:
    scores = _scores(task.name, component, tuple(table["prompt"]), tuple(table["completion"]))
    mass = np.exp(table[_COLUMNS[policy]].to_numpy())
    return float((mass * scores).sum() / table["prompt"].nunique())


@lru_cache(maxsize=64)
def _scores(
    task: str, component: str, prompts: tuple[str, ...], completions: tuple[str, ...]
) -> np.ndarray:
    """(completions,) scores; the runs of a study share their list, which is judged once."""
    verdicts = get_task(task).judge_all(component, prompts, completions)
    return np.array([verdict.score for verdict in verdicts])


def policy_distance(a: Run, b: Run, split: str = "train") -> Distance:
    """Exact total variation between the trained policies of two records, with its bracket."""
    return distribution_distance(a.split(split), b.split(split))


def start_distance(record: Run, split: str = "train") -> Distance:
    """Exact total variation between a trained policy and the supervised one it started from."""
    table = record.split(split)
    return distribution_distance(table, table, "logprob", "start_logprob")


def read_record(path: Path) -> Record:
    """Open a record after comparing every file with its checksum.

    Raises:
        CorruptRecord: if a file is missing, changed, or was never listed, or if the folder's name
            is that of another experiment.
    """
    check_files(path, _FILES)
    record = Record(path)
    found = record.provenance.get("id")
    if path.name != found:
        raise CorruptRecord(f"{path}: holds the record of another run, {found}")
    return record
