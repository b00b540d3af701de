"""Chapter 4's recorded runs to slide through: what a policy did at each step, and what it writes.

The records hold the behaviours at every measured step, and single texts at both ends alone.
"""

from typing import Any

import numpy as np
import pandas as pd

from companion.errors import CompanionError
from companion.rlhf.records import Run
from companion.studies import cliff
from companion.studies.runs import Runs
from companion.widgets import RunsExplorer

SERIES = ("exact,*", "GRPO,*", "no tie,*")  # as long as each other
BEHAVIOURS = {
    "honest": "honest solving",
    "open": "open tampering",
    "hidden": "hidden tampering",
    "wrong": "wrong solving",
}
_TEXTS = 4  # of each end
_SHOWN = 5e-4  # what would be 0 once rounded is left out


def scrubber(runs: Runs, condition: str = "exact, bonus 0.01", step: int = 0) -> RunsExplorer:
    """The explorer of the recorded runs of ``SERIES``, at their first start.

    Args:
        runs: of the study, its record.
        condition: shown first.
        step: shown first.

    Raises:
        CompanionError: if the runs were not measured at the same steps.
    """
    shown = runs.only(*SERIES, repeats=[0])
    by_condition: dict[str, dict[int, Run]] = {}
    for key, run in shown.items():
        by_condition.setdefault(key.condition, {})[key.start] = run
    starts = sorted(set.intersection(*(set(found) for found in by_condition.values())))
    steps = {tuple(int(s) for s in run.metrics.step) for run in shown}
    if len(steps) > 1:
        raise CompanionError(f"study {runs.study.name}: its runs were measured at unlike steps")
    prompt = str(shown[0].split("train").prompt.iloc[0])
    texts: dict[tuple[str, str], int] = {}
    record: dict[str, Any] = {
        "prompt": prompt,
        "behaviours": [list(pair) for pair in BEHAVIOURS.items()],
        "starts": starts,
        "steps": list(steps.pop()),
        "runs": {
            name: {
                "paid": cliff.paid_trace(name) if cliff.bonus_of(name) else "",
                "shares": [_shares(found[start]) for start in starts],
                "texts": [_texts(found[start], prompt, texts) for start in starts],
            }
            for name, found in by_condition.items()
        },
    }
    record["texts"] = [list(pair) for pair in texts]
    return RunsExplorer(record=record, condition=condition, start=starts[0], step=step)


def by_step(explorer: RunsExplorer) -> pd.DataFrame:
    """What the explorer's runs did, for a page that cannot slide: a row for each.

    Returns:
        Columns ``run``, ``share of`` and one for each of a few steps: the share of the behaviour
        that is paid the bonus (without one, of the study's favoured trace) from the first start.
    """
    record = explorer.record
    names = dict(record["behaviours"])
    columns = range(0, len(record["steps"]), 3)
    rows = []
    for name, run in record["runs"].items():
        told = run["paid"] or cliff.FAVOURED
        shares = run["shares"][0][list(names).index(told)]
        row = {f"step {record['steps'][i]}": f"{shares[i] / 1000:.3f}" for i in columns}
        rows.append({"run": name, "share of": names[told], **row})
    return pd.DataFrame(rows)


def _shares(run: Run) -> list[list[int]]:
    """[behaviour][step], in thousandths."""
    return [thousandths(run.metrics[f"mass/{name}"]) for name in BEHAVIOURS]


def _texts(run: Run, prompt: str, known: dict[tuple[str, str], int]) -> list[list[int]]:
    """The listed texts of a prompt, see ``most_probable``."""
    table = run.split("train")
    table = table[table.prompt == prompt]
    table = table.assign(before=np.exp(table.start_logprob), after=np.exp(table.logprob))
    return most_probable(table, known)


def most_probable(table: pd.DataFrame, known: dict[tuple[str, str], int]) -> list[list[int]]:
    """The most probable texts of both ends as an explorer's record holds them.

    Args:
        table: ``completion``, its ``label``, and its share ``before`` and ``after`` training.
        known: number of each (text, label); new ones join it.

    Returns:
        A row a text: its number, and both shares in thousandths.
    """
    ends = [table[table[end] >= _SHOWN].nlargest(_TEXTS, end) for end in ("after", "before")]
    chosen = pd.concat(ends).drop_duplicates("completion")
    numbers = [
        known.setdefault((str(text).strip("\n"), str(label)), len(known))
        for text, label in zip(chosen.completion, chosen.label, strict=True)
    ]
    both = (thousandths(chosen[end]) for end in ("before", "after"))
    return [list(row) for row in zip(numbers, *both, strict=True)]


def thousandths(values: pd.Series) -> list[int]:
    """Shares as whole thousandths, few bytes each."""
    return [int(x) for x in (1000 * values).round()]
