"""Chapter 2: which forms of a right answer stay optimal when rewards separate them a little?"""

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


def _condition(**rewards: float) -> dict[str, Any]:
    return _SETTING | {"rewards": rewards}


STUDY = Study(
    "formats",
    chapter=2,
    question="Every form of a right answer is optimal: which of them survive a small extra reward?",
    conditions={
        "every form": _condition(correct=1.0),
        "asked length 0.03": _condition(correct=1.0, words=0.03),
        "asked length 0.3": _condition(correct=1.0, words=0.3),
        "reasoned 0.3": _condition(correct=1.0, reasoned=0.3),
        "every form, paid 1.3": _condition(correct=1.3),  # the control: the scale alone
    },
    repeats={"every form": 2},
)
