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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd

from companion.data import data_path
from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment, content_id
from companion.rlhf.records import SAMPLED, Run
from companion.studies import tables
from companion.studies.registry import find
from companion.studies.study import Key, Study

RARE = 1e-6
_BITS = 14
_TEXT = ["split", "prompt", "completion", "label"]


class Runs(Sequence[Run]):
    """Runs of a study, in its order; each is found by condition, start and repeat.

    ``len``, iteration and ``runs[0]`` are those of a list of runs.

    Args:
        study: whose conditions the keys name.
        runs: by key; they may be at another tier or from starts that the study does not record.
    """

    def __init__(self, study: Study, runs: Mapping[Key, Run]) -> None:
        self.study = study
        order = {condition: i for i, condition in enumerate(study.conditions)}
        keys = sorted(runs, key=lambda key: (order[key.condition], key.start, key.repeat))
        self._runs = {key: runs[key] for key in keys}

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs.values())

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        """The runs as a list would give them."""
        return list(self._runs.values())[index]

    def items(self) -> Iterable[tuple[Key, Run]]:
        """Pairs of key and run."""
        return self._runs.items()

    @property
    def keys(self) -> list[Key]:
        """The keys, in the order of the runs."""
        return list(self._runs)

    def at(self, condition: str, start: int, repeat: int = 0) -> Run:
        """The run of a condition from a start.

        Raises:
            CompanionError: if it is not there.
        """
        try:
            return self._runs[Key(condition, start, repeat)]
        except KeyError:
            raise CompanionError(
                f"study {self.study.name}: no run of {condition!r}, start {start}, repeat {repeat}"
            ) from None

    def only(self, *conditions: str, repeats: Iterable[int] | None = None) -> "Runs":
        """The runs of some conditions.

        Args:
            conditions: names or patterns (``"exact*"``); none means all.
            repeats: numbers of repeats; ``None`` means all.

        Raises:
            CompanionError: if a pattern fits no condition of the study.
        """
        for pattern in conditions:
            if not any(fnmatch(name, pattern) for name in self.study.conditions):
                raise CompanionError(f"study {self.study.name}: no condition {pattern!r}")
        wanted = None if repeats is None else set(repeats)
        return Runs(
            self.study,
            {
                key: run
                for key, run in self._runs.items()
                if (not conditions or any(fnmatch(key.condition, p) for p in conditions))
                and (wanted is None or key.repeat in wanted)
            },
        )

    def tidy(self, measure: Callable[[Run], float | Mapping[str, float]]) -> pd.DataFrame:
        """A measure of every run.

        Args:
            measure: of a run, one number or several by name.

        Returns:
            Columns ``condition``, ``start``, ``repeat`` and ``value``, or the measure's own names.
        """
        return _tidy((key, measure(run)) for key, run in self._runs.items())

    def compared(
        self, measure: Callable[[Run, Run], float | Mapping[str, float]], against: Mapping[str, str]
    ) -> pd.DataFrame:
        """A measure of every run and its partner: the same start and repeat, another condition.

        Args:
            measure: of (partner, run).
            against: partner's condition by condition; runs of other conditions are left out.

        Returns:
            As ``tidy``.

        Raises:
            CompanionError: if a partner is not there.
        """
        return _tidy(
            (key, measure(self.at(against[key.condition], key.start, key.repeat), run))
            for key, run in self._runs.items()
            if key.condition in against
        )

    def repeated(self, measure: Callable[[Run, Run], float | Mapping[str, float]]) -> pd.DataFrame:
        """A measure of every repeat and repeat 0 of the same condition and start: the noise floor.

        Args:
            measure: of (repeat 0, repeat).

        Returns:
            As ``tidy``.
        """
        return _tidy(
            (key, measure(self.at(key.condition, key.start), run))
            for key, run in self._runs.items()
            if key.repeat
        )


def _tidy(rows: Iterable[tuple[Key, float | Mapping[str, float]]]) -> pd.DataFrame:
    named = (
        key._asdict() | (dict(found) if isinstance(found, Mapping) else {"value": found})
        for key, found in rows
    )
    table = pd.DataFrame(named)
    return table if len(table.columns) else pd.DataFrame(columns=[*Key._fields, "value"])


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
    name = study if isinstance(study, str) else study.name
    return data_path(f"studies/{name}/{tables.CHECKSUMS}").parent


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
        texts = {name: table[name].astype("str").where(table[name].notna()) for name in _TEXT}
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
        texts = {name: table[name].astype("str").where(table[name].notna()) for name in _TEXT}
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
        self.texts = table.loc[self._own, _TEXT].reset_index(drop=True)

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


