"""Chapter 1: does a perturbed reward model move the value a little and the policy a lot?"""

from typing import Any

from companion.studies.study import Study

_SETTING = {"task": "alignment", "scale_rewards": "none", "eval_every": 25}
JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}  # they tie on boundary prompts
ORACLE = {"oracle": 1.0}  # it does not: the control


def _condition(trainer: str, rewards: dict[str, float]) -> dict[str, Any]:
    return _SETTING | {"trainer": trainer, "rewards": rewards}


STUDY = Study(
    "value",
    chapter=1,
    question="How far do value and policy move when reward models that tie are perturbed a little?",
    conditions={
        "exact, tied": _condition("exact", JUDGES),
        **{
            f"exact, tied, help {size:g}": _condition("exact", JUDGES | {"boundary_help": size})
            for size in (0.003, 0.03, 0.3)
        },
        "exact, tied, refuse 0.03": _condition("exact", JUDGES | {"boundary_refuse": 0.03}),
        "exact, oracle": _condition("exact", ORACLE),
        **{
            f"exact, oracle, help {size:g}": _condition("exact", ORACLE | {"boundary_help": size})
            for size in (0.03, 0.3)
        },
        "GRPO, tied": _condition("grpo", JUDGES),
        **{
            f"GRPO, tied, help {size:g}": _condition("grpo", JUDGES | {"boundary_help": size})
            for size in (0.03, 0.3)
        },
    },
    repeats={"GRPO, tied": 2},
)
