"""Chapter 3: a weight on the asked length makes one form right; how much of it can go?

Distances are between distributions over the number of words, see ``companion.studies.formats``.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.formats import SETTING, lengths_apart, probability
from companion.studies.marks import draw_means, draw_runs
from companion.studies.runs import Runs
from companion.studies.statistics import interval
from companion.studies.study import Key, Study

WEIGHTS = (1.0, 0.6, 0.1, 0.0, -0.1)
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(weight: float) -> dict[str, Any]:
    return SETTING | {"rewards": {"correct": 1.0} | ({"words": weight} if weight else {})}


STUDY = Study(
    "radius",
    chapter=3,
    question="Does a change of reward inside the stability radius leave a policy where it is?",
    # At weight 0 every length is right: the tie. Its runs are those of "every form" in `formats`.
    conditions={f"weight {weight:g}": _condition(weight) for weight in WEIGHTS},
    starts=range(10),
    repeats=2,
)

WINNER, TIE = "weight 1", "weight 0"
# Changes of the reward: name, and the conditions before and after it. The radius at weight 1 is
# 0.5; along this line the optimum moves at 1.
STEPS = {
    "inside the radius": (WINNER, "weight 0.6"),
    "before the optimum moves": (WINNER, "weight 0.1"),
    "beyond": (WINNER, "weight -0.1"),
    "across the tie": ("weight 0.1", "weight -0.1"),
    "from the tie up": (TIE, "weight 0.1"),
    "from the tie down": (TIE, "weight -0.1"),
}
FLOORS = {"noise floor, one right length": WINNER, "noise floor, tie": TIE}


def weight_of(condition: str) -> float:
    """The weight of the asked length under a condition."""
    return STUDY.conditions[condition]["rewards"].get("words", 0.0)


def size_of(step: str) -> float:
    """The size of a change of the reward, 0 for a noise floor."""
    before, after = STEPS.get(step, (WINNER, WINNER))
    return round(abs(weight_of(before) - weight_of(after)), 9)


def moved(runs: Runs) -> pd.DataFrame:
    """How far each change of the reward moves the lengths, and another sampling seed without one.

    Returns:
        Tidy: the condition is a name of ``STEPS`` or ``FLOORS``; ``value`` and ``upper`` are the
        ends of the distance's bracket.
    """
    steps = [
        runs.compared(lengths_apart, {after: before}).assign(condition=name)
        for name, (before, after) in STEPS.items()
    ]
    floors = [
        runs.only(condition).repeated(lengths_apart).assign(condition=name)
        for name, condition in FLOORS.items()
    ]
    return pd.concat([*steps, *floors], ignore_index=True)


def as_asked(runs: Runs) -> pd.DataFrame:
    """Probability of an answer of the asked length, after training. Tidy."""

    def obeys(run: Run) -> float:
        return probability(run, "words")

    return runs.tidy(obeys)


CLAIMS = (
    Claim(
        "inside",
        "With one right length a change inside the radius moves the lengths less than a change "
        "half as large does across the tie.",
        moved,
        of="inside the radius",
        against="across the tie",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "still",
        "Inside the radius the change moves the lengths as another sampling seed does, within "
        "0.05.",
        moved,
        of="inside the radius",
        against="noise floor, one right length",
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "beyond",
        "A change beyond the size at which the optimum moves takes the lengths further than one "
        "inside the radius.",
        moved,
        of="beyond",
        against="inside the radius",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "chance",
        "At the tie two sampling seeds end further apart than with one right length.",
        moved,
        of="noise floor, tie",
        against="noise floor, one right length",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "sides",
        "A tenth above the tie the asked length is more likely than a tenth below it.",
        as_asked,
        of="weight 0.1",
        against="weight -0.1",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "slow",
        "Short of the size at which the optimum moves the change still moves the lengths as "
        "another sampling seed does, within 0.1.",
        moved,
        of="before the optimum moves",
        against="noise floor, one right length",
        sign=0,
        margin=0.1,
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key(name, start, 0) for name in (WINNER, "weight 0.6") for start in starts]


@figure(
    "uniqueness-trained", rests_on=("thm_2_7", "sharp_1_stability_radius"), family="instruction"
)
def trained(recorded: Runs, today: Runs, safe: float) -> Drawing:
    """How far changes of the reward move the lengths: with one right length, and across the tie.

    Args:
        recorded: the study's runs.
        today: those trained just now; at another tier they are drawn all the same.
        safe: the stability radius at weight 1.
    """
    old, new = moved(recorded), moved(today)
    series = {
        "blue": ("inside the radius", "before the optimum moves", "beyond"),
        "orange": ("across the tie",),
    }
    floors = dict(zip(FLOORS, ("blue", "orange"), strict=True))
    moves_at = weight_of(WINNER)
    with style():
        fig, ax = plt.subplots(figsize=(9.5, 5.2))
        ax.axvspan(0, safe, color=COLOURS["sky"], alpha=0.18, lw=0)
        ax.axvline(moves_at, color=COLOURS["ink"], lw=1.5)
        for colour, steps in series.items():
            draw_means(ax, [size_of(step) for step in steps], old, steps, colour)
            for step in steps:
                draw_runs(ax, size_of(step) + 0.02, new, step, colour, new=True)
        for name, colour in floors.items():
            ax.axhline(interval(old, name).value, color=COLOURS[colour], lw=1.5, ls=":")
        across, chance = (
            interval(old, "across the tie").value,
            interval(old, "noise floor, tie").value,
        )
        bold: dict[str, Any] = {"weight": "bold"}
        ax.text(0.24, across, "across the tie", color=COLOURS["orange"], va="center", **bold)
        ax.text(0.53, chance + 0.02, "noise floor of the tie", color=COLOURS["orange"])
        ax.text(0.6, 0.05, "one right length", color=COLOURS["blue"], **bold)
        ax.text(safe / 2, 0.95, "safe radius", ha="center")
        ax.text(moves_at - 0.02, 0.95, "optimum moves", ha="right")
        ax.set(xlabel="size of the reward change, δ", ylabel="distance moved")
        ax.set(xlim=(0, 1.25), ylim=(-0.03, 1.03))
        plt.close(fig)
    inside, beyond = interval(old, "inside the radius"), interval(old, "beyond")
    return Drawing(
        fig,
        title="Changes inside the radius, beyond it and across a tie",
        caption="How far a change of the reward by δ moves the distribution of answer lengths. "
        f"Blue: the asked length leads by {moves_at:g}; shaded is the radius within which no "
        "change can move the optimum, the line marks where this change does. Orange: a step across "
        f"the tie. Dots are runs ({inside.n} starts), bars Student t intervals of the mean over "
        "starts; crosses are other starts, trained while this page was built. Dotted lines are the "
        "noise floors: the same reward with another sampling seed, at the tie (orange) and with "
        "one right length (blue). What completions outside the list could add is at most "
        f"{(old.upper - old.value).max():.2g}.",
        alt="Distance moved against the size of the reward change. With one right length the "
        f"distance is {inside.value:.3f} inside the radius and {beyond.value:.2f} beyond the size "
        "at which the optimum moves. A step across the tie, of a smaller size, moves the policy by "
        f"{across:.2f}.",
        data=pd.concat([old.assign(run="recorded"), new.assign(run="live")]),
    )
