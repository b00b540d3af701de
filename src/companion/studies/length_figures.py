"""Chapter 6's figures of the length penalty, beside the paper's §5.3."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.data import data_path
from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.records import Run
from companion.rlhf.tasks import get_task
from companion.rlhf.tasks.instruction import read_prompt
from companion.studies.length import LARGEST, PENALTIES, at, error_of
from companion.studies.marks import bars
from companion.studies.runs import Runs
from companion.studies.statistics import of_condition

_HUES = {"with penalty": "green", "without": "orange"}


def ends(runs: Runs) -> pd.DataFrame:
    """Length error in words and share of right answers, before and after training.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, ``error``, ``correct``, ``error before``,
        ``correct before``.
    """
    return runs.tidy(
        lambda run: {
            "error": error_of(run),
            "correct": run.expected("correct"),
            "error before": error_of(run, "start"),
            "correct before": run.expected("correct", policy="start"),
        }
    )


@figure("tiebreaker-length-control", rests_on=("prop_3_2",), family="instruction")
def control(table: pd.DataFrame) -> Drawing:
    """Length error and correctness against the penalty; ``table`` as ``ends`` gives it."""
    titles = {"error": "Length error (words)", "correct": "Share of right answers"}
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(10, 4.8))
        for ax, (column, title) in zip(axes, titles.items(), strict=True):
            ax.axhline(table[f"{column} before"].mean(), color=COLOURS["faint"], ls="--", lw=2)
            for place, penalty in enumerate(PENALTIES):
                values = table[table.condition == at(penalty)][column]
                ax.plot([place - 0.1] * len(values), values, "o", color=COLOURS["green"], alpha=0.4)
            groups = [of_condition(table, at(penalty), column) for penalty in PENALTIES]
            bars(ax, range(len(PENALTIES)), groups, "green")
            ax.set_xticks(range(len(PENALTIES)), [f"{penalty:g}" for penalty in PENALTIES])
            ax.set(title=title, xlabel="penalty α a word", ylim=(0, None))
        beside: dict[str, Any] = {"color": COLOURS["faint"], "transform": axes[1].transAxes}
        axes[1].text(0.02, 0.03, "dashed: before training", **beside)
        plt.close(fig)
    errors = {penalty: of_condition(table, at(penalty), "error") for penalty in PENALTIES}
    told = [f"{error.mean():.2f} at {penalty:g}" for penalty, error in errors.items()]
    counts = sorted(set(map(len, errors.values())))
    return Drawing(
        fig,
        title="How small may the length penalty be?",
        caption="Mean distance from the length asked for (left) and share of right answers (right) "
        f"after training, on the prompts trained on. Dots are runs, lines the mean over "
        f"{' to '.join(map(str, counts))} starts, bars its Student t interval (95 %). Dots of one "
        "penalty differ by start and by sampling seed.",
        alt="Against the weight of the length penalty, the mean length error after training: "
        f"{', '.join(told)}; and the share of right answers.",
        data=table,
    )


def by_budget(run: Run) -> pd.DataFrame:
    """What a trained policy does by the length asked for.

    Returns:
        Indexed by ``asked`` (words); columns ``words`` written, ``off`` (words away from the
        length asked for) and ``right`` (share of right answers).
    """
    task, table = get_task("instruction"), run.split("train")
    mass = np.exp(table.logprob.to_numpy(float))
    asked = table.prompt.map({p: read_prompt(p).words for p in table.prompt.unique()})
    words = table.completion.str.split().str.len()
    verdicts = task.judge_all("correct", list(table.prompt), list(table.completion))
    measured = {"words": words, "off": abs(words - asked), "right": [v.score for v in verdicts]}
    sums = pd.DataFrame(measured).mul(mass, axis=0).groupby(asked).sum()
    return sums.div(pd.Series(mass).groupby(asked).sum(), axis=0).rename_axis("asked")


def budgets(runs: Runs) -> pd.DataFrame:
    """``by_budget`` without a penalty and with the largest, sampling seeds averaged.

    Returns:
        Columns ``penalty`` (``without`` or ``with penalty``), ``start``, ``asked``, ``words``,
        ``off``, ``right``.
    """
    names = {at(0.0): "without", at(LARGEST): "with penalty"}
    tables = [
        by_budget(run).reset_index().assign(penalty=names[key.condition], start=key.start)
        for key, run in runs.only(*names).items()
    ]
    return pd.concat(tables).groupby(["penalty", "start", "asked"]).mean().reset_index()


@figure("tiebreaker-asked-length", rests_on=("prop_3_2",), family="instruction")
def asked(table: pd.DataFrame) -> Drawing:
    """Words written against words asked for; ``table`` as ``budgets`` gives it."""
    wanted = sorted(table.asked.unique())
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        ax.plot(wanted, wanted, color=COLOURS["faint"], lw=1.5, ls="--")
        for name, part in table.groupby("penalty"):
            bars(ax, wanted, [part[part.asked == n].words for n in wanted], _HUES[str(name)])
        _label(ax, {"with penalty": (0.03, 0.9), "without": (0.03, 0.8)}, "left")
        beside: dict[str, Any] = {"ha": "right", "transform": ax.transAxes}
        ax.text(0.97, 0.06, "dashed: as asked", color=COLOURS["faint"], **beside)
        ax.set(title="Words written", xlabel="words asked for", ylabel="words written")
        plt.close(fig)
    off = table.groupby(["penalty", "asked"]).off.mean()
    spans = {name: f"{off[name].min():.2f} to {off[name].max():.2f}" for name in _HUES}
    return Drawing(
        fig,
        title="Length against the length asked for",
        caption=f"Without a penalty and with α = {LARGEST:g}, {table.start.nunique()} starts, mean "
        "and Student t interval (95 %). With the penalty the answers are "
        f"{spans['with penalty']} words off on average, by the length asked for; without it "
        f"{spans['without']}.",
        alt="Words written against words asked for; the dashed diagonal is what was asked for. "
        f"With the penalty the mean is {spans['with penalty']} words off, without it "
        f"{spans['without']}.",
        data=table,
    )


def _label(ax: Axes, places: dict[str, tuple[float, float]], align: str) -> None:
    """Names of the two series, in their colours, at places of the axes."""
    for name, (x, y) in places.items():
        ax.text(x, y, name, color=COLOURS[_HUES[name]], ha=align, transform=ax.transAxes)


def papers_figure() -> pd.DataFrame:
    """The paper's Fig. 6b, digitised: columns ``method``, ``tokens_used``, accuracy in per cent."""
    return pd.read_csv(data_path("paper/fig_l1_length_control.csv"))


