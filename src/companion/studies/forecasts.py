"""Numbers that were written down before the runs that measure them.

A study's ``FORECASTS`` say what is expected and how it follows; ``companion study forecast`` writes
them into ``data/claims.csv``, which is committed before the runs, and refuses afterwards.
The page of forecasts sets beside each what the record measures.
"""

from collections.abc import Callable, Sequence
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
    """Put a study's forecasts into a file; returns how many it holds of that study.

    What was forecast of runs that are recorded stands; a condition that is new may join it.

    Raises:
        CompanionError: if the study has been run and nothing is new, or what is new has been run.
    """
    new = declared(study)
    order = {name: place for place, name in enumerate(new.claim)}
    old = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=list(COLUMNS))
    if has_record(study):
        standing = old[old.study == study]
        new = new[~new.claim.isin(standing.claim)]
        _check_new(study, set(new.claim))
        new = pd.concat([standing, new]).sort_values("claim", key=lambda names: names.map(order))
    rest = old[old.study != study]
    table = pd.concat([rest, new], ignore_index=True) if len(rest) else new
    table.sort_values(["chapter", "study"], kind="stable").to_csv(file, index=False)
    return len(new)


def _check_new(study: str, names: set[str]) -> None:
    if not names:
        raise CompanionError(f"study {study}: it has been run, its forecasts stand as they are")
    runs = load(study)
    for forecast in forecasts_of(study):
        if forecast.claim in names and forecast.of in set(forecast.measure(runs).condition):
            raise CompanionError(f"study {study}: {forecast.of!r} has been run, forecast too late")


def outcomes(of: str | None = None) -> list[Outcome]:
    """Every committed forecast with what is measured, in the order of the file.

    Args:
        of: the study whose forecasts are wanted; ``None`` takes all.

    Raises:
        CompanionError: if a committed forecast is no longer declared.
    """
    rows = committed() if of is None else committed().query("study == @of")
    runs = {name: load(name) for name in rows.study.unique() if has_record(name)}
    tables: dict[tuple[str, Callable[[Runs], pd.DataFrame]], pd.DataFrame] = {}
    found = []
    for row in rows.to_dict("records"):
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
            if forecast.of in set(tables[key].condition):
                measured = interval(tables[key], forecast.of)
        found.append(Outcome(**{str(k): v for k, v in row.items()}, measured=measured))
    return found


def how_many_met(found: Sequence[Outcome]) -> str:
    """A sentence that counts the forecasts that were met."""
    hits = sum(outcome.verdict == "hit" for outcome in found)
    numbers = f"{hits} of {len(found)} numbers, written down before the runs"
    return f"{numbers}, came out within their margin."


def outcome_table(found: Sequence[Outcome]) -> pd.DataFrame:
    """Forecasts and what became of them, as a chapter shows them."""
    return pd.DataFrame(
        {
            "forecast": o.claim,
            "predicted": f"{o.predicted:.3g} ± {o.margin:g}",
            "measured": "–" if o.measured is None else f"{o.measured:.3g}",
            "verdict": o.verdict,
        }
        for o in found
    )
