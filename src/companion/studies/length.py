"""Chapter 6: the length penalty α|n_gold − n|; a weight w on ``length`` is α = w / 6 a word."""

from typing import Any

from companion.studies.study import Study

LONGEST = 6  # words of an answer
PENALTIES = (0.0, 0.00003, 0.0003, 0.003, 0.03)  # α
SCALINGS = {"group": "scaled", "none": "not scaled"}  # of advantages; trl's default is the group


def _condition(scaling: str, penalty: float) -> dict[str, Any]:
    length = {"length": round(LONGEST * penalty, 8)} if penalty else {}
    return {
        "task": "instruction",
        "steps": 80,
        "eval_every": 20,
        "scale_rewards": scaling,
        "rewards": {"correct": 1.0} | length,
    }


STUDY = Study(
    "length",
    chapter=6,
    question="How small may a length penalty be and still set the length of answers?",
    conditions={
        f"{SCALINGS[scaling]}, α = {penalty:g}": _condition(scaling, penalty)
        for scaling in SCALINGS
        for penalty in PENALTIES
    },
    repeats={f"{name}, α = 0": 2 for name in SCALINGS.values()},
)
