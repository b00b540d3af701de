"""Chapter 6: a bonus for a boxed answer, where all forms tie and where the asked form is paid."""

from typing import Any

from companion.studies.study import Study


def _condition(trainer: str, **rewards: float) -> dict[str, Any]:
    return {
        "task": "instruction",
        "trainer": trainer,
        "steps": 80,
        "eval_every": 20,
        "rewards": {"correct": 1.0, **rewards},
    }


STUDY = Study(
    "format_bonus",
    chapter=6,
    question="Does a format bonus act where forms tie, and only there?",
    conditions={
        "GRPO, no bonus": _condition("grpo"),
        **{f"GRPO, bonus {size:g}": _condition("grpo", boxed=size) for size in (0.01, 0.1, 1.0)},
        "GRPO, form paid": _condition("grpo", form=1.0),
        "GRPO, form paid, bonus 0.1": _condition("grpo", form=1.0, boxed=0.1),
        # The exact gradient also sees the forms that a policy hardly ever samples.
        "exact, no bonus": _condition("exact"),
        "exact, bonus 1": _condition("exact", boxed=1.0),
    },
    repeats={"GRPO, no bonus": 2},
)
