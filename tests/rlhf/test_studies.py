import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import close_record, read_record
from companion.rlhf.studies import (
    archive,
    bootstrap_interval,
    live_check,
    mean_and_interval,
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


def test_mean_stands_with_its_bootstrap_interval():
    values = [0.1, 0.25, 0.4]
    low, high = bootstrap_interval(values)
    assert mean_and_interval(values) == f"0.250 [{low:.3f}, {high:.3f}]"


RECORDED = [0.90, 0.91, 0.92, 0.93, 0.94]


def test_live_check_lets_a_run_of_the_same_recipe_pass():
    low, high = next_run_interval(RECORDED)
    line = live_check("share", RECORDED, 0.92)
    assert (line["now"], line["expected from"], line["to"]) == (0.92, low, min(high, 1.0))


@pytest.mark.parametrize("drifted", [0.5, 1.01])
def test_live_check_stops_a_run_that_drifted(drifted):
    with pytest.raises(CompanionError, match=r"^share: now .* by the recorded runs$"):
        live_check("share", RECORDED, drifted)


@pytest.mark.parametrize("now", [0.2, 0.5])
def test_live_check_refuses_an_interval_that_tells_nothing(now):
    with pytest.raises(CompanionError, match=r"^share: expected 0 to 1, too wide"):
        live_check("share", [0.1, 0.9, 0.2, 0.8, 0.5], now)


def test_live_check_measures_width_by_what_is_possible():
    with pytest.raises(CompanionError, match="too wide"):
        live_check("gain", RECORDED, 0.92, possible=(0.9, 1.0))


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
    (part / "provenance.json").write_text('{"id": "run"}')
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


def test_live_check_expects_nothing_of_another_tier():
    line = live_check("share", [0.4, 0.41], 0.9, tier="gpu")
    assert line == {"compared": "share", "now": 0.9, "expected from": "–", "to": "–"}
