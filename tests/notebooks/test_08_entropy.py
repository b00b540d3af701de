"""Chapter 8's collapse and its control, on the recorded runs."""

import numpy as np
import pytest

from companion.results import sharp_6_kl_sequence, sharp_7_cliff_width
from companion.rlhf import policy_distance
from companion.studies import load, mean_interval

SEEDS = (0, 1, 2, 3, 4)


def distances(conditions):
    """(seeds,) distances to the partner without a bonus, by (beta, bonus)."""
    records = {
        (r.experiment.beta, r.experiment.rewards["bonus_hidden"], r.experiment.sft_seed): r
        for r in load("entropy", conditions).only(repeats=[0])
    }
    cells = {(beta, bonus) for beta, bonus, _ in records if bonus}
    return {
        (beta, bonus): np.array(
            [policy_distance(records[beta, 0.0, s], records[beta, bonus, s]).lower for s in SEEDS]
        )
        for beta, bonus in cells
    }


def test_temperatures_collapse_on_the_curve_of_fact_7():
    for (beta, bonus), moved in distances("deceptive, exact*").items():
        assert abs(moved.mean() - float(sharp_7_cliff_width.move(bonus / beta, 3))) < 0.1


def test_without_a_tie_nothing_moves():
    assert max(moved.max() for moved in distances("deceptive, no tie*").values()) < 0.05


def test_sampled_runs_move_with_the_bonus_and_stay_near_the_bound():
    moved = distances("deceptive, GRPO, β*")
    small, large = moved[0.1, 0.1], moved[0.1, 0.3]
    assert mean_interval(large - small).low > 0
    for (beta, bonus), sample in moved.items():
        ceiling = float(sharp_6_kl_sequence.bound(bonus, beta))
        assert sample.mean() < ceiling + 0.15


@pytest.mark.parametrize(
    ("family", "bonus"), [("alignment", "boundary_help"), ("instruction", "boxed")]
)
def test_more_temperature_moves_less(family, bonus):
    """At one bonus the distance falls from the coldest to the warmest temperature."""
    records = {
        (r.experiment.beta, r.experiment.rewards[bonus], r.experiment.sft_seed): r
        for r in load("entropy", f"{family}*")
    }
    betas, paid = (sorted({key[i] for key in records}) for i in (0, 1))
    cold, warm = (
        np.array(
            [
                policy_distance(records[beta, 0.0, s], records[beta, paid[-1], s]).lower
                for s in SEEDS
            ]
        )
        for beta in (betas[0], betas[-1])
    )
    assert mean_interval(cold - warm).low > 0
