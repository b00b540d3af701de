"""The recorded runs of a study: ``data/studies/NAME/``, a few small tables.

``runs`` has a row a run (condition, start, repeat, experiment, provenance), ``metrics`` a row a
measurement, ``texts`` the lists of completions that policies are scored on, ``completions`` and
``starts`` the log-probabilities of trained policies and of the supervised ones they started from,
each supervised policy once. A study may hold further tables (``read_table``).

What the record loses, and no more:

* Completions to which no policy imported together gives more than ``RARE`` are merged into one row
  a prompt, where ``completion`` is empty. When read, they share its mass evenly.
* A log-probability x is kept with a relative error of 2⁻¹⁴, so that no probability is off by more
  than 2.3e-5 (the largest of p·|log p|·2⁻¹⁴).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from companion.data import data_path, has_data
from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import SAMPLED, Run
from companion.studies import tables
from companion.studies.registry import find
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

RARE = 1e-6
TEXT = ["split", "prompt", "completion", "label"]


def load(study: Study | str, *conditions: str, folder: Path | None = None) -> Runs:
    """The recorded runs of a study; what is large is read when it is first used.

    Args:
        study: itself or its name.
        conditions: names or patterns of conditions; none means all.
        folder: of its tables; ``None`` takes the one below ``data/studies``.

    Raises:
        CompanionError: if there is no record, or it is not what was written, or it holds runs that
            no condition asks for; one line that names the study.
    """
    found = find(study) if isinstance(study, str) else study
    runs = Runs(found, {run.key: run for run in Archive(folder or study_folder(found)).runs(found)})
    return runs.only(*conditions) if conditions else runs


def study_folder(study: Study | str) -> Path:
    """Folder of a study's tables, among the recorded data.

    Raises:
        CompanionError: if nothing is recorded.
    """
    return data_path(_checksums(study)).parent


def _checksums(study: Study | str) -> str:
    name = study if isinstance(study, str) else study.name
    return f"studies/{name}/{tables.CHECKSUMS}"


def has_record(study: Study | str) -> bool:
    """Whether anything is recorded of a study."""
    return has_data(_checksums(study))


def read_table(study: Study | str, table: str) -> pd.DataFrame:
    """A table of a study's record by its name; errors as ``companion.studies.tables``."""
    return tables.read_table(study_folder(study), table)


@dataclass(frozen=True, eq=False)
class StoredRun(Run):
    """A run in a study's tables."""

    archive: "Archive"
    row: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """Condition, start and repeat."""
        return Key(self.row["condition"], int(self.row["start"]), int(self.row["repeat"]))

    @cached_property
    def experiment(self) -> Experiment:
        """What was run."""
        return Experiment(**json.loads(self.row["experiment"]))

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """Where the run comes from."""
        return json.loads(self.row["provenance"])

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """The measurements of this run, without what other runs alone measured."""
        return self.archive.metrics_of(self.row["run"])

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples of this run."""
        return self.archive.samples_of(self.row["run"])

    @cached_property
    def distribution(self) -> pd.DataFrame:
        """Every completion of the run's list, rare ones with an even share of their mass."""
        lists, run = self.row["list"], self.row["run"]
        return self.archive.listing(lists).assign(
            start_logprob=self.archive.spread("starts", self.row["policy"], lists),
            logprob=self.archive.spread("completions", run, lists),
        )


