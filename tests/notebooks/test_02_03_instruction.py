"""The controls of chapters 2 and 3, on the recorded runs."""

import numpy as np
import pytest

from companion.rlhf.distances import distribution_distance, merged
from companion.studies import load

SEEDS = (0, 1, 2, 3, 4)
EVERY_LENGTH_RIGHT = {"correct": 1.0}
ONE_LENGTH_RIGHT = {"correct": 1.0, "words": 1.0}


@pytest.fixture(scope="module")
def records():
    found = [r for name in ("formats", "radius") for r in load(name)]
    return {
        (tuple(r.experiment.rewards.items()), r.experiment.sft_seed, r.experiment.seed): r
        for r in found
    }


def moved(records, before, after, other_seed=None):
    """(seeds,) distance between the distributions over numbers of words of two rewards' runs."""
    return np.array(
        [
            distribution_distance(
                lengths(records[tuple(before.items()), seed, seed]),
                lengths(records[tuple(after.items()), seed, other_seed or seed]),
            ).lower
            for seed in SEEDS
        ]
    )


def lengths(run):
    table = run.split("train")
    trained_on = table["prompt"].isin(run.experiment.prompts)
    return merged(table[trained_on], lambda completion: len(completion.split()))


def test_a_change_that_tells_no_forms_apart_moves_none(records):
    assert moved(records, EVERY_LENGTH_RIGHT, {"correct": 1.3}).max() < 0.05


@pytest.mark.parametrize("weight", [0.9, 0.6])
def test_inside_the_radius_nothing_moves(records, weight):
    assert moved(records, ONE_LENGTH_RIGHT, {"correct": 1.0, "words": weight}).max() < 0.03


def test_a_smaller_step_across_the_tie_moves_every_seed(records):
    above, below = ({"correct": 1.0, "words": weight} for weight in (0.1, -0.1))
    assert moved(records, above, below).min() > 0.5


def test_the_noise_floor_is_large_only_at_the_tie(records):
    floors = [
        moved(records, rewards, rewards, other_seed=100).mean()
        for rewards in (ONE_LENGTH_RIGHT, EVERY_LENGTH_RIGHT)
    ]
    assert floors[0] < 0.03 < 0.2 < floors[1]
