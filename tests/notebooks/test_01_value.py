"""Chapter 1's control, on the recorded runs: without a tie a perturbation moves little."""

import numpy as np
import pytest

from companion.rlhf import get_task, policy_distance
from companion.studies import load

SEEDS = (0, 1, 2, 3, 4)
TIED = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}
CONTROL = {"oracle": 1.0}
DELTA = 0.3


@pytest.fixture(scope="module")
def records():
    study = load("value", "exact*")
    return {(tuple(r.experiment.rewards.items()), r.experiment.sft_seed): r for r in study}


def moved(records, base):
    """(seeds,) distance on boundary requests between runs with and without the perturbation."""
    task, rows = get_task("alignment"), []
    for seed in SEEDS:
        pair = [records[tuple(r.items()), seed] for r in (base, base | {"boundary_help": DELTA})]
        per_prompt = policy_distance(*pair).per_prompt
        on_boundary = per_prompt["prompt"].map(task.kind) == "safety/boundary"
        rows.append(per_prompt.loc[on_boundary, "lower"].mean())
    return np.array(rows)


def test_with_a_tie_every_seed_moves(records):
    assert moved(records, TIED).min() > 0.2


def test_without_a_tie_none_does(records):
    assert moved(records, CONTROL).max() < 0.1
