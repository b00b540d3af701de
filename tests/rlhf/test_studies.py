import numpy as np
import pytest

from companion.errors import CompanionError
from companion.rlhf.studies import bootstrap_interval, next_run_interval, read_study


@pytest.fixture
def samples():
    return np.random.default_rng(7).normal(3.0, 2.0, size=(400, 20))


def test_bootstrap_covers_the_mean_nearly_as_often_as_it_says(samples):
    intervals = np.array([bootstrap_interval(s, draws=400) for s in samples])
    covered = (intervals[:, 0] <= 3.0) & (intervals[:, 1] >= 3.0)
    assert 0.88 < covered.mean() < 0.98


def test_prediction_interval_covers_the_next_run(samples):
    intervals = np.array([next_run_interval(s[:5], level=0.9) for s in samples])
    covered = (intervals[:, 0] <= samples[:, 5]) & (samples[:, 5] <= intervals[:, 1])
    assert 0.86 < covered.mean() < 0.94


def test_bootstrap_repeats_itself_and_shrinks_to_a_constant():
    assert bootstrap_interval([1.0, 2.0, 4.0]) == bootstrap_interval([1.0, 2.0, 4.0])
    assert bootstrap_interval([2.0, 2.0]) == (2.0, 2.0)


@pytest.mark.parametrize("values", [[1.0], [], [1.0, np.nan], [[1.0, 2.0], [3.0, 4.0]]])
@pytest.mark.parametrize("interval", [bootstrap_interval, next_run_interval])
def test_refuses_what_has_no_interval(interval, values):
    with pytest.raises(ValueError, match="two or more finite"):
        interval(values)


def test_a_folder_without_records_is_an_error(tmp_path):
    with pytest.raises(CompanionError, match="no records"):
        read_study(tmp_path)
