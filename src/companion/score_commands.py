"""``companion scores``: what the scores of a grader say of ties, margins and β."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from companion.errors import CompanionError

if TYPE_CHECKING:
    import pandas as pd

    from companion.theory.scores import ScoreReport


def scores(
    file: Annotated[Path, typer.Argument(help="CSV, JSONL or Parquet: a row a sampled answer.")],
    prompt: Annotated[str, typer.Option(help="Column of the prompts.")] = "prompt",
    answer: Annotated[str, typer.Option(help="Column of the answers.")] = "answer",
    score: Annotated[
        list[str] | None, typer.Option(help="Column of a score; repeatable. Default: score.")
    ] = None,
    epsilon: Annotated[float, typer.Option(min=0, help="How wrong a score may be.")] = 0.01,
    beta: Annotated[
        float, typer.Option(min=0, help="Weight of the KL divergence in training.")
    ] = 0.1,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Noise of the scores: answers that differ by no more tie."),
    ] = 0.0,
    distance: Annotated[
        float, typer.Option(help="How far the best policy may move, between 0 and 1.")
    ] = 0.1,
    rows: Annotated[int, typer.Option(min=0, help="Prompts shown, smallest lead first.")] = 20,
) -> None:
    """Say where answers tie, how large the margins are, and what β makes of them.

    The book's page "Your own scores" explains every line.

    Example: companion scores graded.jsonl --score helpful --score safe --tolerance 0.05
    """
    from companion.theory.scores import score_report

    names = list(dict.fromkeys(score or ["score"]))
    table = _read(file)
    for name in (prompt, answer, *names):
        if name not in table:
            there = ", ".join(map(str, table.columns))
            raise CompanionError(f"{file}: no column {name!r}; there are {there}")
    try:
        report = score_report(
            _labels(file, table, prompt),
            _labels(file, table, answer),
            {name: _numbers(file, table, name) for name in names},
            epsilon=epsilon,
            beta=beta,
            tolerance=tolerance,
            distance=distance,
        )
    except ValueError as error:
        raise CompanionError(f"{file}: {error}") from None
    _show(report, rows)


def _show(report: "ScoreReport", rows: int) -> None:
    from tabulate import tabulate

    from companion.theory.scores import PROMPT_HEADINGS, prompt_row

    headings, lines = report.summary()
    print(report.settings)
    print(tabulate(lines, headings, disable_numparse=True))
    for column in report.columns:
        shown = [prompt_row(prompt) for prompt in column.nearest(rows)]
        if shown:
            print(f"\nby {column.name}, {len(shown)} of {len(column.prompts)} prompts:")
            print(tabulate(shown, PROMPT_HEADINGS, disable_numparse=True))


def _read(file: Path) -> "pd.DataFrame":
    """The table in a file; every cell of a CSV as the text that stands there."""
    import pandas as pd

    kind = file.suffix.lower()
    try:
        if kind == ".csv":
            table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        elif kind in (".jsonl", ".ndjson"):
            table = _read_lines(file)
        elif kind == ".parquet":
            table = pd.read_parquet(file)
        else:
            raise CompanionError(f"{file}: must end in .csv, .jsonl or .parquet")
    except ImportError:  # pandas reads Parquet with a package that not everyone has
        raise CompanionError(f"{file}: reading Parquet needs pyarrow") from None
    except pd.errors.EmptyDataError:
        raise CompanionError(f"{file}: is empty") from None
    except ValueError as error:  # of pandas, pyarrow, or a wrong encoding
        raise CompanionError(f"{file}: is no {kind[1:].upper()}: {error}") from None
    if table.empty:
        raise CompanionError(f"{file}: holds no answers")
    return table


def _read_lines(file: Path) -> "pd.DataFrame":
    import pandas as pd

    rows = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise CompanionError(f"{file}: line {number}: {error.msg}") from None
        if not isinstance(row, dict):
            raise CompanionError(f"{file}: line {number}: must be an object with named values")
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def _labels(file: Path, table: "pd.DataFrame", name: str) -> list[str]:
    """The texts of a column; lists and the like (chats) as their text."""
    import pandas as pd

    for row, value in enumerate(table[name], start=1):
        if pd.api.types.is_scalar(value) and pd.isna(value):
            raise CompanionError(f"{file}: row {row}: {name} is missing")
    return [str(value) for value in table[name]]


def _numbers(file: Path, table: "pd.DataFrame", name: str) -> list[float]:
    import numpy as np
    import pandas as pd

    values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        row = int(wrong[0])
        given = table[name].iloc[row]
        raise CompanionError(f"{file}: row {row + 1}: {name} = {given!r} is no finite number")
    return [float(value) for value in values]
