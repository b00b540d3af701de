"""Runs of a study, found by condition, start and repeat, and measured into tidy tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import overload

import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.records import Run
from companion.studies.study import Key, Study

# Columns of a table without rows. With these types it changes none of a table that it is put
# together with; pandas 2 warns of those it would change.
_NO_ROWS = {"condition": str, "start": int, "repeat": int, "value": float}


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
    return table if len(table.columns) else pd.DataFrame(columns=[*_NO_ROWS]).astype(_NO_ROWS)
