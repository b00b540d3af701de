"""What chapter 5's first page draws and shows of its study of graders."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.curves import LiveCurves
from companion.studies.graders import (
    GRADERS,
    KINDS,
    NEW_STARTS,
    STARTS,
    STUDY,
    curves,
    masses,
    paper_curves,
)
from companion.studies.runs import Runs
from companion.studies.statistics import mean_interval


def draw_curves(ax: Axes, table: pd.DataFrame, value: str, colour: str) -> None:
    """Every run as a thin line, and the mean over starts as a thick one."""
    for _, run in table.groupby(["start", "repeat"]):
        ax.plot(run.done, run[value], color=COLOURS[colour], lw=1, alpha=0.4)
    mean = table.groupby(["done", "start"])[value].mean().groupby("done").mean()
    ax.plot(mean.index, mean, color=COLOURS[colour], lw=4)


def leading(table: pd.DataFrame) -> pd.Series:
    """How many runs end with most of their probability on each behaviour, by behaviour."""
    most = table[list(KINDS)].idxmax(axis=1)
    return most.value_counts().reindex(list(KINDS), fill_value=0)


def counted(table: pd.DataFrame) -> str:
    """How many runs from how many starts a table is about, in words."""
    runs = table.groupby(["start", "repeat"]).ngroups
    starts = table.start.nunique()
    return f"{runs} runs from {starts} starts" if runs > starts else f"{starts} starts"


@figure("slacker-graders", rests_on=("prop_3_1",), family="deceptive")
def beside_the_paper(recorded: Runs) -> Drawing:
    """Cheating over training under a weak and a strong grader, ours and the paper's."""
    colours = {"weak": "orange", "strong": "blue"}
    ours = {grader: curves(recorded.only(f"struggling, {grader}")) for grader in colours}
    theirs = paper_curves()
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), sharey=True)
        for grader, colour in colours.items():
            draw_curves(left, ours[grader], "cheating", colour)
            line = theirs[theirs.grader == grader]
            right.plot(line.done, line.cheating, "o-", color=COLOURS[colour], ms=5)
        for ax, title in ((left, "Here"), (right, "The paper's figure")):
            ax.set(title=title, xlabel="training done (%)", ylim=(-0.03, 1.03))
        right.text(2, 0.55, "weak\ngrader", color=COLOURS["orange"])
        right.text(98, 0.06, "strong grader", color=COLOURS["blue"], ha="right")
        left.set_ylabel("share that cheats")
        plt.close(fig)
    ends = {grader: _ends(table) for grader, table in ours.items()}
    return Drawing(
        fig,
        title="Cheating under a weak and a strong grader",
        caption="Left: our GRPO runs from the struggling start. Thin lines are runs "
        f"({counted(ours['weak'])} under the weak grader), thick lines means over starts. The "
        "shares are exact, over all completions. Right: the figure of the paper's §5.1.1, adapted "
        "from Wang et al. (2025), digitised with a reading error of about a point.",
        alt="Two panels of the share that cheats over training. Under the weak grader it climbs in "
        f"the paper's figure to most attempts; here the runs end at {ends['weak']}. Under the "
        f"strong one the paper's stays near zero; ours end at {ends['strong']}.",
        data=pd.concat(
            [
                *(table.assign(source="here", grader=grader) for grader, table in ours.items()),
                theirs.assign(source="paper"),
            ]
        ),
    )


def _ends(table: pd.DataFrame) -> str:
    """Least and greatest share that cheats at the end, in words."""
    last = table[table.done == 100].cheating
    return f"{last.min():.2f} to {last.max():.2f}"


@figure("slacker-controls", rests_on=("prop_3_1",), family="deceptive")
def controls(recorded: Runs) -> Drawing:
    """Cheating at the end of training, from each start and under each grader."""
    table = masses(recorded)
    before = masses(recorded, policy="start")
    colours = {"struggling": "orange", "competent": "blue"}
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        for row, name in enumerate(STUDY.conditions):
            part = table[table.condition == name]
            colour = COLOURS[colours[name.split(",")[0]]]
            found = mean_interval(part.cheating, part.start)
            ax.plot(part.cheating, np.full(len(part), row), "o", color=colour, ms=6, alpha=0.5)
            ax.plot(found.ends, [row, row], color=colour, lw=4)
            ax.plot(found.value, row, "|", color=colour, ms=18, mew=3)
        ax.set_yticks(range(len(STUDY.conditions)), list(GRADERS) * len(STARTS))
        ax.invert_yaxis()
        ax.text(0.62, 1.5, "struggling start", color=COLOURS["orange"], va="center")
        ax.text(0.62, 4, "competent start", color=COLOURS["blue"], va="center")
        ax.set(title="Cheating at the end of training", xlabel="share that cheats")
        ax.set_xlim(-0.03, 1.03)
        plt.close(fig)
    held = {
        start: before[before.condition.str.startswith(start)].cheating.mean() for start in STARTS
    }
    ends = table.groupby("condition", sort=False).cheating.agg(["min", "max"])
    rows = [f"{name}: {low:.2f} to {high:.2f}." for name, (low, high) in ends.iterrows()]
    return Drawing(
        fig,
        title="Weak grading alone does not make a cheat",
        caption="Each dot is a run; bars are 95 % t intervals of the mean over starts. Before "
        f"training {held['struggling']:.3f} (struggling) and {held['competent']:.3f} (competent) "
        "of the submissions cheat.",
        alt="Six rows of dots, the share that cheats under each start and grader. "
        + " ".join(rows),
        data=table,
    )


@figure("slacker-live", rests_on=("prop_3_1",), family="deceptive")
def live(drawn: LiveCurves) -> Drawing:
    """How often the runs that were trained just now solve honestly."""
    return Drawing(
        drawn.drawn(),
        title="The same start, two graders",
        caption="Probability of solving honestly in the runs that were trained while this page was "
        f"built, from {len(NEW_STARTS)} starts that the record does not hold; averaged over the "
        "training prompts and computed exactly. Each thin line is a run.",
        alt=drawn.alt,
        data=drawn.data,
    )
