"""Chapter 3: a weight on the asked length makes one form right; how much of it can go?"""

from typing import Any

from companion.studies.study import Study

_SETTING = {
    "task": "instruction",
    "trainer": "grpo",
    "scale_rewards": "none",
    "leave_out": ("boxed",),
    "steps": 100,
    "eval_every": 25,
}


def _condition(weight: float) -> dict[str, Any]:
    return _SETTING | {"rewards": {"correct": 1.0} | ({"words": weight} if weight else {})}


STUDY = Study(
    "radius",
    chapter=3,
    question="Does a change of reward inside the stability radius leave a policy where it is?",
    # At weight 0 every form is right: the tie, and the control.
    conditions={
        f"weight {weight:g}": _condition(weight) for weight in (1.0, 0.9, 0.6, 0.2, 0.1, 0.0, -0.1)
    },
    repeats={"weight 1": 2, "weight 0": 2},
)
