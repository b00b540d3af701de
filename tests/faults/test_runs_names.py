"""Misspelt names, empty grids, keys given twice: one line each, and nothing is run."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from small_runs import small
from typer.testing import CliRunner

from companion.cli import app
from companion.errors import CompanionError
from companion.rlhf import Experiment, RewardModel, sweep
from companion.rlhf.commands import parse_settings, read_grid, run_task


def one_line(caught):
    return "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leave_out": ["subract"]}, "no prompts of kind 'subract', only add"),
        ({"leave_out": ["add", ""]}, "no prompts of kind ''"),
        ({"routes": {"ad": {"weak": 1}, "addd": {"weak": 1}, "*": {"weak": 1}}}, "'addd'"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"rewards": {"weak": float("inf")}}, "rewards"),
    ],
)
def test_misspelt_classes_of_prompts_are_refused(fields, message):
    with pytest.raises(CompanionError, match=message) as caught:
        small(**fields)
    assert one_line(caught)


def test_right_names_are_taken():
    assert small(leave_out=["subtract"]).prompts
    assert small(routes={"add": {"weak": 1}, "*": {"weak": 1}}).routes


@pytest.mark.parametrize("task", ["alignment", "replies"])
def test_misspelt_bias_is_refused(task):
    with pytest.raises(CompanionError, match="no 'lenght', only length"):
        RewardModel(task=task, bias={"lenght": 1.0})


@pytest.mark.parametrize("trainer", ["exact", "policy_gradient"])
def test_checkpoints_that_nobody_writes_are_refused(trainer):
    with pytest.raises(CompanionError, match=f"checkpoint_every: trainer '{trainer}'") as caught:
        small(trainer=trainer, checkpoint_every=5)
    assert one_line(caught)
    assert small(trainer=trainer).at_tier("cluster").checkpoint_every == 0
    assert small(trainer="grpo").at_tier("cluster").checkpoint_every == 25


GRID = {"base": {"task": "deceptive", "rewards": {"weak": 1.0}}, "grid": {"seed": [0, 1]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (yaml.safe_dump({**GRID, "grid": {"seed": []}}), "not empty"),
        (yaml.safe_dump({**GRID, "grid": {"task": ["deceptive"]}}), "'task' stands in both"),
        ("base: {task: deceptive}\nbase: {task: alignment}\n", "stands twice"),
        ("base: {task: deceptive, beta: 0.1, beta: 0.2}\n", "stands twice"),
        ("base: {1: 2}\n", "no name of a field"),
        ("{}", "no experiment"),
    ],
)
def test_a_grid_that_says_nothing_or_two_things_is_refused(tmp_path, text, message):
    file = tmp_path / "grid.yaml"
    file.write_text(text)
    with pytest.raises(CompanionError, match=message) as caught:
        read_grid(file)
    assert one_line(caught)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--set", "tier=gpu"], ["--set", "task=x"], ["--set", "beta=1", "--set", "beta=2"]),
        *(["--set", "rewards={weak: 1, weak: 2}"], ["--set", "rewards=[1]"]),
        *(["--set", "leave_out=subtract"], ["--set", "reward_model={1: 2}"]),
    ],
)
def test_settings_that_clash_are_one_line(tmp_path, arguments):
    done = CliRunner().invoke(app, ["run", "deceptive", "--root", str(tmp_path), *arguments])
    assert isinstance(done.exception, CompanionError), repr(done.exception)
    assert "\n" not in str(done.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tier", [["tiny"], {"a": 1}, 3, None])
def test_a_tier_or_task_of_another_type_is_one_line(tier):
    for fields in ({"tier": tier}, {"task": tier}):
        with pytest.raises(CompanionError) as caught:
            small(**fields)
        assert one_line(caught)


def test_a_number_of_jobs_below_one_is_refused(tmp_path):
    for jobs in (0, -1):
        with pytest.raises(CompanionError, match="jobs"):
            sweep([small()], tmp_path, jobs=jobs, progress=False)
    assert not list(tmp_path.iterdir())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from([*Experiment.model_fields, "nonsense"]), values, min_size=1, max_size=3
)


def answer(work, *arguments):
    """What the work returns, or the line it refuses with."""
    try:
        return work(*arguments)
    except CompanionError as error:
        return str(error)


@given(fields)
@settings(max_examples=400, deadline=None)
def test_any_fields_make_an_experiment_or_one_line(given_fields):
    made = answer(
        lambda: Experiment(**{"task": "deceptive", "rewards": {"weak": 1}, **given_fields})
    )
    if isinstance(made, str):
        assert "\n" not in made
    else:
        assert len(made.id) == 12
        assert Experiment(**made.model_dump(mode="json")).id == made.id


@given(st.text(max_size=30) | st.builds("{}={}".format, st.text(max_size=8), st.text(max_size=20)))
@settings(max_examples=300, deadline=None)
def test_any_setting_is_read_or_one_line(text):
    found = answer(parse_settings, [text])
    assert isinstance(found, dict) or "\n" not in found


@given(st.dictionaries(st.sampled_from(["base", "grid"]), values, max_size=2))
@settings(max_examples=200, deadline=None)
def test_any_grid_is_read_or_one_line(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("grid") / "grid.yaml"
    file.write_text(yaml.safe_dump(content))
    found = answer(read_grid, file)
    assert isinstance(found, list) or "\n" not in found


def test_a_clash_is_found_before_anything_is_made(tmp_path):
    with pytest.raises(CompanionError, match="--set tier"):
        run_task("deceptive", "tiny", ["tier=gpu"], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
