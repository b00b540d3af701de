"""Total variation between two policies over the completions of each prompt.

Where every completion of the grammar is scored, what lies outside is known only by its mass.
Merging it into one event gives a lower end, taking it as disjoint gives an upper end; the true
distance lies between.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from companion.rlhf.tasks import get_task


@dataclass(frozen=True)
class Distance:
    """A total variation distance that is known up to a bracket.

    Attributes:
        lower, upper: ends of the bracket, averaged over prompts.
        per_prompt: columns ``prompt``, ``lower``, ``upper``.
    """

    lower: float
    upper: float
    per_prompt: pd.DataFrame


def variation_bracket(p: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """Bracket of the total variation between two sub-distributions over the same completions.

    Args:
        p, q: (completions,) probabilities; what is missing to 1 lies elsewhere.

    Returns:
        ``(½(Σ|p - q| + |p' - q'|), ½(Σ|p - q| + p' + q'))`` with p', q' the missing masses.

    Raises:
        ValueError: if a probability is no number, as those of a policy that diverged.
    """
    if not (np.isfinite(p).all() and np.isfinite(q).all()):
        raise ValueError("p, q: not all probabilities are finite numbers")
    rest_p, rest_q = max(0.0, 1 - float(p.sum())), max(0.0, 1 - float(q.sum()))
    inside = float(np.abs(p - q).sum())
    return (inside + abs(rest_p - rest_q)) / 2, min(1.0, (inside + rest_p + rest_q) / 2)


def distribution_distance(
    a: pd.DataFrame, b: pd.DataFrame, column_a: str = "logprob", column_b: str = "logprob"
) -> Distance:
    """Distance between two tables of a run record, over the prompts they hold.

    Raises:
        ValueError: if they are not about the same prompts and completions.
    """
    keys = ["prompt", "completion"]
    both = a[[*keys, column_a]].merge(b[[*keys, column_b]], on=keys, validate="one_to_one")
    if not len(a) == len(b) == len(both):
        raise ValueError("a, b: not about the same prompts and completions")
    left, right = both.columns[-2:]
    rows = [
        (
            prompt,
            *variation_bracket(np.exp(group[left].to_numpy()), np.exp(group[right].to_numpy())),
        )
        for prompt, group in both.groupby("prompt", sort=False)
    ]
    table = pd.DataFrame(rows, columns=["prompt", "lower", "upper"])
    return Distance(float(table["lower"].mean()), float(table["upper"].mean()), table)


def kl_optimum(
    start: pd.DataFrame, task: str, rewards: dict[str, float], beta: float
) -> pd.DataFrame:
    """The policy that KL-regularised training aims at: π ∝ π_start · exp(reward / β).

    Args:
        start: table of a run record; its ``start_logprob`` is the reference.
        task: name of the task.
        rewards: weight of each component; completions outside the table count as reward 0.
        beta: > 0.

    Returns:
        The table with ``logprob`` replaced by the optimum's.

    Raises:
        ValueError: if ``beta`` is not > 0, a completion of a prompt stands twice, or a
            log-probability is no number.
    """
    if not (beta > 0 and np.isfinite(beta)):
        raise ValueError(f"beta: must be > 0 and finite, is {beta}")
    if start.duplicated(["prompt", "completion"]).any():
        raise ValueError("start: a completion of a prompt stands twice")
    reference = start["start_logprob"].to_numpy(dtype=float)
    if np.isnan(reference).any():
        raise ValueError("start: a log-probability is not a number")
    family = get_task(task)
    pairs = zip(start["prompt"], start["completion"], strict=True)
    reward = np.array([family.reward(rewards, p, c) for p, c in pairs])
    tilted = reference + reward / beta
    # By position: the labels of an index may repeat, as in tables that were concatenated.
    for rows in start.groupby("prompt", sort=False).indices.values():
        mass = np.exp(reference[rows]).sum()
        rest = np.log(max(1 - mass, np.finfo(float).tiny))
        tilted[rows] -= np.logaddexp.reduce(np.append(tilted[rows], rest))
    return start.assign(logprob=tilted)


def merged(table: pd.DataFrame, of: Callable[[str], Hashable]) -> pd.DataFrame:
    """A record's table with completions merged into classes, such as their form.

    Args:
        table: columns ``prompt``, ``completion``, ``start_logprob``, ``logprob``.
        of: the class of a completion; it takes the completion's place.
    """
    columns = ["start_logprob", "logprob"]
    classes = table["completion"].map({c: of(c) for c in table["completion"].unique()})
    keys = [table["prompt"], classes]
    masses = np.exp(table[columns].astype(float)).groupby(keys, sort=False).sum()
    return np.log(masses).reset_index()
