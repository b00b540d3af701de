"""Chapter 9: policies of reward models that learned from labels with and without a tie."""

from typing import Any

from companion.studies.study import Study

BIASES = {
    "biased, tie": {"length": 0.2, "confidence": 0.4, "agreement": 1.0},
    "debiased": {},
    "biased, no tie": {"length": 0.2, "confidence": 0.4, "agreement": 0.5},
}
STEPS = {"": 800, ", trained too short": 100}  # of a reward model; benchmarks/reward_models.py
_TWO = ("biased, tie", "debiased")


def _condition(bias: str, steps: int = 800, **more: Any) -> dict[str, Any]:
    return {
        "task": "alignment",
        "trainer": "exact",
        "traces": {"right": 0.8, "wrong": 0.2},
        "sft_steps": 800,
        "sft_learning_rate": 0.004,
        "scale_rewards": "none",
        "eval_every": 50,
        "rewards": {"learned": 1.0},
        "reward_model": {
            "task": "alignment",
            "bias": BIASES[bias],
            "pairs": 48000,
            "steps": steps,
            "learning_rate": 0.002,
            "initializer_range": 0.1,
        },
    } | more


_GRPO: dict[str, Any] = {"trainer": "grpo", "scale_rewards": "group"}

STUDY = Study(
    "sophistry",
    chapter=9,
    question="Does a reward model learned from biased labels teach persuasion instead of truth?",
    conditions={
        **{
            f"exact, {bias}{short}": _condition(bias, steps)
            for short, steps in STEPS.items()
            for bias in BIASES
        },
        **{f"exact, β = 0.05, {bias}": _condition(bias, beta=0.05) for bias in _TWO},
        **{f"GRPO, β = 0.05, {bias}": _condition(bias, beta=0.05, **_GRPO) for bias in _TWO},
        **{f"GRPO, {bias}": _condition(bias, **_GRPO) for bias in _TWO},
        # As many visits to each request as the exact gradient makes; added after a look.
        **{
            f"GRPO, 750 steps, {bias}": _condition(bias, steps=800, **_GRPO)
            | {"steps": 750, "eval_every": 250}
            for bias in _TWO
        },
    },
    starts=range(10, 15),  # no earlier run has used these
    splits=("train", "test"),
)
