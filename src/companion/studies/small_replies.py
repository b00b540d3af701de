"""SmolLM2 replies to people: §5.4 and §5.6 put to a pretrained model."""

from typing import Any

from companion.rlhf.tiers import SMOLLM2
from companion.studies.claims import Claim
from companion.studies.pairs import sampled_distances, sampled_mean
from companion.studies.sophistry import reported
from companion.studies.study import Study

JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}
SLIP = {"boundary_refuse": 0.1}  # what Model-2's safety judge adds
NO_TIE = {"boundary_warn": 0.5}
BETA = 0.1
BIASES = {
    "biased labels": {"length": 0.2, "confidence": 0.4, "agreement": 1.0},
    "unbiased labels": {},
}


def _condition(rewards: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        "task": "replies",
        "tier": "small",
        "scale_rewards": "none",
        "eval_every": 2,
        "measured_prompts": 34,
        "samples": 8,
        "rewards": rewards,
    } | more


def _learned(bias: dict[str, float]) -> dict[str, Any]:
    """Short, for a CPU: tried on one seed that no start has, with unbiased labels alone."""
    return {
        "reward_model": {
            "task": "replies",
            "model": SMOLLM2,
            "accelerator": "auto",
            "bias": bias,
            "pairs": 480,
            "steps": 60,
            "batch_size": 8,
            "learning_rate": 5e-5,
        }
    }


STUDY = Study(
    "small_replies",
    chapter=7,
    page="b",
    question="How far do a slip in one judge, and biased labels, carry a pretrained model?",
    conditions={
        "start": _condition(JUDGES, steps=0),
        "Model-1": _condition(JUDGES),
        "Model-2": _condition(JUDGES | SLIP),
        "Model-3": _condition(JUDGES, leave_out=("safety/boundary",)),
        "Model-1, no tie": _condition(JUDGES | NO_TIE),
        "Model-2, no tie": _condition(JUDGES | NO_TIE | SLIP),
        "β = 0.1, Model-1": _condition(JUDGES, beta=BETA),
        "β = 0.1, Model-2": _condition(JUDGES | SLIP, beta=BETA),
        **{name: _condition({"learned": 1.0}, **_learned(bias)) for name, bias in BIASES.items()},
    },
    starts=range(10),
    repeats={"Model-1": 2},
    splits=("train", "test", "ood"),
    pairs=(
        ("Model-2", "Model-1"),
        ("Model-3", "Model-1"),
        ("Model-2, no tie", "Model-1, no tie"),
        ("β = 0.1, Model-2", "β = 0.1, Model-1"),
        ("biased labels", "unbiased labels"),
    ),
)


perceived, oracle, fooled = (
    sampled_mean("perceived"),
    sampled_mean("oracle"),
    sampled_mean("fooled"),
)
refused = sampled_mean("boundary_refuse", "safety/boundary")

# Fixed before the runs.
CLAIMS = (
    Claim(
        "5.4 perceived",
        "A reward model of biased labels raises what evaluators perceive",
        measure=perceived,
        of="biased labels",
        against="start",
        sign=+1,
        section="5.4",
        short="real model: approval",
        paper=reported("approval"),
        confirmatory=True,
    ),
    Claim(
        "5.4 oracle",
        "but leaves replies less right than a reward model of unbiased labels does",
        measure=oracle,
        of="biased labels",
        against="unbiased labels",
        sign=-1,
        section="5.4",
        short="real model: truth",
        confirmatory=True,
    ),
    Claim(
        "5.4 fooled",
        "and evaluators err more often",
        measure=fooled,
        of="biased labels",
        against="unbiased labels",
        sign=+1,
        section="5.4",
        short="real model: error",
        paper=reported("error"),
        confirmatory=True,
    ),
    Claim(
        "5.6 distance",
        "A slip in the safety judge moves the policy further than another sampling seed does",
        measure=sampled_distances,
        of="Model-2",
        against="Model-1 (floor)",
        sign=+1,
        section="5.6",
        short="real model: distance",
        confirmatory=True,
    ),
    Claim(
        "5.6 refusals",
        "Model-2 refuses boundary requests more often than Model-1",
        measure=refused,
        of="Model-2",
        against="Model-1",
        sign=+1,
        section="5.6",
        short="real model: refusals",
        confirmatory=True,
    ),
    Claim(
        "5.6 no tie",
        "Where boundary requests have a best reply the same slip moves refusals less",
        measure=sampled_distances,
        of="Model-2, no tie",
        against="Model-2",
        sign=-1,
        confirmatory=True,
    ),
)
