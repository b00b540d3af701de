import numpy as np
import pytest
from small_runs import small

from companion.errors import CompanionError
from companion.rlhf import policy_distance, run
from companion.rlhf.estimates import empirical_bernstein, estimated_distance, step_distance


@pytest.fixture(scope="module")
def pair(lab):
    fields = {"trainer": "exact", "keep_policy": True, "learning_rate": 3e-3}
    return [
        run(small(**fields, steps=steps, rewards={"weak": 1.0, "bonus_hidden": 1.0}), lab)
        for steps in (3, 30)
    ]


def test_estimate_covers_the_exact_distance(pair):
    exact = policy_distance(*pair)
    estimate = estimated_distance(*pair, samples=64)
    assert exact.upper - exact.lower < 0.2
    assert estimate.low <= exact.upper
    assert exact.lower <= estimate.high
    assert estimate.high - estimate.low < 0.2


def test_estimate_is_zero_between_equals_and_repeats_itself(pair):
    assert estimated_distance(pair[0], pair[0], samples=4).value == 0
    assert estimated_distance(*pair, samples=4) == estimated_distance(*pair, samples=4)


def test_whole_completions_differ_at_least_as_much_as_the_first_step(pair):
    table = step_distance(*pair)
    assert table["step"].tolist() == list(range(len(table)))
    assert table["reached"].is_monotonic_decreasing
    assert table["reached"].iloc[0] == pytest.approx(1)
    assert 0 < table["distance"].iloc[0] <= policy_distance(*pair).upper
    assert step_distance(pair[0], pair[0])["distance"].max() == 0


def test_records_without_weights_say_so(lab):
    record = run(small(), lab)
    with pytest.raises(CompanionError, match="keep_policy=True"):
        step_distance(record, record)


def test_interval_covers_its_mean():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        estimate = empirical_bernstein(rng.beta(0.3, 0.7, size=200).tolist())
        covered += estimate.low <= 0.3 <= estimate.high
    assert covered >= 190
