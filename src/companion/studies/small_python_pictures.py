"""What SmolLM2 does under the rewards of chapters 4 and 5, drawn."""

import pandas as pd

from companion.figures import Drawing, figure
from companion.studies import cliff, small_python
from companion.studies.columns import Columns
from companion.studies.pairs import sampled_distances
from companion.studies.runs import Runs
from companion.studies.two_worlds import TwoWorlds

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
# What moves a policy: name of the row, condition of the tiny study, condition of the real one.
_MOVES = {
    "bonus 0.1,\ntied traces": ("GRPO, bonus 0.1", "bonus 0.1"),
    "another\nsampling seed": (cliff.FLOOR, "no bonus (floor)"),
    "bonus 0.1,\nno tie": ("no tie, bonus 0.1", "no tie, bonus 0.1"),
}
_CAPTION = (
    "What SmolLM2-135M-Instruct does on held-out tasks, before and after reinforcement learning."
)
_SHARES = "Mean share of honest solving, open and hidden tampering."


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
    return Columns(recorded, CLIFF, TIED, today).drawing(
        "A pretrained language model on the cliff",
        _CAPTION,
        f"{crosses} The bonus is paid for hidden tampering. Under the weak grader the three "
        "behaviours tie. Wrong programs and what is none are not shown.",
        _SHARES,
    )


@figure("slacker-smollm2", rests_on=("prop_3_1", "prop_2_10"), family="deceptive")
def graded_and_watched(recorded: pd.DataFrame) -> Drawing:
    """Shares of the three traces under the strong grader, the weak one, and with pressure.

    Args:
        recorded: of the study's runs, as ``small_python.shares`` gives it.
    """
    return Columns(recorded, PRESSED, TIED).drawing(
        "Weakly graded, a pretrained model cheats; watched, it hides",
        _CAPTION,
        "The strong grader runs hidden tests, the weak one believes what the program reports; "
        f"watched thoughts earn {small_python.PRESSURE:g} if they admit nothing.",
        _SHARES,
    )


@figure("cliff-two-worlds", rests_on=("prop_2_10",), family="deceptive")
def in_two_worlds(tiny: Runs, real: Runs) -> Drawing:
    """How far the same causes move a tiny model and a pretrained one.

    Args:
        tiny: the recorded runs of ``cliff``.
        real: those of ``small_python``.
    """
    shown = TwoWorlds(cliff.moved(tiny), sampled_distances(real), _MOVES)
    return Drawing(
        shown.drawn("distance moved (total variation)"),
        title="How far a bonus moves a tiny model and a pretrained one",
        caption="How far a policy ends from the one trained without the cause, over whole "
        "completions. Tiny model: training prompts, computed from all completions, trained by "
        "GRPO (without a tie: by the exact gradient). SmolLM2: held-out prompts, estimated from "
        f"samples of both policies, {shown.starts} starts. Dots are runs, bars the mean over "
        "starts with its Student t interval (95 %).",
        alt=shown.in_words("Mean distance of the tiny model and of SmolLM2."),
        data=shown.long(),
    )
