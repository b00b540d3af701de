"""Chapter 6: a bonus for the length asked for, read from the runs of chapters 2 and 3."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.records import Run
from companion.studies.marks import bars
from companion.studies.store import load

STUDIES = ("formats", "radius")


def shares() -> pd.DataFrame:
    """Shares of answers at the length asked for and of right ones, where nothing else is paid.

    Returns:
        A row a start (sampling seeds averaged). Columns ``bonus`` (for the length asked for),
        ``paid`` (for a right answer), ``start``, and ``words``, ``correct``, ``words before``,
        ``correct before``; ``seed effect`` is how far a second sampling seed moves ``words``, not
        a number where there is none.
    """
    rows = [
        _row(run)
        for name in STUDIES
        for run in load(name)
        if set(run.experiment.rewards) <= {"correct", "words"}
    ]
    table = pd.DataFrame(rows).drop_duplicates(["bonus", "paid", "start", "seed"])
    by_start = table.groupby(["bonus", "paid", "start"])
    effect = by_start.words.agg(lambda w: w.max() - w.min() if len(w) > 1 else float("nan"))
    means = by_start.mean().drop(columns="seed")
    return means.assign(**{"seed effect": effect}).reset_index()


def _row(run: Run) -> dict[str, float]:
    done = run.experiment
    row: dict[str, float] = {
        "bonus": done.rewards.get("words", 0.0),
        "paid": done.rewards["correct"],
        "start": done.sft_seed,
        "seed": done.seed,
    }
    for name in ("words", "correct"):
        row[name] = run.expected(name)
        row[f"{name} before"] = run.expected(name, policy="start")
    return row


def change(table: pd.DataFrame, column: str, bonus: float = 0.0, paid: float = 1.0) -> pd.Series:
    """Change of a share against right answers alone, from the same start.

    Args:
        table: as ``shares`` gives it.
        column: of the table.
        bonus: for the length asked for.
        paid: for a right answer.

    Returns:
        Indexed by start, for the starts that both have.
    """
    with_it, without = (
        table[(table.bonus == b) & (table.paid == p)].set_index("start")[column]
        for b, p in ((bonus, paid), (0.0, 1.0))
    )
    return (with_it - without).dropna()


@figure("tiebreaker-length-bonus", rests_on=("prop_3_2",), family="instruction")
def length_bonus(table: pd.DataFrame) -> Drawing:
    """Shares after training against the bonus; ``table`` as ``shares`` gives it."""
    drawn = table[(table.paid == 1) & (table.bonus >= 0)]
    control = table[(table.paid != 1) & (table.bonus == 0)]
    bonuses = sorted(drawn.bonus.unique())
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        for name, colour in (("words", "green"), ("correct", "blue")):
            places = range(len(bonuses))
            bars(ax, places, [drawn[drawn.bonus == b][name] for b in bonuses], colour)
            bars(ax, [0.15], [control[name]], colour, marker="s", mfc="white", ls="none")
            ax.axhline(table[f"{name} before"].mean(), color=COLOURS[colour], ls="--", lw=1.5)
        place: dict[str, Any] = {"transform": ax.transAxes}
        ax.text(0.03, 0.93, "at the length asked for", color=COLOURS["green"], **place)
        ax.text(0.97, 0.34, "right", color=COLOURS["blue"], ha="right", **place)
        ax.set_xticks(range(len(bonuses)), [f"{b:g}" for b in bonuses])
        ax.set(
            title="What a bonus for the length asked for does",
            xlabel="bonus for the length asked for",
            ylabel="share of answers",
            ylim=(0, 1.12),
        )
        plt.close(fig)
    ends = [drawn[drawn.bonus == b].words.mean() for b in (bonuses[0], bonuses[-1])]
    return Drawing(
        fig,
        title="A bonus for the length asked for",
        caption=f"Shares after training against the bonus, {drawn.start.nunique()} starts, mean "
        "and Student t interval (95 %). Hollow squares: no bonus, but a right answer is paid "
        f"{control.paid.iloc[0]:g} in place of 1, which breaks no tie. Dashed: before training.",
        alt="The share of answers at the length asked for, and the share of right answers, against "
        f"the size of the bonus. The first goes from {ends[0]:.2f} without a bonus to "
        f"{ends[1]:.2f} at the largest.",
        data=drawn,
    )
