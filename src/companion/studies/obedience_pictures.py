"""What the obedience page draws and shows of its study."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from companion.data import data_path
from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.curves import LiveCurves
from companion.studies.obedience import (
    ALONE,
    BASES,
    HELD,
    MEASURES,
    NEW_STARTS,
    REMEDY,
    before_and_after,
    split_name,
)
from companion.studies.runs import Runs
from companion.studies.statistics import mean_interval


def in_words(scores: pd.DataFrame) -> pd.DataFrame:
    """``before_and_after`` as a page shows it: where a condition starts, and how far it moves."""
    rows = []
    for condition, part in scores.groupby("condition", sort=False):
        base, paid = split_name(str(condition))
        row = {"paid for": paid, "base": base}
        for component, title in MEASURES.items():
            before, after = part[f"{component} before"], part[f"{component} after"]
            row[title] = f"{before.mean():.2f} {mean_interval(after - before, part.start):+.2f}"
        rows.append(row)
    return pd.DataFrame(rows).sort_values("paid for", kind="stable")


@figure("slacker-obedience", rests_on=("prop_3_1", "prop_3_2"), family="instruction")
def beside_the_paper(recorded: Runs) -> Drawing:
    """Correctness and strict following, before and after training, ours and the paper's."""
    scores = before_and_after(recorded)
    theirs = pd.read_csv(data_path("paper/table_instruction_following.csv"))
    colours = {ALONE: "orange", HELD: "blue", REMEDY: "green"}
    means = scores.groupby("condition", sort=False).mean(numeric_only=True)
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5))

        for condition, row in means.iterrows():
            paid = split_name(str(condition))[1]
            if paid in colours:
                before, after = (
                    (row[f"correct {when}"], row[f"if_hard {when}"]) for when in ("before", "after")
                )
                _arrow(left, before, after, colours[paid])
        for _, pair in theirs.groupby("model"):
            before, after = pair[["correctness_acc", "if_hard_acc"]].to_numpy()
            _arrow(right, (before[0], before[1]), (after[0], after[1]), "orange")
        left.set(title="Here", ylabel="strict following", xlim=(0, 1.05), ylim=(0, 1.05))
        right.set(title="The paper's four models (%)", xlim=(0, 40), ylim=(0, 20))
        for ax in (left, right):
            ax.set_xlabel("correctness")
        left.text(0.03, 0.98, "with tie-breaker", color=COLOURS["green"])
        left.text(0.03, 0.04, "right answers alone", color=COLOURS["orange"])
        left.text(0.03, 0.1, "held near the start", color=COLOURS["blue"])
        plt.close(fig)
    return Drawing(
        fig,
        title="What reward for right answers does to obedience",
        caption="From before reinforcement learning (dots) to after it (arrow heads). Left: our "
        f"{len(BASES)} base policies, means over starts on the training prompts. Right: the "
        "paper's table (§5.2), benchmark scores of Fu et al. (2025).",
        alt="Arrows in a plane of correctness and strict instruction following. Left, ours: "
        f"{_ways(means)} Right, the paper's four models all move right and down.",
        data=scores,
    )


def _arrow(ax: Axes, before: tuple[float, float], after: tuple[float, float], name: str) -> None:
    """An arrow from where a policy starts, a dot, to where it ends."""
    line = {"arrowstyle": "-|>", "lw": 2.5, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 18}
    ax.annotate("", after, before, arrowprops=line | {"color": COLOURS[name]})
    ax.plot(*before, "o", color=COLOURS["ink"], ms=6)


def _ways(means: pd.DataFrame) -> str:
    """Which way our arrows point, in words."""
    rise = means["if_hard after"] - means["if_hard before"]
    parts = {
        title: rise[[split_name(str(condition))[1] == paid for condition in rise.index]]
        for paid, title in ((ALONE, "right answers alone"), (REMEDY, "the tie-breaker"))
    }
    said = [
        f"with {title} strict following changes by {r.min():+.2f} to {r.max():+.2f}"
        for title, r in parts.items()
    ]
    return "; ".join(said).replace("-", "−").capitalize() + "."


@figure("slacker-obedience-live", rests_on=("prop_3_1", "prop_3_2"), family="instruction")
def live(drawn: LiveCurves) -> Drawing:
    """How the runs that were trained just now came to answer right and as told."""
    return Drawing(
        drawn.drawn(),
        title="With and without a tie-breaker",
        caption="Probability of an answer that is right and obeys, in the runs that were trained "
        f"while this page was built, from {len(NEW_STARTS)} starts that the record does not hold; "
        "averaged over the training prompts and computed exactly. Each thin line is a run.",
        alt=drawn.alt,
        data=drawn.data,
    )
