"""Chapter 5: a monitor of the chain of thought, at growing weight, on top of the weak grader."""

from typing import Any

from companion.studies.graders import STARTS
from companion.studies.study import Study


def _condition(**rewards: float) -> dict[str, Any]:
    return {
        "task": "deceptive",
        "steps": 80,
        "eval_every": 5,
        "traces": STARTS["struggling"],
        "rewards": {"weak": 1.0, **rewards},
    }


STUDY = Study(
    "pressure",
    chapter=5,
    question="Does pressure on the chain of thought end cheating, or hide it?",
    conditions={
        "no monitor": _condition(),
        **{f"monitor {weight:g}": _condition(monitor=weight) for weight in (0.1, 0.3, 1.0)},
        # An agent that, left alone, cheats openly: a small bonus for the open way.
        "candid, no monitor": _condition(bonus_open=0.1),
        **{
            f"candid, monitor {weight:g}": _condition(bonus_open=0.1, monitor=weight)
            for weight in (0.3, 1.0)
        },
    },
)