@figure("tiebreaker-budget", rests_on=("prop_3_2",), family="instruction")
def budget(table: pd.DataFrame) -> Drawing:
    """Accuracy against the length used, ours and the paper's.

    Args:
        table: as ``budgets`` gives it.
    """
    l1 = papers_figure()
    methods = {"L1-Exact": "green", "S1 (budget forcing)": "orange"}
    others = l1[~l1.method.isin(methods)]
    base = others[others.method == "DeepSeek-R1-1.5B"].iloc[0]
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8))
        for name, part in table.groupby("penalty"):
            groups = part.groupby("asked")
            bars(left, groups.words.mean(), [100 * p.right for _, p in groups], _HUES[str(name)])
        _label(left, {"with penalty": (0.97, 0.12), "without": (0.97, 0.03)}, "right")
        left.set(title="Here: right answers (%)", xlabel="words used", ylim=(0, 65))
        for method, colour in methods.items():
            used, accuracy = _points(l1[l1.method == method])
            right.plot(used, accuracy, "o-", color=COLOURS[colour])
            right.text(used[-1] + 300, accuracy[-1] - 3, method, color=COLOURS[colour])
        right.plot(*_points(others), "o", color=COLOURS["faint"], ms=6)
        where = base.tokens_used, base.macro_average_accuracy_percent - 7
        right.text(*where, "base model", color=COLOURS["faint"], ha="right")
        right.set(title="The paper: accuracy (%)", xlabel="tokens used", ylim=(0, 65))
        plt.close(fig)
    return Drawing(
        fig,
        title="Accuracy against the length used",
        caption=f"Left: our runs, one point for each length asked for, {table.start.nunique()} "
        "starts, mean and Student t interval (95 %). Right: Fig. 6b of the paper's §5.3, adapted "
        "from Aggarwal and Welleck (2025): with the length reward (L1-Exact) and by cutting "
        "answers off (S1), digitised with a reading error of about three percent. Grey: "
        f"{', '.join(others.method.unique())}; the last is the base model.",
        alt="Two panels of accuracy against length used. Left, ours, with and without the penalty, "
        "which differ by "
        f"{_largest_difference(table):.0f} points at most. Right, the paper's: both methods rise "
        "with length, L1 above S1.",
        data=pd.concat([table.assign(source="here"), l1.assign(source="paper")]),
    )


def _points(part: pd.DataFrame) -> tuple[list[float], list[float]]:
    return part.tokens_used.tolist(), part.macro_average_accuracy_percent.tolist()


def _largest_difference(table: pd.DataFrame) -> float:
    """Between the two penalties, over lengths asked for, in points of right answers."""
    right = table.pivot_table(index="asked", columns="penalty", values="right")
    return float(100 * (right["with penalty"] - right["without"]).abs().max())
