"""Chapter 6: the length penalty α|n_gold − n|; a weight w on ``length`` is α = w / 6 a word."""

from typing import Any

import pandas as pd

from companion.data import data_path
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

LONGEST = 6  # words of an answer
PENALTIES = (0.0, 0.0003, 0.003, 0.03)  # α; the paper's and what is ten and a hundred times it
NEW_START = 20  # of the live part; the record has others


def at(penalty: float) -> str:
    """Name of the condition with a penalty α."""
    return f"scaled, α = {penalty:g}"


def _condition(penalty: float) -> dict[str, Any]:
    length = {"length": round(LONGEST * penalty, 8)} if penalty else {}
    return {
        "task": "instruction",
        "steps": 80,
        "eval_every": 20,
        "scale_rewards": "group",  # trl's default, under which a small penalty keeps its say
        "rewards": {"correct": 1.0} | length,
    }


_PAPERS, _MIDDLE, LARGEST = PENALTIES[1:]
STUDY = Study(
    "length",
    chapter=6,
    question="How small may a length penalty be and still set the length of answers?",
    conditions={at(penalty): _condition(penalty) for penalty in PENALTIES},
    starts=range(10),
    repeats={at(penalty): 2 for penalty in (0.0, _PAPERS, LARGEST)},
    own_starts={at(_MIDDLE): range(5)},
)


def paper_alpha() -> float:
    """The paper's α (§5.3), a token."""
    table = pd.read_csv(data_path("paper/table_training_hyperparameters.csv"))
    return float(table.set_index("parameter").value["lcpo_length_penalty_alpha"])


def error_of(run: Run, policy: str = "final") -> float:
    """Mean distance from the length asked for, in words."""
    return LONGEST * (1 - run.expected("length", policy=policy))


def length_error(runs: Runs) -> pd.DataFrame:
    """Mean distance from the length asked for after training, in words. Tidy."""
    return runs.tidy(error_of)


def correct(runs: Runs) -> pd.DataFrame:
    """Share of right answers after training. Tidy."""
    return runs.tidy(lambda run: run.expected("correct"))


CLAIMS = (
    Claim(
        "paper-alpha",
        f"A penalty of the paper's α, {_PAPERS:g} a word, keeps answers nearer the length asked "
        "for than no penalty does.",
        length_error,
        of=at(_PAPERS),
        against=at(0.0),
        sign=-1,
        section="5.3",
        short="length error, the paper's α",
        confirmatory=True,
    ),
    Claim(
        "largest-alpha",
        f"A penalty of {LARGEST:g} a word keeps answers nearer the length asked for than no "
        "penalty does.",
        length_error,
        of=at(LARGEST),
        against=at(0.0),
        sign=-1,
        section="5.3",
        short="length error, the largest α here",
        confirmatory=True,
    ),
    Claim(
        "middle-alpha",
        f"A penalty of {_MIDDLE:g} a word does so too.",
        length_error,
        of=at(_MIDDLE),
        against=at(0.0),
        sign=-1,
    ),
    Claim(
        "no-cost",
        f"A penalty of {LARGEST:g} a word leaves the share of right answers where it is, within "
        "five hundredths.",
        correct,
        of=at(LARGEST),
        against=at(0.0),
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
)


def live_keys(start: int = NEW_START) -> list[Key]:
    """The run that the chapter trains while it is built."""
    return [Key(at(LARGEST), start, 0)]