def import_records(records: Iterable[Run], study: Study, folder: Path) -> int:
    """Add runs to a study's tables; those that are there already are left out.

    Args:
        records: runs that conditions of the study ask for.
        study: whose runs they are.
        folder: of its tables, made if missing.

    Returns:
        How many were added; all of them or, on an error, none.

    Raises:
        CompanionError: if no condition asks for a run, its distribution is not one,
            or its policy diverged.
    """
    with tables.locked(folder):
        known = recorded_ids(folder)
        new = {
            study.key_of(run.experiment): run for run in records if run.experiment.id not in known
        }
        if not new:
            return 0
        parts = [_Part(study, key, run) for key, run in new.items()]
        lists = {part.list: part.table[_TEXT] for part in parts}
        starts = {part.policy: part for part in parts}
        kept = {name: _kept([p for p in parts if p.list == name]) for name in lists}
        # Two records of one list import the same completions, so that policies can be compared.
        have = {
            "texts": _column(folder, "texts", "list"),
            "starts": _column(folder, "starts", "policy"),
        }
        additions = {
            "runs": pd.DataFrame([part.row() for part in parts]),
            "metrics": pd.concat([_metrics(part) for part in parts], ignore_index=True),
            "texts": _concat(_with_rest(n, t) for n, t in lists.items() if n not in have["texts"]),
            "starts": _concat(
                part.rows("policy", name, "start_logprob", kept[part.list])
                for name, part in starts.items()
                if name not in have["starts"]
            ),
            "completions": _concat(
                part.rows("run", part.run.experiment.id, "logprob", kept[part.list])
                for part in parts
            ),
            "samples": _concat(
                part.run.samples.assign(run=part.run.experiment.id)
                for part in parts
                if len(part.run.samples)
            ),
        }
        tables.append_rows(folder, {n: t for n, t in additions.items() if len(t)})
        return len(parts)


class _Part:
    """A run on its way into the tables."""

    def __init__(self, study: Study, key: Key, run: Run) -> None:
        self.key, self.run = key, run
        table = run.distribution
        self.table = table[table["split"].isin(study.splits)].reset_index(drop=True)
        where = f"study {study.name}, {key.condition!r}, start {key.start}, repeat {key.repeat}"
        if run.diverged_at is not None:
            raise CompanionError(f"{where}: its policy diverged at step {run.diverged_at}")
        if self.table.empty:
            raise CompanionError(f"{where}: no completions of {', '.join(study.splits)}")
        for column in ("start_logprob", "logprob"):
            values = self.table[column].to_numpy(dtype=float)
            if np.isnan(values).any() or (values > 1e-5).any():
                raise CompanionError(f"{where}: {column} is not the logarithm of probabilities")
        self.list = content_id({name: self.table[name].tolist() for name in _TEXT})
        start = self.table["start_logprob"].astype("float32").round(4).tolist()
        fields = {"start": run.experiment.start.id, "list": self.list, "logprob": start}
        self.policy = content_id(fields)

    def row(self) -> dict[str, Any]:
        """The run's row of ``runs``."""
        origin = self.run.provenance
        return self.key._asdict() | {
            "run": self.run.experiment.id,
            "policy": self.policy,
            "list": self.list,
            "experiment": self.run.experiment.model_dump_json(),
            "provenance": json.dumps(origin, sort_keys=True),
        }

    def rows(self, column: str, name: str, values: str, kept: np.ndarray) -> pd.DataFrame:
        """A policy's rows: completions worth keeping, then what the others hold, by prompt."""
        logprobs = self.table[values].to_numpy(dtype=float)
        prompt = self.table.groupby(["split", "prompt"], sort=False).ngroup().to_numpy()
        count = int(prompt.max()) + 1
        # In the list each prompt's completions are followed by the row of its rare ones.
        texts = np.flatnonzero(kept) + prompt[kept]
        with_rare = np.bincount(prompt[~kept], minlength=count) > 0
        rest = np.bincount(prompt[~kept], np.exp(logprobs[~kept]), minlength=count)[with_rare]
        ends = (np.bincount(prompt, minlength=count).cumsum() + np.arange(count))[with_rare]
        return pd.DataFrame(
            {
                column: name,
                "text": np.append(texts, ends).astype("int32"),
                "logprob": _rounded(np.append(logprobs[kept], np.log(np.maximum(rest, 1e-30)))),
            }
        )


def _kept(parts: Sequence[_Part]) -> np.ndarray:
    """Which completions of a list some policy writes more often than ``RARE``."""
    columns = [
        p.table[c].to_numpy(dtype=float) for p in parts for c in ("start_logprob", "logprob")
    ]
    return np.max(columns, axis=0) > np.log(RARE)


def _with_rest(name: str, texts: pd.DataFrame) -> pd.DataFrame:
    """A list as the table keeps it: after each prompt's completions a row for its rare ones."""
    parts = []
    for (split, prompt), part in texts.groupby(["split", "prompt"], sort=False):
        rest = {"split": split, "prompt": prompt, "completion": None, "label": None}
        parts += [part, pd.DataFrame([rest])]
    return pd.concat(parts, ignore_index=True).assign(list=name)


def _metrics(part: _Part) -> pd.DataFrame:
    table = part.run.metrics
    single = dict.fromkeys(table.select_dtypes("float64").columns, "float32")
    return table.astype(single).assign(run=part.run.experiment.id)


def _rounded(logprobs: np.ndarray) -> np.ndarray:
    """Log-probabilities to 14 binary digits."""
    mantissa, exponent = np.frexp(logprobs)
    return np.ldexp(np.round(mantissa * 2**_BITS) / 2**_BITS, exponent).astype("float32")


def _concat(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = list(parts)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def recorded_ids(folder: Path) -> set[str]:
    """Ids of the experiments whose runs a folder of tables holds, none if there is no such folder.

    Raises:
        CompanionError: if the tables are not those that were written.
    """
    return set(_column(folder, "runs", "run"))


def _column(folder: Path, table: str, column: str) -> list[str]:
    if not tables.has_table(folder, table):
        return []
    return tables.read_arrow(folder, table)[column].unique().to_pylist()
