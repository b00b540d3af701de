"""SmolLM2 follows instructions: §5.2 and §5.3 put to a pretrained model."""

from typing import Any

import pandas as pd

from companion.studies import obedience
from companion.studies.claims import Claim
from companion.studies.pairs import sampled_distances, sampled_gain, sampled_mean
from companion.studies.runs import Runs
from companion.studies.study import Study

BETA = 0.1
ALPHA = 0.2  # weight of the length target


def _condition(rewards: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        "task": "instructions",
        "tier": "small",
        "scale_rewards": "none",
        "sft_steps": 120,
        "eval_every": 2,
        "measured_prompts": 24,
        "samples": 8,
        "rewards": rewards,
    } | more


def _tie(bonus: float, behaviour: str = "ignores") -> dict[str, float]:
    return {"correct": 1.0, f"bonus_{behaviour}": bonus}


STUDY = Study(
    "small_instructions",
    chapter=5,
    page="b",
    question="What becomes of obedience in a pretrained model that is paid for right answers?",
    conditions={
        "start": _condition({"correct": 1.0}, steps=0),
        "right answers": _condition(_tie(0.0)),
        "right answers, bonus 0.1 for ignoring": _condition(_tie(0.1)),
        "right answers, bonus 0.1 for following": _condition(_tie(0.1, "follows")),
        "right answers, brief": _condition({"correct": 1.0, "brief": 0.1}),
        "no tie": _condition({"correct": 1.0, "follows": 1.0, "bonus_ignores": 0.0}),
        "no tie, bonus 0.1 for ignoring": _condition(
            {"correct": 1.0, "follows": 1.0, "bonus_ignores": 0.1}
        ),
        "right answers, length": _condition({"correct": 1.0, "length": ALPHA}),
        "β = 0.1, right answers": _condition(_tie(0.0), beta=BETA),
        "β = 0.1, bonus 0.1 for ignoring": _condition(_tie(0.1), beta=BETA),
    },
    starts=range(10),
    repeats={"right answers": 2},
    splits=("train", "test", "ood"),
    pairs=(
        ("right answers", "start"),
        ("right answers, bonus 0.1 for ignoring", "right answers"),
        ("right answers, bonus 0.1 for following", "right answers"),
        ("no tie, bonus 0.1 for ignoring", "no tie"),
        ("β = 0.1, bonus 0.1 for ignoring", "β = 0.1, right answers"),
    ),
)


correct, follows, soft = sampled_mean("correct"), sampled_mean("follows"), sampled_mean("soft")
on_target = sampled_mean("length", "length")
more_correct, follows_more = sampled_gain("correct"), sampled_gain("follows")


def means(runs: Runs) -> pd.DataFrame:
    """What answers are worth on held-out prompts.

    Returns:
        Columns ``condition``, ``start``, ``repeat``; ``correct`` and ``follows``, shares of the
        samples; ``length``, nearness to the number of words asked for, where one is.
    """
    return runs.tidy(
        lambda run: {
            "correct": run.sampled("correct"),
            "follows": run.sampled("follows"),
            "length": run.sampled("length", kind="length"),
        }
    )


# Fixed before the runs.
CLAIMS = (
    Claim(
        "5.2 correct",
        "Paying right answers alone makes answers right more often",
        measure=correct,
        of="right answers",
        against="start",
        sign=+1,
        section="5.2",
        short="real model: correctness",
        paper=obedience.paper_change("correct"),
        confirmatory=True,
    ),
    Claim(
        "5.2 follows",
        "and makes the constraint be met less often",
        measure=follows,
        of="right answers",
        against="start",
        sign=-1,
        section="5.2",
        short="real model: following",
        paper=obedience.paper_change("if_hard"),
        confirmatory=True,
    ),
    Claim(
        "tie-breaker",
        "A bonus of 0.1 for obedience restores it",
        measure=follows,
        of="right answers, bonus 0.1 for following",
        against="right answers",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "cliff",
        "A bonus of 0.1 for ignoring moves the policy further than another sampling seed does",
        measure=sampled_distances,
        of="right answers, bonus 0.1 for ignoring",
        against="right answers (floor)",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "no tie",
        "Where obedience is paid in full the same bonus moves the policy less",
        measure=sampled_distances,
        of="no tie, bonus 0.1 for ignoring",
        against="right answers, bonus 0.1 for ignoring",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "5.3 length",
        "A length term brings answers nearer to the number of words asked for",
        measure=on_target,
        of="right answers, length",
        against="right answers",
        sign=+1,
        section="5.3",
        short="real model: length",
        confirmatory=True,
    ),
    Claim(
        "5.3 correct",
        "and costs at most five points of correctness",
        measure=correct,
        of="right answers, length",
        against="right answers",
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "divergence",
        "A divergence term makes the bonus for ignoring move the policy less",
        measure=sampled_distances,
        of="β = 0.1, bonus 0.1 for ignoring",
        against="right answers, bonus 0.1 for ignoring",
        sign=-1,
        confirmatory=True,
    ),
)
