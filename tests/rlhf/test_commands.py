import pytest
import yaml
from small_runs import SIZES, small
from typer.testing import CliRunner

from companion.cli import app
from companion.errors import CompanionError
from companion.rlhf import TASKS, TIERS, get_task
from companion.rlhf.commands import parse_settings, read_grid

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