class Archive:
    """The tables of a study, each read and checked when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, study: Study) -> list[StoredRun]:
        """The runs, compared with the study's conditions.

        Raises:
            CompanionError: for a run whose condition the study does not have.
        """
        rows = tables.read_table(self.folder, "runs").to_dict("records")
        for row in rows:
            if row["condition"] not in study.conditions:
                raise CompanionError(
                    f"study {study.name}: run {row['run']} is of unknown condition "
                    f"{row['condition']!r}"
                )
        return [StoredRun(self, row) for row in rows]

    def listing(self, name: str) -> pd.DataFrame:
        """Columns ``split``, ``prompt``, ``completion``, ``label`` of a list of completions."""
        return self._lists[name].texts

    def spread(self, table: str, policy: str, name: str) -> np.ndarray:
        """(completions,) log-probabilities of a policy over its list."""
        texts, logprobs = self._policies[table][policy]
        return self._lists[name].spread(texts, logprobs)

    def samples_of(self, run: str) -> pd.DataFrame:
        """The samples of one run; empty if none were drawn."""
        return self._samples.get(run, pd.DataFrame(columns=list(SAMPLED)))

    def metrics_of(self, run: str) -> pd.DataFrame:
        """The measurements of one run."""
        return self._metrics[run]

    @cached_property
    def _lists(self) -> dict[str, "_List"]:
        table = tables.read_table(self.folder, "texts")
        # pandas 2 would turn what is missing into the text "nan"
        texts = {name: table[name].astype("str").where(table[name].notna()) for name in TEXT}
        table = table.assign(**texts)
        return {str(name): _List(part) for name, part in table.groupby("list", observed=True)}

    @cached_property
    def _policies(self) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
        return {
            "starts": _by_policy(self.folder, "starts", "policy"),
            "completions": _by_policy(self.folder, "completions", "run"),
        }

    @cached_property
    def _samples(self) -> dict[str, pd.DataFrame]:
        if not tables.has_table(self.folder, "samples"):
            return {}
        table = tables.read_table(self.folder, "samples")
        # pandas 2 would turn what is missing into the text "nan"
        texts = {name: table[name].astype("str").where(table[name].notna()) for name in TEXT}
        table = table.assign(**texts)
        return {
            str(run): part.drop(columns="run").reset_index(drop=True)
            for run, part in table.groupby("run", observed=True)
        }

    @cached_property
    def _metrics(self) -> dict[str, pd.DataFrame]:
        table = tables.read_table(self.folder, "metrics")
        return {
            str(run): part.drop(columns="run").dropna(axis=1, how="all").reset_index(drop=True)
            for run, part in table.groupby("run", observed=True)
        }


class _List:
    """A list of completions: which prompt each belongs to, and where its rare ones are summed."""

    def __init__(self, table: pd.DataFrame) -> None:
        table = table.reset_index(drop=True)
        prompts = table.groupby(["split", "prompt"], sort=False).ngroup().to_numpy()
        rest = table["completion"].isna().to_numpy()
        self._own = np.flatnonzero(~rest)
        self._prompt = prompts[self._own]
        self._rest = np.flatnonzero(rest)[np.argsort(prompts[rest])]
        self._size = len(table)
        self.texts = table.loc[self._own, TEXT].reset_index(drop=True)

    def spread(self, texts: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
        values = np.full(self._size, np.nan)
        values[texts] = logprobs
        own = values[self._own]
        rare = np.isnan(own)
        others = self._prompt[rare]
        counts = np.bincount(others, minlength=len(self._rest))
        own[rare] = values[self._rest][others] - np.log(counts[others])
        return own


def _by_policy(folder: Path, name: str, column: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The rows of each policy, which stand together: their texts and their log-probabilities."""
    table = tables.read_arrow(folder, name).combine_chunks()
    policies = (
        table[column].combine_chunks() if table[column].num_chunks > 1 else table[column].chunk(0)
    )
    codes = policies.indices.to_numpy()
    ends = np.append(np.flatnonzero(np.diff(codes)) + 1, len(codes))
    names = policies.dictionary.to_pylist()
    texts, logprobs = (table[c].to_numpy() for c in ("text", "logprob"))
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    begin = 0
    for end in ends:
        parts[names[codes[begin]]] = texts[begin:end], logprobs[begin:end]
        begin = end
    return parts


def recorded_ids(folder: Path) -> set[str]:
    """Ids of the experiments whose runs a folder of tables holds, none if there is no such folder.

    Raises:
        CompanionError: if the tables are not those that were written.
    """
    return set(tables.distinct(folder, "runs", "run"))
