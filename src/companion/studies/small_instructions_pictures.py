"""What SmolLM2 makes of instructions under the rewards of chapters 5 and 6, drawn."""

import pandas as pd

from companion.figures import Drawing, figure
from companion.studies import obedience, small_instructions
from companion.studies.columns import Columns
from companion.studies.runs import Runs
from companion.studies.two_worlds import TwoWorlds

# Conditions and their names under the axis.
PAID = {
    "start": "supervised\nstart",
    "right answers": "paid for\nright answers",
    "right answers, bonus 0.1 for ignoring": "and a tenth\nfor ignoring",
    "no tie": "and as much\nfor following",
}
TIE_BREAKERS = {
    "start": "supervised\nstart",
    "right answers": "paid for\nright answers",
    "right answers, bonus 0.1 for following": "and a tenth\nfor following",
    "right answers, length": "and for\nthe length",
}
# Measures with their names and colours.
OBEYED = {"correct": ("right answers", "blue"), "follows": ("constraint met", "orange")}
KEPT = OBEYED | {"length": ("nearness to the length asked for", "green")}
_CAUSES = {
    "paid for\nright answers": (
        obedience.name(obedience.ADDER, obedience.ALONE),
        "right answers",
    ),
    "the same, held\nnear the start": (
        obedience.name(obedience.ADDER, obedience.HELD),
        "β = 0.1, right answers",
    ),
    "and a tenth\nfor following": (
        obedience.name(obedience.ADDER, obedience.REMEDY),
        "right answers, bonus 0.1 for following",
    ),
}
_CAPTION = "SmolLM2-135M-Instruct on held-out questions, before and after reinforcement learning."


@figure("obedience-smollm2", rests_on=("prop_3_1",), family="instruction")
def paid_for(recorded: pd.DataFrame) -> Drawing:
    """Right answers and constraints met, by what is paid.

    Args:
        recorded: of the study's runs, as ``small_instructions.means`` gives it.
    """
    return Columns(recorded, PAID, OBEYED).drawing(
        "What a pretrained model keeps of an instruction",
        _CAPTION,
        "A constraint counts as met where the answer is readable, right or wrong.",
        "Mean share of right answers and of constraints met.",
    )


@figure("obedience-two-worlds", rests_on=("prop_3_1",), family="instruction")
def in_two_worlds(tiny: Runs, real: Runs) -> Drawing:
    """Change of following by training, of a tiny model and of a pretrained one.

    Args:
        tiny: the recorded runs of ``obedience``.
        real: those of ``small_instructions``.
    """
    tables = obedience.strict_unseen(tiny), small_instructions.follows_more(real)
    shown = TwoWorlds(*tables, _CAUSES)
    return Drawing(
        shown.drawn("change of the share\nthat follows", (-0.5, 0.5)),
        title="What becomes of obedience, in a tiny model and in a pretrained one",
        caption="Change over reinforcement learning of the share of answers that meet all "
        "constraints, on held-out prompts. Tiny model: the base that can add, computed from all "
        f"completions. SmolLM2: by samples, {shown.starts} starts. Dots are runs, bars the mean "
        "over starts with its Student t interval (95 %).",
        alt=shown.in_words("Mean change of the tiny model and of SmolLM2."),
        data=shown.long(),
    )


@figure("tiebreaker-smollm2", rests_on=("prop_3_2",), family="instruction")
def tie_breakers(recorded: pd.DataFrame) -> Drawing:
    """Right answers, constraints met and lengths kept, by what breaks the tie.

    Args:
        recorded: of the study's runs, as ``small_instructions.means`` gives it.
    """
    return Columns(recorded, TIE_BREAKERS, KEPT).drawing(
        "What tie-breakers do to a pretrained model",
        _CAPTION,
        "Nearness to the length is 1 where the answer has exactly the number of words asked for, "
        "over the prompts that ask for one.",
        "Mean share of right answers, of constraints met, nearness of lengths.",
        "share, or nearness",
    )
