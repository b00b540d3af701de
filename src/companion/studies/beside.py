"""What a reader trained on a page, drawn beside the recorded runs of the same conditions.

The text of a chapter speaks of the record; this speaks of the reader's own runs and says so.
"""

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from companion.errors import CompanionError
from companion.figures import COLOURS, save, slide_style, style
from companion.rlhf.experiment import Experiment
from companion.studies.pilots import pilot
from companion.studies.runs import Runs
from companion.studies.session import Trained, trained_here
from companion.studies.store import load
from companion.studies.study import Study

_VALUE = {"condition": str, "start": int, "value": float}  # also of a table without rows


def beside_the_record() -> None:
    """Show a figure for each study that was trained on this page, or say that none was."""
    if not trained_here():
        display(Markdown("*No model was trained on this page.*"))
    for trained in trained_here():
        show(trained)


def show(trained: Trained) -> None:
    """Draw, save and show one study's runs of today beside the recorded ones."""
    today = last_values(trained.runs, trained.column)
    recorded, source = recorded_values(trained.study, trained.column)
    recorded = recorded[recorded.condition.isin(today.condition)]
    label = f"{trained.label}, after training"
    drawn = draw(trained.study, today, recorded, label)
    with slide_style():
        slide = draw(trained.study, today, recorded, label)
    own = f"{_recipe(trained.runs[-1].experiment)}, starts {_starts(today)}"
    caption = (
        f"{trained.study.question} Crosses: your runs ({own}). "
        f"Dots: {source}. Your runs are no part of the record, and the text of this chapter "
        "does not speak of them."
    )
    means = today.groupby("condition", sort=False).value.mean()
    alt = f"{label}, mean of your runs: " + "; ".join(f"{k} {v:.2f}" for k, v in means.items())
    table = pd.concat([recorded.assign(run="recorded"), today.assign(run="yours")])
    title = f"Your runs beside the record: {trained.study.name}"
    id = f"beside-{trained.study.name.replace('_', '-')}"
    words = {"title": title, "caption": caption, "alt": alt}
    display(save(drawn, id, **words, data=table, slide=slide))


def last_values(runs: Runs, column: str) -> pd.DataFrame:
    """The last measurement of a column of ``metrics``; runs without one are left out.

    Returns:
        Columns ``condition``, ``start``, ``value``.
    """
    rows = [
        (key.condition, key.start, float(run.metrics[column].dropna().iloc[-1]))
        for key, run in runs.items()
        if column in run.metrics and run.metrics[column].notna().any()
    ]
    return _table(rows)


def _table(rows: list[tuple[str, int, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*_VALUE]).astype(_VALUE)


def recorded_values(study: Study, column: str) -> tuple[pd.DataFrame, str]:
    """``last_values`` of the recorded runs, and what they are; of a pilot where it is all there is.

    Returns:
        The table, empty without a record; in words, where it is from.
    """
    try:
        runs = load(study)
        return last_values(runs, column), f"recorded runs ({_recipe(runs[0].experiment)})"
    except CompanionError:
        pass
    try:
        shares = pilot(study)
    except CompanionError:
        return _table([]), "none, since nothing is recorded yet"
    shares = shares.rename(columns={column.partition("/")[2]: "value"})
    return shares[[*_VALUE]], f"runs of the pilot ({study.experiment(shares.condition[0]).tier})"


def draw(study: Study, today: pd.DataFrame, recorded: pd.DataFrame, label: str) -> Figure:
    """Values by condition: recorded ones as dots, today's as crosses."""
    names = [name for name in study.conditions if name in set(today.condition)]
    rows = {name: place for place, name in enumerate(reversed(names))}
    with style():
        fig, ax = plt.subplots(figsize=(9, 1.6 + 0.55 * len(names)))
        for table, mark, colour, name in (
            (recorded, "o", COLOURS["blue"], "recorded"),
            (today, "x", COLOURS["orange"], "yours"),
        ):
            places = [rows[condition] for condition in table.condition]
            ax.plot(table.value, places, mark, color=colour, ms=9, mew=2, alpha=0.8, label=name)
        ax.set_yticks(list(rows.values()), list(rows))
        ax.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))
        fig.legend(loc="outside upper right", ncols=2)
        plt.close(fig)
    return fig


def _recipe(experiment: Experiment) -> str:
    return f"size {experiment.tier}, {experiment.steps} steps"


def _starts(table: pd.DataFrame) -> str:
    return ", ".join(str(start) for start in sorted(set(table.start)))
