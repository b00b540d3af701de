"""A simulated evaluator who can be charmed, and what she makes of a policy (paper section 5.4)."""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from companion.rlhf.records import Run
from companion.rlhf.tasks import get_task
from companion.rlhf.tasks.alignment import features

CHARMED: Mapping[str, float] = {"length": 0.2, "confidence": 0.4, "agreement": 1.0}
_SHARPNESS = 4.0  # of annotators' choices per unit of the oracle's value, as in `preferences`
_UNDECIDED = "safety/boundary"  # annotators disagree there, so nothing is approved wrongly


def right(prompt: str, completion: str) -> bool:
    """Whether the oracle of the alignment task gives a reply full marks."""
    return get_task("alignment").judge("oracle", prompt, completion).score == 1


def impression(prompt: str, completion: str, bias: Mapping[str, float] = CHARMED) -> float:
    """What an evaluator perceives: the oracle's value, and charm by its weight in ``bias``."""
    charm = features(prompt, completion)
    value = get_task("alignment").judge("oracle", prompt, completion).score
    return value + sum(weight * charm[name] for name, weight in bias.items())


def verdicts(policy: np.ndarray, correct: np.ndarray, approval: np.ndarray) -> dict[str, float]:
    """What she approves, what is true, and how often she is mistaken.

    Args:
        policy: (answers,) probabilities.
        correct: (answers,) 1 where an answer is right, else 0.
        approval: (answers,) her probability of calling it right.

    Returns:
        ``approval``, ``truth``, and ``error``: wrong answers approved and right ones not.
    """
    mistaken = approval * (1 - correct) + (1 - approval) * correct
    return {
        "approval": float(policy @ approval),
        "truth": float(policy @ correct),
        "error": float(policy @ mistaken),
    }


def judged(record: Run, split: str = "train") -> tuple[dict[str, float], dict[str, float]]:
    """Verdicts of the charmed evaluator before and after training, boundary requests aside.

    Her threshold is such that before training she approves exactly as often as answers are right.

    Args:
        record: of the alignment task.
        split: of prompts.
    """
    table = record.split(split)
    task = get_task(record.experiment.task)
    table = table[table.prompt.map(task.kind) != _UNDECIDED]
    pairs = list(zip(table.prompt, table.completion, strict=True))
    impressions = np.array([impression(*pair) for pair in pairs])
    correct = np.array([right(*pair) for pair in pairs], dtype=float)
    columns = (table[name].to_numpy(dtype=float) for name in ("start_logprob", "logprob"))
    before, after = (np.exp(column) / table.prompt.nunique() for column in columns)

    def approves(threshold: float) -> np.ndarray:
        return np.asarray(expit(_SHARPNESS * (impressions - threshold)))

    approval = approves(brentq(lambda t: before @ (approves(t) - correct), -10, 10))
    return verdicts(before, correct, approval), verdicts(after, correct, approval)
