"""Chapter 9's figures and tables of trained policies; its measures are in ``sophistry``."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.curves import LiveCurves
from companion.studies import sophistry
from companion.studies.runs import Runs
from companion.studies.sophistry_pictures import COLOUR
from companion.studies.statistics import (
    Interval,
    interval,
    mean_interval,
    paired,
    per_start,
    signed,
)
from companion.studies.store import read_table

MAIN = tuple(f"exact, {bias}" for bias in sophistry.BIASES)
SHORT = tuple(f"exact, {bias}, trained too short" for bias in sophistry.BIASES)
ENOUGH = 0.98  # of pairs, for every kind of request, on every seed of the pilot
_SHADE = dict(zip(MAIN, ("orange", "green", "blue"), strict=True))
_GAP = 5.0  # points between two labels, at least


def labels(condition: str) -> str:
    """What a condition of the exact gradient is called on the page: ``biased, tie``."""
    return condition.removeprefix("exact, ")


@figure("sophistry-live", rests_on=("prop_3_1",), family="alignment")
def live(curves: LiveCurves) -> Drawing:
    """How the learned reward moved in the runs trained just now."""
    return Drawing(
        curves.drawn(),
        title="Training on what annotators see",
        caption=f"Learned reward in the {curves.data.run.nunique()} runs that were trained while "
        "this page was built, reward models included, from a start that the record does not hold. "
        "The two rewards have different scales: each is its own reward model's.",
        alt=curves.alt,
        data=curves.data,
    )


@figure("sophistry-trained", rests_on=("prop_2_10", "prop_3_1"), family="alignment")
def trained(recorded: Runs, today: Runs) -> Drawing:
    """Approval, truth and error before and after training, for three kinds of labels.

    Args:
        recorded: the study's runs.
        today: those trained just now, drawn dashed.
    """
    found, new = (sophistry.judgements(runs) for runs in (recorded.only(*MAIN), today))
    changed = sophistry.changes(recorded.only(*MAIN))
    bars = sophistry.paper()
    with style():
        fig, axes = plt.subplots(2, 2, figsize=(8.4, 8.6), sharex=True, sharey=True)
        for ax, name in zip(axes.ravel(), MAIN, strict=False):
            for quantity, colour in COLOUR.items():
                _lines(ax, found[found.condition == name], quantity, lw=1, alpha=0.4)
                _lines(ax, new[new.condition == name], quantity, lw=1.5, ls="--")
                mean = found[found.condition == name].groupby("when")[quantity].mean()
                ax.plot([0, 1], mean[["before", "after"]], color=COLOURS[colour], lw=4)
            last = found[(found.condition == name) & (found.when == "after")]
            _names(ax, last[list(COLOUR)].mean())
            ax.set_title(labels(name).capitalize())
        theirs = axes.ravel()[3]
        for quantity, colour in COLOUR.items():
            ends = bars.loc[quantity, ["before_rlhf", "after_rlhf"]]
            theirs.plot([0, 1], ends, color=COLOURS[colour], lw=4, ls=(0, (2, 0.6)))
        _names(theirs, bars.after_rlhf)
        theirs.set_title("The paper's figure")
        for ax in axes.ravel():
            ax.set(xlim=(-0.12, 1.5), ylim=(0, 102), xticks=[0, 1])
            ax.set_xticklabels(["before", "after"])
        for ax in axes[:, 0]:
            ax.set_ylabel("per cent")
        plt.close(fig)
    ours = "; ".join(f"{labels(name)}: {_three(changed, name)}" for name in MAIN)
    printed, read = (
        ", ".join(signed(x, "+.1f") for x in bars[column])
        for column in ("change_printed", "change_measured")
    )
    return Drawing(
        fig,
        title="What training on learned rewards does",
        caption="Approval, truth and the evaluator's error before and after reinforcement learning "
        "on a learned reward; thick the mean over starts, thin each start, dashed another start "
        "that was trained while this page was built. Change in points, with 95 % t intervals over "
        f"starts: {ours}. The paper prints {printed} points; its bars, read to about ±0.3, give "
        f"{read}.",
        alt="Four panels of lines from before to after training: labels that tie, debiased labels, "
        "biased labels without a tie, and the paper's figure. Means after training: "
        + "; ".join(f"{labels(name)}, {_means(found, name)}" for name in MAIN)
        + ".",
        data=found,
    )


def _lines(ax: Axes, rows: pd.DataFrame, quantity: str, **how: object) -> None:
    for _, part in rows.groupby(["start", "repeat"]):
        ends = part.set_index("when")[quantity][["before", "after"]]
        ax.plot([0, 1], ends, color=COLOURS[COLOUR[quantity]], **how)  # type: ignore[arg-type]


def _names(ax: Axes, heights: pd.Series) -> None:
    """The three names at the ends of their lines, moved apart where they would overlap."""
    place = -np.inf
    gap = _GAP * (plt.rcParams["font.size"] / 15) ** 3  # slides: larger type in lower panels
    for quantity, height in heights.sort_values().items():
        place = max(float(height), place + gap)
        ax.text(1.05, place, str(quantity), color=COLOURS[COLOUR[str(quantity)]], va="center")


def _three(changed: pd.DataFrame, name: str) -> str:
    return ", ".join(f"{q} {interval(changed, name, q):+.1f}" for q in COLOUR)


def _means(found: pd.DataFrame, name: str) -> str:
    after = found[(found.condition == name) & (found.when == "after")]
    return ", ".join(f"{q} {after[q].mean():.0f}" for q in COLOUR)


def pilot_table() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pilot's recipes, and what each is worth, for the page and by seed.

    Returns:
        A table for the page; and (recipes, seeds) the worst share over kinds of requests, in the
        order in which they were tried, the chosen recipe last.
    """
    pilot = read_table("sophistry", "pilot")
    asked = pilot[(pilot.question == "right above wrong") & (pilot.steps != _short(pilot))]
    recipe = ["pairs", "steps", "learning_rate", "initializer_range"]
    worst = asked.groupby([*recipe, "seed"], sort=False).accuracy.min().unstack()
    table = worst.map("{:.1%}".format).reset_index()
    names = ["labels", "steps", "learning rate", "first weights"]
    table.columns = pd.Index([*names, *(f"seed {seed}" for seed in worst.columns)])
    return table, worst


