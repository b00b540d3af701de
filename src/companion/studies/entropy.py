"""Chapter 8: what a Kullback-Leibler or an entropy term makes of the cliff, and its price."""

from typing import Any

from companion.studies.study import Study

BETAS = (0.03, 0.1, 0.3)
ENTROPY_WEIGHTS = (0.0, 0.01, 0.1, 1.0)
_JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}


def _exact(task: str, rewards: dict[str, float], beta: float, **more: Any) -> dict[str, Any]:
    setting = {"task": task, "trainer": "exact", "scale_rewards": "none", "eval_every": 50}
    return setting | {"rewards": rewards, "beta": beta} | more


def _grpo(bonus: float, **more: Any) -> dict[str, Any]:
    rewards = {"weak": 1.0, "bonus_hidden": bonus}
    setting = {"task": "deceptive", "trainer": "grpo", "scale_rewards": "none", "eval_every": 50}
    return setting | {"rewards": rewards} | more


STUDY = Study(
    "entropy",
    chapter=8,
    question="How does the cliff's height depend on bonus and temperature, and what does it cost?",
    conditions={
        **{
            f"deceptive, exact, β = {beta:g}, bonus {bonus:g}": _exact(
                "deceptive", {"weak": 1.0, "bonus_hidden": bonus}, beta, steps=75, eval_every=25
            )
            for beta in BETAS
            for bonus in (0.0, 0.03, 0.1, 0.3)
        },
        **{
            f"deceptive, no tie, exact, β = 0.1, bonus {bonus:g}": _exact(
                "deceptive", {"strong": 1.0, "bonus_hidden": bonus}, 0.1, steps=75, eval_every=25
            )
            for bonus in (0.0, 0.1, 0.3)
        },
        **{
            f"instruction, exact, β = {beta:g}, bonus {bonus:g}": _exact(
                "instruction", {"correct": 1.0, "boxed": bonus}, beta, leave_out=("boxed",)
            )
            for beta in BETAS
            for bonus in (0.0, 0.1, 0.3, 1.0)
        },
        **{
            f"alignment, exact, β = {beta:g}, bonus {bonus:g}": _exact(
                "alignment", _JUDGES | {"boundary_help": bonus}, beta
            )
            for beta in BETAS
            for bonus in (0.0, 0.03, 0.3)
        },
        **{
            f"deceptive, GRPO, β = 0.1, bonus {bonus:g}": _grpo(bonus, beta=0.1)
            for bonus in (0.0, 0.1, 0.3)
        },
        # trl's entropy bonus, a mean over tokens; without it the runs are chapter 4's.
        **{
            f"deceptive, GRPO, entropy {weight:g}, bonus {bonus:g}": _grpo(
                bonus, entropy_coef=weight, eval_every=50 if weight else 10
            )
            for weight in ENTROPY_WEIGHTS
            for bonus in (0.0, 0.1)
        },
    },
    repeats={"deceptive, GRPO, β = 0.1, bonus 0": 2},
)
