import re

import pytest
import yaml
from small_runs import SIZES, small
from tiny_models import chat_folder
from typer.testing import CliRunner

from companion.cli import app
from companion.errors import CompanionError
from companion.rlhf import TASKS, TIERS, Experiment, get_task
from companion.rlhf.commands import expected_seconds, parse_settings, read_grid
from companion.rlhf.hardware import Hardware

SETTINGS = [f"--set={name}={value}" for name, value in {**SIZES, "trainer": "exact"}.items()]


@pytest.mark.parametrize("task", ["deceptive", "instruction", "alignment"])
def test_run_says_what_it_runs_on_and_what_came_out(lab, task):
    done = CliRunner().invoke(app, ["run", task, "--root", str(lab), *SETTINGS])
    assert done.exit_code == 0, done.output
    first, last = (line for line in done.stdout.splitlines() if task in line or "TV" in line)
    assert f"{task}, tier tiny, on CPU, float32" in first
    assert first.split()[0] == last.split()[0]
    assert any(label in last for label in get_task(task).labels)
    assert done.stdout.splitlines()[-1] == f"recorded in {lab / first.split()[0]}"


@pytest.mark.parametrize("samples", [2, 0])
def test_of_a_model_that_may_write_anything_the_samples_are_told(tmp_path, samples):
    sizes = {"sft_steps": 1, "sft_batch_size": 2, "steps": 1, "batch_size": 4, "group_size": 2}
    more = {"max_new_tokens": 4, "measured_prompts": 2, "samples": samples}
    model = chat_folder(tmp_path / "model")
    settings = [f"--set={k}={v}" for k, v in {**sizes, **more, "model": model}.items()]
    root = str(tmp_path / "runs")
    done = CliRunner().invoke(app, ["run", "python", "--tier=small", "--root", root, *settings])
    assert done.exit_code == 0, done.output
    (last,) = (line for line in done.stdout.splitlines() if "TV" in line)
    if samples:
        assert "of 4 samples for held-out prompts: honest 0.000" in last
        shares = re.findall(r"(\w+) (\d\.\d{3})", last.partition("prompts:")[2])
        assert [label for label, _ in shares] == list(get_task("python").labels)
        assert sum(float(share) for _, share in shares) == pytest.approx(1)
    else:
        assert last.endswith("no samples drawn")


def python_run(**fields):
    return Experiment(**{"task": "python", "tier": "small", "rewards": {"weak": 1.0}, **fields})


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_time_of_a_run_is_estimated_before_it_starts(device):
    hardware = Hardware(device, "float32", "")
    usual = expected_seconds(python_run(), hardware)
    assert 60 * 0.5 < usual < 60 * 10
    for more in ({"steps": 40}, {"sft_steps": 120}, {"samples": 16}, {"measured_prompts": 16}):
        assert expected_seconds(python_run(**more), hardware) > usual
    assert expected_seconds(python_run(model="other"), hardware) is None
    assert expected_seconds(small(), hardware) is None


def test_help_names_every_task_and_tier():
    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    assert [name for name in (*TASKS, *TIERS) if name not in shown] == []


def test_unknown_field_is_answered_by_the_list_of_fields(lab):
    done = CliRunner().invoke(app, ["run", "deceptive", "--root", str(lab), "--set", "stps=3"])
    assert isinstance(done.exception, CompanionError)
    assert "stps: no such field, only" in str(done.exception)
    assert " steps," in str(done.exception)


def test_settings_are_yaml():
    found = parse_settings(["beta=0.5", "rewards={weak: 1, monitor: 0.2}", "model=null"])
    assert found == {"beta": 0.5, "rewards": {"weak": 1, "monitor": 0.2}, "model": None}


@pytest.mark.parametrize("setting", ["beta", "rewards={weak"])
def test_bad_settings_are_one_line(setting):
    with pytest.raises(CompanionError, match=r"--set") as caught:
        parse_settings([setting])
    assert "\n" not in str(caught.value)


def test_grid_is_every_combination(tmp_path):
    file = tmp_path / "grid.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "base": {"task": "deceptive", "rewards": {"weak": 1.0}, **SIZES},
                "grid": {"sft_seed": [0, 1], "beta": [0.0, 0.5]},
            },
            sort_keys=False,
        )
    )
    assert read_grid(file) == [small(sft_seed=s, beta=b) for s in (0, 1) for b in (0.0, 0.5)]


@pytest.mark.parametrize(
    "text", ["nonsense", "{base: {}, more: 1}", "{grid: {beta: 1}}", "base: [", "{grid: [1]}"]
)
def test_bad_grid_files_are_one_line(tmp_path, text):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    with pytest.raises(CompanionError) as caught:
        read_grid(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_grid_file_is_one_line(tmp_path):
    with pytest.raises(CompanionError, match=r"none\.yaml"):
        read_grid(tmp_path / "none.yaml")
