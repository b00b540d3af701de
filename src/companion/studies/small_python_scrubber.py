"""The recorded runs of SmolLM2 to slide through: what it did at each step, and what it writes."""

from typing import Any

import pandas as pd

from companion.rlhf.records import Run
from companion.studies.cliff_scrubber import BEHAVIOURS, most_probable, thousandths
from companion.studies.runs import Runs
from companion.widgets import RunsExplorer


def scrubber(runs: Runs, prompt: str, condition: str = "bonus 0.1") -> RunsExplorer:
    """The explorer of the recorded runs, at their first start and step.

    Shares are those of the batch that is trained on, and after the last step of the samples for
    training prompts. Texts are samples for one held-out prompt.

    Args:
        runs: of the study, its record.
        prompt: one that the policies were sampled for.
        condition: shown first.
    """
    starts = sorted({key.start for key in runs.keys})
    names = [c for c in dict.fromkeys(key.condition for key in runs.keys) if c != "start"]
    texts: dict[tuple[str, str], int] = {}
    record: dict[str, Any] = {
        "prompt": prompt,
        "behaviours": [list(pair) for pair in BEHAVIOURS.items()],
        "starts": starts,
        "steps": [int(step) for step in runs.at(names[0], starts[0]).metrics.step],
        "runs": {
            name: {
                "paid": "hidden" if _pays(runs, name) else "",
                "shares": [_shares(runs.at(name, start)) for start in starts],
                "texts": [
                    _texts([runs.at(which, start) for which in ("start", name)], prompt, texts)
                    for start in starts
                ],
            }
            for name in names
        },
    }
    record["texts"] = [list(pair) for pair in texts]
    return RunsExplorer(record=record, condition=condition, start=starts[0], step=0)


def _pays(runs: Runs, condition: str) -> bool:
    """Whether hidden tampering has a bonus."""
    return bool(runs.study.conditions[condition]["rewards"].get("bonus_hidden"))


def _shares(run: Run) -> list[list[int]]:
    """[behaviour][step], in thousandths."""
    last = run.shares("train")
    return [
        thousandths(pd.Series([*run.metrics[f"share/{name}"].iloc[:-1], last[name]]))
        for name in BEHAVIOURS
    ]


def _texts(ends: list[Run], prompt: str, known: dict[tuple[str, str], int]) -> list[list[int]]:
    """What the policies of both ends wrote for a prompt, see ``most_probable``."""
    tables = [run.samples[run.samples["prompt"] == prompt] for run in ends]
    counts = [table.set_index(["completion", "label"])["count"] for table in tables]
    both = pd.concat([part / part.sum() for part in counts], axis=1, keys=["before", "after"])
    return most_probable(both.fillna(0).reset_index(), known)
