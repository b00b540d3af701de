"""Chapter 6: a bonus for a boxed answer, where all forms tie and where the asked form is paid."""

from typing import Any

import pandas as pd

from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

BONUS, LARGE = 0.1, 1.0
NEW_START = 20  # of the live part; the record has others


def _condition(trainer: str, **rewards: float) -> dict[str, Any]:
    return {
        "task": "instruction",
        "trainer": trainer,
        "steps": 80,
        "eval_every": 20,
        "rewards": {"correct": 1.0, **rewards},
    }


# Five starts: what confirmatory claims do not rest on.
_EXPLORED = {
    # The control: one form is best for each prompt.
    "GRPO, form paid": _condition("grpo", form=1.0),
    "GRPO, form paid, bonus 0.1": _condition("grpo", form=1.0, boxed=BONUS),
    # The exact gradient also sees the forms that a policy hardly ever samples.
    "exact, no bonus": _condition("exact"),
    "exact, bonus 1": _condition("exact", boxed=LARGE),
}

STUDY = Study(
    "format_bonus",
    chapter=6,
    question="Does a format bonus act where forms tie, and only there?",
    conditions={
        "GRPO, no bonus": _condition("grpo"),
        "GRPO, bonus 0.1": _condition("grpo", boxed=BONUS),
        **_EXPLORED,
    },
    starts=range(10),
    repeats={"GRPO, no bonus": 2, "GRPO, bonus 0.1": 2},
    own_starts=dict.fromkeys(_EXPLORED, range(5)),
)

# The partner of a condition: the same training without a bonus.
PARTNERS = {
    "GRPO, bonus 0.1": "GRPO, no bonus",
    "GRPO, form paid, bonus 0.1": "GRPO, form paid",
    "exact, bonus 1": "exact, no bonus",
}


def boxed(runs: Runs) -> pd.DataFrame:
    """Share of boxed answers after training. Tidy."""
    return runs.tidy(lambda run: run.expected("boxed"))


def correct(runs: Runs) -> pd.DataFrame:
    """Share of right answers after training. Tidy."""
    return runs.tidy(lambda run: run.expected("correct"))


def bought(runs: Runs) -> pd.DataFrame:
    """What a bonus adds to the boxed share, against none, from the same start. Tidy."""
    return runs.compared(lambda none, run: run.expected("boxed") - none.expected("boxed"), PARTNERS)


CLAIMS = (
    Claim(
        "tie",
        f"Where forms tie, a bonus of {BONUS:g} for a box brings more boxed answers than none.",
        boxed,
        of="GRPO, bonus 0.1",
        against="GRPO, no bonus",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "only-tie",
        "The same bonus adds more boxed answers where forms tie than where the form asked for is "
        "paid.",
        bought,
        of="GRPO, bonus 0.1",
        against="GRPO, form paid, bonus 0.1",
        sign=+1,
    ),
    Claim(
        "every-form-seen",
        "By the exact gradient, which sees every form, a bonus as large as the reward for a right "
        "answer brings more boxed answers than none.",
        boxed,
        of="exact, bonus 1",
        against="exact, no bonus",
        sign=+1,
    ),
    Claim(
        "price",
        "So large a bonus costs right answers.",
        correct,
        of="exact, bonus 1",
        against="exact, no bonus",
        sign=-1,
    ),
)


def live_keys(start: int = NEW_START) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key("GRPO, form paid, bonus 0.1", start, 0), Key("exact, bonus 1", start, 0)]