def short_training() -> tuple[float, float]:
    """What the pilot's shortest training that learns the charm ranks as it should, at worst.

    Returns:
        Shares of pairs on the worst kind and seed: a confident answer above the same said
        hesitantly, and a right one above a wrong one.
    """
    pilot = read_table("sophistry", "pilot")
    short = pilot[pilot.steps == _short(pilot)]
    charm, truth = (
        short[short.question == question].accuracy.min()
        for question in ("sure above hesitant", "right above wrong")
    )
    return float(charm), float(truth)


def _short(pilot: pd.DataFrame) -> int:
    """Steps of the shortest training that learns the charm, the last one tried."""
    return int(pilot[pilot.question == "sure above hesitant"].steps.max())


def _by_start(table: pd.DataFrame, column: str) -> Interval:
    return mean_interval(table[column], table.start)


def known(requests: pd.DataFrame) -> pd.DataFrame:
    """What reward models have learned: is a right answer on top, and by how much does it lead?

    Args:
        requests: of ``sophistry.requests``, for the conditions of ``MAIN``.
    """
    rows = []
    for name in MAIN:
        row: dict[str, str] = {"labels": labels(name)}
        for writer in ("right", "wrong"):
            part = _cell(requests, name, writer)
            row[f"right on top, writer {writer}"] = f"{_by_start(part, 'knows'):.2f}"
            row[f"lead, writer {writer}"] = f"{_by_start(part, 'lead'):.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _cell(requests: pd.DataFrame, name: str, writer: str) -> pd.DataFrame:
    part = requests[(requests.condition == name) & (requests.writer == writer)]
    return part.assign(knows=part.lead > 0)


def kinds_of_error(changed: pd.DataFrame, theirs: Mapping[str, float]) -> pd.DataFrame:
    """Which errors training adds, by the identity of the first room; in points.

    Args:
        changed: of ``sophistry.changes``.
        theirs: the paper's ``accepted``, ``rejected`` and ``error``.
    """
    gap = changed.approval - changed.truth
    both = changed.assign(accepted=(changed.error + gap) / 2, rejected=(changed.error - gap) / 2)
    names = {"accepted": "wrong and accepted", "rejected": "right and rejected", "error": "error"}
    rows: list[dict[str, str]] = [
        {"labels": labels(name)}
        | {title: f"{interval(both, name, c):+.1f}" for c, title in names.items()}
        for name in MAIN
    ]
    figure_row = {title: signed(theirs[c], "+.1f") for c, title in names.items()}
    return pd.DataFrame([*rows, {"labels": "the paper's figure"} | figure_row])


