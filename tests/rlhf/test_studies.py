import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import close_record, read_record
from companion.rlhf.studies import (
    archive,
    bootstrap_interval,
    merged,
    next_run_interval,
    read_study,
)


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


@pytest.fixture
def record(tmp_path):
    experiment = Experiment(task="alignment", rewards={"oracle": 1.0})
    part = tmp_path / "run.part"
    part.mkdir()
    (part / "experiment.json").write_text(experiment.model_dump_json())
    (part / "metrics.jsonl").write_text('{"step": 0}\n')
    rows = [(s, "p", c, "right", -1 / 3, -2 / 3) for s in ("train", "test") for c in "ab"]
    columns = ["split", "prompt", "completion", "label", "start_logprob", "logprob"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_parquet(part / "distribution.parquet", index=False)
    close_record(part, tmp_path / "run")
    return read_record(tmp_path / "run")


def test_archive_keeps_the_splits_asked_for(record, tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    archive([record], folder, splits=("train",))
    (copy,) = read_study(folder)
    assert set(copy.distribution["split"]) == {"train"}
    assert copy.experiment == record.experiment
    before, after = record.split("train")["logprob"], copy.split("train")["logprob"]
    assert np.allclose(before, after, rtol=1e-6, atol=0)


def test_merged_classes_carry_the_mass_of_their_completions(record):
    table = record.split("train")
    (whole,) = merged(table, lambda completion: "all").itertuples()
    assert np.exp(whole.logprob) == pytest.approx(2 * np.exp(-2 / 3))
    assert np.exp(whole.start_logprob) == pytest.approx(2 * np.exp(-1 / 3))
    apart = merged(table, lambda completion: completion)
    pd.testing.assert_frame_equal(apart, table[apart.columns])
