"""Adding runs to a study's tables, which ``companion.studies.store`` reads."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.experiment import content_id
from companion.rlhf.records import Run
from companion.studies import tables
from companion.studies.store import RARE, TEXT, recorded_ids
from companion.studies.study import Key, Study

_BITS = 14


class RunsDiverged(CompanionError):
    """The policies of some runs diverged; the other runs were added.

    Attributes:
        added: number of runs that were added.
    """

    def __init__(self, message: str, added: int) -> None:
        super().__init__(message)
        self.added = added


def import_records(records: Iterable[Run], study: Study, folder: Path) -> int:
    """Add runs to a study's tables; those that are there already are left out.

    Args:
        records: runs that conditions of the study ask for.
        study: whose runs they are.
        folder: of its tables, made if missing.

    Returns:
        How many were added; all of them or, on an error other than the first below, none.

    Raises:
        RunsDiverged: if policies diverged, which have no distribution; after adding the others.
        CompanionError: if no condition asks for a run, or its distribution is not one.
    """
    with tables.locked(folder):
        known = recorded_ids(folder)
        new = {
            study.key_of(run.experiment): run for run in records if run.experiment.id not in known
        }
        diverged = [
            f"{_named(key)} at step {run.diverged_at}"
            for key, run in new.items()
            if run.diverged_at is not None
        ]
        added = _add(study, {k: r for k, r in new.items() if r.diverged_at is None}, folder)
        if diverged:
            listing = "; ".join(diverged)
            raise RunsDiverged(f"study {study.name}: not recorded, diverged: {listing}", added)
        return added


def _add(study: Study, new: Mapping[Key, Run], folder: Path) -> int:
    if not new:
        return 0
    parts = [_Part(study, key, run) for key, run in new.items()]
    lists = {part.list: part.table[TEXT] for part in parts}
    starts = {part.policy: part for part in parts}
    kept = {name: _kept([p for p in parts if p.list == name]) for name in lists}
    # Two records of one list import the same completions, so that policies can be compared.
    have = {
        "texts": tables.distinct(folder, "texts", "list"),
        "starts": tables.distinct(folder, "starts", "policy"),
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
            part.rows("run", part.run.experiment.id, "logprob", kept[part.list]) for part in parts
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
        where = f"study {study.name}, {_named(key)}"
        if self.table.empty:
            raise CompanionError(f"{where}: no completions of {', '.join(study.splits)}")
        for column in ("start_logprob", "logprob"):
            values = self.table[column].to_numpy(dtype=float)
            if np.isnan(values).any() or (values > 1e-5).any():
                raise CompanionError(f"{where}: {column} is not the logarithm of probabilities")
        self.list = content_id({name: self.table[name].tolist() for name in TEXT})
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


def _named(key: Key) -> str:
    return f"{key.condition!r}, start {key.start}, repeat {key.repeat}"
