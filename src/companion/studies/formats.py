"""Chapter 2: which forms of a right answer stay optimal when rewards separate them a little?

Everything is measured on the requests that reinforcement learning trained on (those for a plain
answer), from the probabilities of all completions.
"""

from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf import get_task
from companion.rlhf.distances import distribution_distance, merged
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.statistics import per_start
from companion.studies.study import Key, Study

SETTING = {
    "task": "instruction",
    "trainer": "grpo",
    "scale_rewards": "none",
    "leave_out": ("boxed",),
    "steps": 100,
    "eval_every": 25,
}
FLOOR = "noise floor"
BEFORE = "before training"
NO_CHANGE = "every form"
CONTROL = "every form, paid 1.3"
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(**rewards: float) -> dict[str, Any]:
    return SETTING | {"rewards": rewards}


STUDY = Study(
    "formats",
    chapter=2,
    question="Every form of a right answer is optimal: which of them survive a small extra reward?",
    conditions={
        NO_CHANGE: _condition(correct=1.0),
        "asked length 0.03": _condition(correct=1.0, words=0.03),
        "asked length 0.3": _condition(correct=1.0, words=0.3),
        "reasoned 0.3": _condition(correct=1.0, reasoned=0.3),
        CONTROL: _condition(correct=1.3),  # the scale alone
    },
    starts=range(10),
    own_starts={"asked length 0.03": range(5), "reasoned 0.3": range(5)},
    repeats={NO_CHANGE: 2, "asked length 0.3": 2, CONTROL: 2},
)


def trained_on(run: Run) -> pd.DataFrame:
    """The part of a run's distribution that is about the requests it trained on."""
    table, task = run.split("train"), get_task(run.experiment.task)
    left_out = run.experiment.leave_out
    kept = [p for p in table.prompt.unique() if not task.kind(p).startswith(left_out)]
    return table[table.prompt.isin(kept)]


def probability(run: Run, *components: str, policy: str = "logprob") -> float:
    """Probability of answers that get full marks from all of some reward components.

    Args:
        run: of the instruction family.
        components: names of reward components.
        policy: ``logprob`` for the trained one, ``start_logprob`` for the one it started from.
    """
    table = trained_on(run)
    met = [
        all(_full_marks(name, *pair) for name in components)
        for pair in zip(table.prompt, table.completion, strict=True)
    ]
    return float(np.exp(table[policy].to_numpy(float)) @ met) / table.prompt.nunique()


@lru_cache(maxsize=2**16)
def _full_marks(component: str, prompt: str, answer: str) -> bool:
    return get_task("instruction").judge(component, prompt, answer).score == 1


def lengths_apart(partner: Run, run: Run) -> dict[str, float]:
    """Distance between two policies' distributions over the number of words, with its bracket."""
    apart = distribution_distance(_lengths(partner), _lengths(run))
    return {"value": apart.lower, "upper": apart.upper}


@lru_cache(maxsize=256)  # a run is compared with several others
def _lengths(run: Run) -> pd.DataFrame:
    return merged(trained_on(run), words)


def words(answer: str) -> int:
    """Number of words of an answer."""
    return len(answer.split())


def asked_share(runs: Runs) -> pd.DataFrame:
    """Share, among right answers, of those that have the asked length, after training. Tidy."""
    return runs.tidy(lambda run: _share(run, "words"))


def reasoned_share(runs: Runs) -> pd.DataFrame:
    """Share, among right answers, of those with a right intermediate sum, after training. Tidy."""
    return runs.tidy(lambda run: _share(run, "reasoned"))


def _share(run: Run, form: str) -> float:
    return probability(run, "correct", form) / probability(run, "correct")


def wrong(runs: Runs) -> pd.DataFrame:
    """Probability of a wrong answer after training; rows ``before training`` are the starts'."""
    after = runs.tidy(lambda run: probability(run) - probability(run, "correct"))
    before = runs.only(NO_CHANGE, repeats=[0]).tidy(
        lambda run: (
            probability(run, policy="start_logprob")
            - probability(run, "correct", policy="start_logprob")
        )
    )
    return pd.concat([after, before.assign(condition=BEFORE)], ignore_index=True)


def lengths_moved(runs: Runs) -> pd.DataFrame:
    """Distance in length of each run with a change to the run of the same start without.

    Returns:
        Tidy: ``value`` and ``upper``, see ``lengths_apart``. The condition of the distances
        between repeats without a change is ``noise floor``.
    """
    changed = runs.compared(
        lengths_apart, {name: NO_CHANGE for name in STUDY.conditions if name != NO_CHANGE}
    )
    again = runs.only(NO_CHANGE).repeated(lengths_apart)
    return pd.concat([changed, again.assign(condition=FLOOR)], ignore_index=True)


