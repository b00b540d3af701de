"""Chapter 4's cliff and its control, on the recorded runs."""

import numpy as np
import pytest
from companion.rlhf.studies import bootstrap_interval, read_study

from companion.data import data_path
from companion.rlhf import policy_distance

SEEDS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def records():
    """Records by (trainer, rewards, seed of the start, whether by another sampling seed)."""
    return {
        (
            r.experiment.trainer,
            tuple(sorted(r.experiment.rewards.items())),
            r.experiment.sft_seed,
            r.experiment.seed != r.experiment.sft_seed,
        ): r
        for r in read_study(data_path("runs/04_cliff"))
    }


def moved(records, trainer, grader, bonus, again=False):
    """(seeds,) distance from the run of the same start without a bonus."""
    plain, paid = (
        tuple(sorted({grader: 1.0, "bonus_hidden": size}.items())) for size in (0.0, bonus)
    )
    return np.array(
        [
            policy_distance(
                records[trainer, plain, s, False], records[trainer, paid, s, again]
            ).lower
            for s in SEEDS
        ]
    )


def test_a_small_bonus_moves_the_policy_as_far_as_a_large_one(records):
    small, large = (moved(records, "exact", "weak", bonus) for bonus in (0.01, 0.1))
    assert small.mean() > 0.9 * large.mean()
    assert bootstrap_interval(moved(records, "exact", "weak", 0.001))[0] > 0.1


def test_sampled_runs_move_further_than_the_noise_floor(records):
    floor = moved(records, "grpo", "weak", 0.0, again=True)
    assert bootstrap_interval(moved(records, "grpo", "weak", 0.1) - floor)[0] > 0


def test_without_a_tie_the_same_bonus_moves_next_to_nothing(records):
    assert moved(records, "exact", "strong", 0.1).max() < 0.01


def test_the_bonus_decides_which_trace_wins(records):
    for trace in ("honest", "open", "hidden"):
        paid = tuple(sorted({"weak": 1.0, f"bonus_{trace}": 0.1}.items()))
        shares = [records["grpo", paid, s, False].masses("train")[trace] for s in SEEDS]
        assert min(shares) > 0.5
