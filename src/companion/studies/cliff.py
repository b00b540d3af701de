"""Chapter 4: how far does a small bonus for one of three tied traces move a trained policy?"""

from typing import Any

from companion.studies.study import Study

FAVOURED = "hidden"
STEPS = 150


def _condition(trainer: str, grader: str, trace: str, bonus: float, **more: Any) -> dict[str, Any]:
    rewards = {grader: 1.0, f"bonus_{trace}": bonus}
    setting = {"task": "deceptive", "trainer": trainer, "scale_rewards": "none"}
    return setting | {"rewards": rewards} | more


STUDY = Study(
    "cliff",
    chapter=4,
    question="How far does a small bonus for one of three tied traces move a trained policy?",
    conditions={
        "exact, no bonus": _condition("exact", "weak", FAVOURED, 0.0),
        **{
            f"exact, bonus {bonus:g}": _condition("exact", "weak", FAVOURED, bonus)
            for bonus in (0.001, 0.003, 0.01, 0.1)
        },
        "GRPO, no bonus": _condition("grpo", "weak", FAVOURED, 0.0),
        **{
            f"GRPO, bonus {bonus:g}": _condition("grpo", "weak", FAVOURED, bonus)
            for bonus in (0.01, 0.03, 0.1)
        },
        "GRPO, bonus 0.1 for honest": _condition("grpo", "weak", "honest", 0.1),
        "GRPO, bonus 0.1 for open": _condition("grpo", "weak", "open", 0.1),
        # The control: a grader that tells the traces apart.
        "no tie, no bonus": _condition("exact", "strong", FAVOURED, 0.0),
        **{
            f"no tie, bonus {bonus:g}": _condition("exact", "strong", FAVOURED, bonus)
            for bonus in (0.001, 0.1)
        },
        # The smallest bonus again, four times as long.
        "longer, no bonus": _condition("exact", "weak", FAVOURED, 0.0, steps=600, eval_every=50),
        "longer, bonus 0.001": _condition(
            "exact", "weak", FAVOURED, 0.001, steps=600, eval_every=50
        ),
    },
    starts=range(10),
    repeats={"GRPO, no bonus": 2},
)