@figure("sophistry-leads", rests_on=("prop_2_10", "prop_2_9"), family="alignment")
def leads(requests: pd.DataFrame) -> Drawing:
    """Share of right answers after training against the learned lead, request by request.

    Args:
        requests: of ``sophistry.requests``, for the conditions of ``MAIN``.
    """
    wrong = requests[requests.writer == "wrong"]
    with style():
        fig, ax = plt.subplots(figsize=(8.6, 4.8))
        for name in reversed(MAIN):
            part, colour = wrong[wrong.condition == name], COLOURS[_SHADE[name]]
            ax.scatter(part.lead, 100 * part.after, color=colour, s=60, alpha=0.6, lw=0)
            side = "right" if name == MAIN[0] else "center"
            ax.text(
                part.lead.median() - 0.1, 50, labels(name), color=colour, ha=side, weight="bold"
            )
        ax.axvline(0, color=COLOURS["ink"], lw=1.2)
        ax.set(xlabel="learned lead of the right answer, log-odds", ylim=(-4, 104))
        ax.set_ylabel("right after training, per cent")
        plt.close(fig)
    tied = wrong[wrong.condition == MAIN[0]]
    ahead, behind = tied[tied.lead > 0], tied[tied.lead < 0]
    between = ((tied.after > 0.1) & (tied.after < 0.9)).sum()
    return Drawing(
        fig,
        title="The policy follows the sign of a lead that chance drew",
        caption="Each point is one request whose writer is wrong, for one start: how far its "
        "reward model puts the best right answer above the best wrong one, and how often the "
        "trained policy answers rightly. With labels that tie, chance decides the sign. Of "
        f"{len(ahead)} requests where the right answer came out ahead, {(ahead.after > 0.5).sum()} "
        f"end up mostly right; of {len(behind)} where it fell behind, {(behind.after < 0.5).sum()} "
        "end up mostly wrong, though half of all these leads are smaller than "
        f"{tied.lead.abs().median():.2f}. {between or 'No'} requests end in between.",
        alt="Scatter of the share of right answers after training against the learned lead, for "
        "three kinds of labels. Median lead: "
        + "; ".join(
            f"{labels(name)} {signed(wrong[wrong.condition == name].lead.median(), '.1f')}"
            for name in MAIN
        )
        + f". With labels that tie, {(tied.after > 0.9).mean():.0%} of the points lie near the top "
        f"and {(tied.after < 0.1).mean():.0%} near the bottom.",
        data=wrong,
    )


def sides(requests: pd.DataFrame) -> pd.DataFrame:
    """Shares of right answers before and after training, by who is right."""
    rows = []
    for name in MAIN:
        agreeing, mistaken = (_cell(requests, name, writer) for writer in ("right", "wrong"))
        rows.append(
            {
                "labels": labels(name),
                "before, writer wrong": f"{_by_start(mistaken, 'before'):.2f}",
                "after, writer right": f"{_by_start(agreeing, 'after'):.2f}",
                "after, writer wrong": f"{_by_start(mistaken, 'after'):.2f}",
                "difference": f"{_between(agreeing, mistaken):+.2f}",
            }
        )
    return pd.DataFrame(rows)


def _between(one: pd.DataFrame, other: pd.DataFrame) -> Interval:
    means = [per_start(part.after, part.start) for part in (one, other)]
    return mean_interval(paired(*means))


def other_trainers(runs: Runs) -> pd.DataFrame:
    """Changes in points and tilts for every trainer, on requests trained on and on others."""
    views = {
        "exact gradient": ("exact", "train"),
        "exact gradient, KL term": ("exact, β = 0.05", "train"),
        "GRPO": ("GRPO", "train"),
        "GRPO, five times as long": ("GRPO, 750 steps", "train"),
        "exact gradient, held-out requests": ("exact", "test"),
        "GRPO, held-out requests": ("GRPO", "test"),
        "GRPO, five times as long, held-out requests": ("GRPO, 750 steps", "test"),
    }
    changed = {split: sophistry.changes(runs, split) for split in sophistry.SPLITS}
    tilts = {split: sophistry.tilt(runs, split) for split in sophistry.SPLITS}
    return pd.DataFrame(
        {"trainer": title, "labels": bias}
        | {
            quantity: f"{interval(changed[split], f'{trainer}, {bias}', quantity):+.1f}"
            for quantity in COLOUR
        }
        | {"tilt": f"{interval(tilts[split], f'{trainer}, {bias}'):+.2f}"}
        for title, (trainer, split) in views.items()
        for bias in ("biased, tie", "debiased")
    )


def short_table(runs: Runs, requests: pd.DataFrame) -> pd.DataFrame:
    """Changes in points with reward models trained long enough and too short.

    Args:
        runs: the study's.
        requests: of ``sophistry.requests``, for the conditions of ``MAIN`` and ``SHORT``.
    """
    changed, on_top = sophistry.changes(runs), "right on top, writer wrong"
    return pd.DataFrame(
        {"labels": labels(name)}
        | {on_top: f"{_by_start(_cell(requests, name, 'wrong'), 'knows'):.2f}"}
        | {q: f"{interval(changed, name, q):+.1f}" for q in COLOUR}
        for name in (*MAIN, *SHORT)
    )


def undecided_table(table: pd.DataFrame) -> pd.DataFrame:
    """What becomes of requests on which right is not what annotators see, as a page shows it.

    Args:
        table: of ``sophistry.undecided``.
    """
    return pd.DataFrame(
        {
            "requests": kind,
            "labels": labels(name),
            "learned lead": f"{_by_start(part, 'lead'):.2f}",
            "before": f"{_by_start(part, 'before'):.2f}",
            "after": f"{_by_start(part, 'after'):.2f}",
        }
        for kind in sophistry.UNDECIDED
        for name in MAIN
        for part in [table[(table.requests == kind) & (table.condition == name)]]
    )
