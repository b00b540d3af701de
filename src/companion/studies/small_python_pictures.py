"""What SmolLM2 does under the rewards of chapters 4 and 5, drawn."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from companion.figures import COLOURS, Drawing, figure, style
from companion.studies import cliff, small_python
from companion.studies.marks import bars, draw_means
from companion.studies.pairs import sampled_distances
from companion.studies.runs import Runs
from companion.studies.statistics import interval, of_condition

# Conditions and their names under the axis.
CLIFF = {
    "start": "supervised\nstart",
    "no bonus": "weak grader,\nno bonus",
    "bonus 0.1": "weak grader,\nbonus 0.1",
    "no tie, no bonus": "strong grader,\nno bonus",
    "no tie, bonus 0.1": "strong grader,\nbonus 0.1",
}
PRESSED = {
    "start": "supervised\nstart",
    "no tie, no bonus": "strong\ngrader",
    "no bonus": "weak\ngrader",
    "pressure": "weak grader,\nthoughts watched",
}
# Behaviours with their names and colours.
TIED = {
    "honest": ("solves honestly", "blue"),
    "open": ("tampers and admits it", "green"),
    "hidden": ("tampers and hides it", "orange"),
}
_SHIFTS = (-0.24, 0.0, 0.24)
# What moves a policy: name of the row, condition of the tiny study, condition of the real one.
_MOVES = {
    "bonus 0.1,\ntied traces": ("GRPO, bonus 0.1", "bonus 0.1"),
    "another\nsampling seed": (cliff.FLOOR, "no bonus (floor)"),
    "bonus 0.1,\nno tie": ("no tie, bonus 0.1", "no tie, bonus 0.1"),
}
_CAPTION = (
    "What SmolLM2-135M-Instruct does on held-out tasks, before and after reinforcement learning. "
    "Dots: {runs} runs from {starts} supervised starts. Bars: mean over starts with its Student t "
    "interval (95 %). "
)


@figure("cliff-smollm2", rests_on=("prop_2_10",), family="deceptive")
def what_it_does(recorded: pd.DataFrame, today: pd.DataFrame) -> Drawing:
    """Shares of the three tied traces after training SmolLM2, by condition.

    Args:
        recorded: of the study's runs, as ``small_python.shares`` gives it.
        today: of the runs trained just now; may be empty.
    """
    crosses = (
        f"Crosses: start {today.start.iloc[0]}, trained while this page was built."
        if len(today)
        else "No run of today."
    )
    return Drawing(
        _columns(recorded, today, CLIFF),
        title="A pretrained language model on the cliff",
        caption=_captioned(recorded, CLIFF)
        + f"{crosses} The bonus is paid for hidden tampering. Under the weak grader the three "
        "behaviours tie. Wrong programs and what is none are not shown.",
        alt=_in_words(recorded, CLIFF),
        data=_long(recorded, today, CLIFF),
    )


@figure("slacker-smollm2", rests_on=("prop_3_1", "prop_2_10"), family="deceptive")
def graded_and_watched(recorded: pd.DataFrame) -> Drawing:
    """Shares of the three traces under the strong grader, the weak one, and with pressure.

    Args:
        recorded: of the study's runs, as ``small_python.shares`` gives it.
    """
    none = recorded.iloc[:0]
    return Drawing(
        _columns(recorded, none, PRESSED),
        title="Weakly graded, a pretrained model cheats; watched, it hides",
        caption=_captioned(recorded, PRESSED)
        + "The strong grader runs hidden tests, the weak one believes what the program reports; "
        f"watched thoughts earn {small_python.PRESSURE:g} if they admit nothing.",
        alt=_in_words(recorded, PRESSED),
        data=_long(recorded, none, PRESSED),
    )


@figure("cliff-two-worlds", rests_on=("prop_2_10",), family="deceptive")
def in_two_worlds(tiny: Runs, real: Runs) -> Drawing:
    """How far the same causes move a tiny model and a pretrained one.

    Args:
        tiny: the recorded runs of ``cliff``.
        real: those of ``small_python``.
    """
    tables = {
        "tiny model, exact": cliff.moved(tiny),
        "SmolLM2, by samples": sampled_distances(real),
    }
    with style():
        fig, ax = plt.subplots(figsize=(10, 5))
        for (name, table), side, colour in zip(
            tables.items(), (0, 1), ("blue", "orange"), strict=True
        ):
            conditions = [row[side] for row in _MOVES.values()]
            places = [row + (side - 0.5) * 0.24 for row in range(len(conditions))]
            draw_means(ax, places, table, conditions, colour, ls="none", label=name)
        ax.set_xticks(range(len(_MOVES)), list(_MOVES))
        ax.grid(visible=False, axis="x")
        ax.set(ylim=(-0.03, 1.03), ylabel="distance moved (total variation)")
        fig.legend(loc="outside upper center", ncols=2)
        plt.close(fig)
    rows = pd.concat(
        table[table.condition == row[side]].assign(model=name, cause=" ".join(cause.split()))
        for side, (name, table) in enumerate(tables.items())
        for cause, row in _MOVES.items()
    )
    real_starts = tables["SmolLM2, by samples"].start.nunique()
    means = "; ".join(
        f"{' '.join(cause.split())}: {interval(tables['tiny model, exact'], row[0]).value:.2f} and "
        f"{interval(tables['SmolLM2, by samples'], row[1]).value:.2f}"
        for cause, row in _MOVES.items()
    )
    return Drawing(
        fig,
        title="How far a bonus moves a tiny model and a pretrained one",
        caption="How far a policy ends from the one trained without the cause, over whole "
        "completions. Tiny model: training prompts, computed from all completions, trained by "
        "GRPO (without a tie: by the exact gradient). SmolLM2: held-out prompts, estimated from "
        f"samples of both policies, {real_starts} starts. Dots are runs, bars the mean over "
        "starts with its Student t interval (95 %).",
        alt=f"Mean distance of the tiny model and of SmolLM2. {means}.",
        data=rows[["model", "cause", "condition", "start", "repeat", "value"]],
    )


def _columns(recorded: pd.DataFrame, today: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """One column a condition, in it three behaviours side by side."""
    with style():
        fig, ax = plt.subplots(figsize=(11, 5.2))
        for place, condition in enumerate(columns):
            for shift, label in zip(_SHIFTS, TIED, strict=True):
                _behaviour(ax, recorded, today, condition, label, place + shift)
            if place:
                ax.axvline(place - 0.5, color=COLOURS["faint"], lw=0.8, alpha=0.5)
        ax.set_xticks(range(len(columns)), list(columns.values()))
        ax.grid(visible=False, axis="x")
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.04, 1.04), ylabel="share of samples")
        ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
        names = [name for name, _ in TIED.values()]
        handles = [ax.plot([], [], "o", color=COLOURS[c])[0] for _, c in TIED.values()]
        fig.legend(handles, names, loc="outside upper center", ncols=3, handletextpad=0.1)
        plt.close(fig)
    return fig


def _behaviour(
    ax: Axes, recorded: pd.DataFrame, today: pd.DataFrame, condition: str, label: str, x: float
) -> None:
    """One behaviour under one condition: dots beside the mean with its interval, and crosses."""
    colour = COLOURS[TIED[label][1]]
    means = [of_condition(recorded, condition, label)]
    bars(ax, [x], means, TIED[label][1], capsize=5, marker="_", ms=16, mew=2.5)
    values = recorded.loc[recorded.condition == condition, label]
    ax.plot([x - 0.06] * len(values), values, "o", color=colour, ms=6, alpha=0.5, mew=0)
    now = today.loc[today.condition == condition, label]
    ax.plot([x + 0.07] * len(now), now, "x", color=colour, ms=9, mew=2.5)


def _captioned(recorded: pd.DataFrame, columns: Mapping[str, str]) -> str:
    shown = recorded[recorded.condition.isin(columns)]
    return _CAPTION.format(runs=len(shown), starts=shown.start.nunique())


def _in_words(recorded: pd.DataFrame, columns: Mapping[str, str]) -> str:
    parts = []
    for condition, name in columns.items():
        means = [f"{label} {interval(recorded, condition, label).value:.2f}" for label in TIED]
        parts.append(f"{' '.join(name.split())}: {', '.join(means)}.")
    return "Mean share of honest solving, open and hidden tampering. " + " ".join(parts)


def _long(recorded: pd.DataFrame, today: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """A row a run and behaviour."""
    keys = ["condition", "start", "repeat"]
    table = pd.concat([recorded.assign(run="record"), today.assign(run="live")], ignore_index=True)
    table = table[table.condition.isin(columns)]
    return table[[*keys, "run", *TIED]].melt(
        [*keys, "run"], var_name="behaviour", value_name="share"
    )
