"""Numbers that were written down before the runs that measure them.

A study's ``FORECASTS`` say what is expected and how it follows; ``companion study forecast`` writes
them into ``data/claims.csv``, which is committed before the study is run, and refuses afterwards.
The page of forecasts sets beside each what the record measures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from companion.data import data_path
from companion.errors import CompanionError
from companion.studies.registry import find, module_of
from companion.studies.runs import Runs
from companion.studies.statistics import Interval, interval
from companion.studies.store import has_record, load

FILE = "claims.csv"
COLUMNS = ("claim", "chapter", "study", "statistic", "predicted", "margin", "source")
_DECIMALS = 6


@dataclass(frozen=True)
class Forecast:
    """A number expected of a condition's runs, as a mean over starts.

    Attributes:
        claim: a name, unique in the study.
        statistic: what is measured, a few words.
        measure: of the runs, a tidy table.
        of: the condition in that table.
        predict: what the number is expected to be.
        margin: > 0, how far the measured mean may be off.
        source: what the expectation comes from: a function of ours, a result, or a pilot.
    """

    claim: str
    statistic: str
    measure: Callable[[Runs], pd.DataFrame]
    of: str
    predict: Callable[[], float]
    margin: float
    source: str

    def __post_init__(self) -> None:
        if not self.margin > 0:
            raise CompanionError(f"forecast {self.claim}: margin must be > 0, is {self.margin}")


@dataclass(frozen=True)
class Outcome:
    """A forecast as it was committed, and what the record says of it.

    Attributes:
        claim, chapter, study, statistic, predicted, margin, source: of the committed file.
        measured: mean over starts; ``None`` if nothing is recorded yet.
    """

    claim: str
    chapter: int
    study: str
    statistic: str
    predicted: float
    margin: float
    source: str
    measured: Interval | None

    @property
    def verdict(self) -> str:
        """``hit``, ``miss`` or ``not yet measured``."""
        if self.measured is None:
            return "not yet measured"
        return "hit" if abs(self.measured.value - self.predicted) <= self.margin else "miss"


def declared(study: str) -> pd.DataFrame:
    """The forecasts of a study, computed anew; columns ``COLUMNS``."""
    chapter = find(study).chapter
    rows = [
        (f.claim, chapter, study, f.statistic, round(f.predict(), _DECIMALS), f.margin, f.source)
        for f in forecasts_of(study)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def forecasts_of(study: str) -> tuple[Forecast, ...]:
    """What a study's module declares.

    Raises:
        CompanionError: if two of them have one name.
    """
    found: tuple[Forecast, ...] = getattr(module_of(study), "FORECASTS", ())
    names = [forecast.claim for forecast in found]
    for name in names:
        if names.count(name) > 1:
            raise CompanionError(f"study {study}: two forecasts are called {name!r}")
    return found


def committed() -> pd.DataFrame:
    """The forecasts as they were written down; columns ``COLUMNS``."""
    return pd.read_csv(data_path(FILE))


def write(study: str, file: Path) -> int:
    """Put a study's forecasts into a file, in place of earlier ones; returns their number.

    Raises:
        CompanionError: if the study has been run: what was forecast stands.
    """
    if has_record(study):
        raise CompanionError(f"study {study}: it has been run, its forecasts stand as they are")
    new = declared(study)
    if file.is_file():
        old = pd.read_csv(file)
        new = pd.concat([old[old.study != study], new], ignore_index=True)
    new.sort_values(["chapter", "study"], kind="stable").to_csv(file, index=False)
    return len(forecasts_of(study))


def outcomes(*studies: str) -> list[Outcome]:
    """Every committed forecast with what is measured, in the order of the file.

    Args:
        studies: names; none means all. A chapter names its own, whose record it may read.

    Raises:
        CompanionError: if a committed forecast is no longer declared, or a record lacks its runs.
    """
    written = committed()
    if studies:
        written = written[written.study.isin(studies)]
    runs = {name: load(name) for name in written.study.unique() if has_record(name)}
    tables: dict[tuple[str, Callable[[Runs], pd.DataFrame]], pd.DataFrame] = {}
    found = []
    for row in written.to_dict("records"):
        study = str(row["study"])
        named = {forecast.claim: forecast for forecast in forecasts_of(study)}
        if row["claim"] not in named:
            raise CompanionError(f"data/{FILE}: study {study} declares no {row['claim']!r}")
        measured = None
        if study in runs:
            forecast = named[row["claim"]]
            key = (study, forecast.measure)
            if key not in tables:
                tables[key] = forecast.measure(runs[study])
            measured = _mean(forecast, tables[key])
        found.append(Outcome(**{str(k): v for k, v in row.items()}, measured=measured))
    return found


def _mean(forecast: Forecast, table: pd.DataFrame) -> Interval:
    if forecast.of not in set(table.condition):
        raise CompanionError(f"forecast {forecast.claim}: no runs of {forecast.of!r}")
    return interval(table, forecast.of)