CLAIMS = (
    Claim(
        "leave",
        "Paid 0.3 for the asked length, a policy gives it more of its right answers than when it "
        "is paid 0.3 more for every right answer.",
        asked_share,
        of="asked length 0.3",
        against=CONTROL,
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "control",
        "Paid 0.3 more for every right answer, a policy moves its lengths less than another "
        "sampling seed does.",
        lengths_moved,
        of=CONTROL,
        against=FLOOR,
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "none-enters",
        "With 0.3 for the asked length, wrong answers become less likely than before training.",
        wrong,
        of="asked length 0.3",
        against=BEFORE,
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "small",
        "A tenth of that reward still raises the share of the asked length over no reward for it.",
        asked_share,
        of="asked length 0.03",
        against=NO_CHANGE,
        sign=+1,
    ),
    Claim(
        "reasoned",
        "Paid 0.3 for a right intermediate sum, more of the right answers have one.",
        reasoned_share,
        of="reasoned 0.3",
        against=NO_CHANGE,
        sign=+1,
    ),
    Claim(
        "reasoned-wrong",
        "With 0.3 for an intermediate sum, too, wrong answers become less likely than before "
        "training.",
        wrong,
        of="reasoned 0.3",
        against=BEFORE,
        sign=-1,
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key("asked length 0.3", start, 0) for start in starts]


_ROWS = {
    "asked length 0.03": "asked length\nδ = 0.03",
    "asked length 0.3": "asked length\nδ = 0.3",
    "reasoned 0.3": "intermediate sum\nδ = 0.3",
    CONTROL: "right sum\nδ = 0.3\ncontrol",
    FLOOR: "nothing\nnoise floor",
}


def shifts(runs: Runs) -> pd.DataFrame:
    """What each change of the reward does, start by start.

    Returns:
        Columns ``measure`` (``share`` of the right answers that have the paid form, for control
        and noise floor the asked length; ``wrong``, the probability of wrong answers),
        ``condition``, ``start``, ``before`` (the run of that start without the change) and
        ``after``. The condition ``noise floor`` is another sampling seed without a change.
    """
    lengths, sums, errors = asked_share(runs), reasoned_share(runs), wrong(runs)
    parts = []
    for condition in _ROWS:
        share = sums if condition.startswith("reasoned") else lengths
        for measure, table in (("share", share), ("wrong", errors)):
            unchanged = table[table.condition == NO_CHANGE]
            again = condition == FLOOR
            changed = unchanged if again else table[table.condition == condition]
            changed = changed[changed.repeat > 0] if again else changed
            first = unchanged[unchanged.repeat == 0]
            both = {
                "before": per_start(first.value, first.start),
                "after": per_start(changed.value, changed.start),
            }
            part = pd.DataFrame(both).dropna().rename_axis("start").reset_index()
            parts.append(part.assign(measure=measure, condition=condition))
    return pd.concat(parts, ignore_index=True)


@figure("optimal-sets-trained", rests_on=("lemma_2_5",), family="instruction")
def trained(recorded: Runs, today: Runs) -> Drawing:
    """From the policy trained without a change of the reward to the one trained with it.

    Args:
        recorded: the study's runs.
        today: those trained just now; at another tier they are drawn all the same.
    """
    table = shifts(recorded)
    new = {"share": asked_share(today), "wrong": wrong(today)}
    titles = {"share": "Right answers of the paid form", "wrong": "Wrong answers"}
    means = table.groupby(["measure", "condition"])[["before", "after"]].mean()
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(11, 5.4), sharey=True)
        for ax, (measure, title) in zip(axes, titles.items(), strict=True):
            for row, condition in enumerate(_ROWS):
                colour = COLOURS["faint" if condition in (CONTROL, FLOOR) else "orange"]
                part = table[(table.measure == measure) & (table.condition == condition)]
                begin, end = means.loc[(measure, condition)]
                ax.plot(part.after, [row] * len(part), "o", color=colour, ms=5, alpha=0.4)
                ax.plot([begin, end], [row, row], color=colour, lw=4)
                ax.plot(end, row, "o", color=colour, ms=13)
                ax.plot(begin, row, "|", color=COLOURS["ink"], ms=20, mew=2.5)
                live = new[measure]
                crosses = live[live.condition == condition].value
                ax.plot(crosses, [row + 0.25] * len(crosses), "x", color=colour, ms=9, mew=2)
            ax.set(title=title, xlim=(-0.03, 1.03))
            ax.grid(axis="y", visible=False)
        axes[0].set_xlabel("share")
        axes[1].set_xlabel("probability")
        axes[0].set_yticks(range(len(_ROWS)), list(_ROWS.values()))
        axes[0].set_ylim(len(_ROWS) - 0.5, -0.5)
        plt.close(fig)
    counts = table.groupby("condition").start.nunique()
    numbers = " or ".join(str(count) for count in sorted(set(counts)))
    large, control = (means.loc[("share", name)] for name in ("asked length 0.3", CONTROL))
    errors = means.loc["wrong"].after
    return Drawing(
        fig,
        title="Which forms stay in a trained model",
        caption="From the policy trained without the change (bar) to the policy trained with it "
        f"(large dot), means over starts; small dots are the {numbers} starts, crosses other "
        "starts, trained while this page was built. Left: the share, among right answers, of those "
        "that the change pays for; for the control and the noise floor, of those of the asked "
        "length. Right: answers that are wrong, and so optimal under none of the rewards.",
        alt="Two panels with a line from without to with for each of five changes. Left, paid 0.3 "
        f"for the asked length its share goes from {large.before:.2f} to {large.after:.2f}, in the "
        f"control from {control.before:.2f} to {control.after:.2f}. Right, wrong answers end "
        f"between {errors.min():.2f} and {errors.max():.2f}.",
        data=table,
    )
