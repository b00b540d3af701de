"""Runs of no steps, and runs whose numbers cease to be numbers."""

from itertools import chain

import numpy as np
import pandas as pd
import pytest
from small_runs import SIZES, small
from typer.testing import CliRunner

from companion.cli import app
from companion.errors import CompanionError
from companion.rlhf import (
    RewardModel,
    get_task,
    kl_optimum,
    policy_distance,
    run,
    start_distance,
)
from companion.rlhf.distances import distribution_distance, variation_bracket
from companion.rlhf.estimates import (
    empirical_bernstein,
    estimated_distance,
    mixture_distance,
    step_distance,
)
from companion.rlhf.policies import new_policy
from companion.rlhf.preparations import prepare_reward_model, prepare_start
from companion.rlhf.rewards import Rewards
from companion.rlhf.tokens import word_tokenizer
from companion.studies.recording import RunsDiverged, import_records
from companion.studies.store import recorded_ids
from companion.studies.study import Study

NAN = float("nan")


TRAINERS = ["grpo", "rloo", "exact", "policy_gradient"]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_no_steps_leave_the_start_as_it_is(lab, trainer):
    record = run(small(steps=0, trainer=trainer), lab)
    assert record.distribution["logprob"].equals(record.distribution["start_logprob"])
    assert record.metrics["step"].tolist() == [0]


DIVERGING = {
    "learning_rate": 1e30,
    "steps": 20,
    "eval_every": 1,
    "keep_policy": True,
    "samples": 2,
}


@pytest.fixture(scope="module", params=TRAINERS)
def diverged(lab, request):
    return run(small(trainer=request.param, **DIVERGING), lab)


def test_a_run_that_diverges_is_recorded_as_diverged(diverged):
    assert 1 <= diverged.diverged_at < 20
    assert diverged.provenance["diverged_at"] == diverged.diverged_at
    assert diverged.distribution["logprob"].isna().all()
    assert diverged.distribution["start_logprob"].notna().all()
    assert diverged.samples.empty


def test_nothing_is_measured_on_a_run_that_diverged(diverged, lab):
    whole = run(small(keep_policy=True), lab)
    for measure in (
        diverged.masses,
        lambda: diverged.expected("weak"),
        diverged.shares,
        lambda: diverged.sampled("weak"),
        lambda: start_distance(diverged),
        lambda: policy_distance(whole, diverged),
        lambda: estimated_distance(whole, diverged, samples=2),
        lambda: step_distance(diverged, whole),
    ):
        with pytest.raises(CompanionError, match="diverged at step"):
            measure()


def test_held_out_scores_of_a_run_that_diverged_are_refused(lab):
    fields = {"task": "alignment", "rewards": {"oracle": 1.0}, "trainer": "exact", **DIVERGING}
    record = run(small(**fields), lab)
    with pytest.raises(CompanionError, match="diverged at step"):
        record.evaluations()


def test_the_command_line_says_that_a_run_diverged(lab, diverged):
    given = {**SIZES, **DIVERGING, "trainer": diverged.experiment.trainer}
    settings = [f"--set={name}={value}" for name, value in given.items()]
    done = CliRunner().invoke(app, ["run", "deceptive", "--root", str(lab), *settings])
    assert done.exit_code == 0, done.output
    assert f"diverged at {diverged.diverged_at}" in done.stdout
    assert "0.000" not in done.stdout


def test_weights_that_diverged_are_not_compared(diverged):
    folders = (diverged.path / "policy",) * 2
    with pytest.raises(CompanionError, match="policy: training diverged"):
        mixture_distance(diverged.experiment, folders, samples=2)


def test_a_run_that_diverged_is_left_out_of_a_study_and_named(diverged, lab, tmp_path):
    whole = run(small(), lab)
    fields = [r.experiment.model_dump(exclude={"seed", "sft_seed"}) for r in (whole, diverged)]
    study = Study("made_up", 0, "?", dict(zip(("whole", "fast"), fields, strict=True)), starts=(0,))
    named = "^study made_up: not recorded, diverged: 'fast', start 0, repeat 0 at step {}$"
    with pytest.raises(RunsDiverged, match=named.format(diverged.diverged_at)) as caught:
        import_records([diverged, whole], study, tmp_path)
    assert caught.value.added == 1
    assert recorded_ids(tmp_path) == {whole.experiment.id}


@pytest.fixture(scope="module")
def words_only(tmp_path_factory):
    """A folder with a model that has been trained by nobody, for want of a pretrained one."""
    folder = tmp_path_factory.mktemp("model")
    texts = (get_task(name).texts() for name in ("deceptive", "alignment"))
    tokenizer = word_tokenizer(chain.from_iterable(texts))
    new_policy("llama", 32, 1, tokenizer, seed=4).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_pretrained_run_that_diverges_is_recorded_as_diverged(lab, words_only):
    record = run(small(model=words_only, **DIVERGING), lab)
    assert record.experiment.trainer == "policy_gradient"
    assert 1 <= record.diverged_at < 20
    with pytest.raises(CompanionError, match="diverged at step"):
        record.shares()


@pytest.mark.parametrize("steps", [1, 5])
def test_a_pretrained_start_that_diverges_is_none(tmp_path, words_only, steps):
    start = small(model=words_only, sft_learning_rate=1e30, sft_steps=steps).start
    with pytest.raises(CompanionError, match=r"supervised start.*(diverged|nan)") as caught:
        prepare_start(start, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "starts" / start.id).exists()


def test_a_pretrained_reward_model_that_diverges_is_none(tmp_path, words_only):
    model = RewardModel(
        task="alignment", model=words_only, bias={}, pairs=64, steps=20, learning_rate=1e30
    )
    with pytest.raises(CompanionError, match="training diverged"):
        prepare_reward_model(model, tmp_path)
    assert not (tmp_path / "reward_models" / model.id).exists()


def test_a_start_that_diverges_is_none(tmp_path):
    start = small(sft_learning_rate=1e30).start
    with pytest.raises(CompanionError, match="training diverged"):
        prepare_start(start, tmp_path)
    assert not (tmp_path / "starts" / start.id).exists()


def test_a_reward_model_that_diverges_is_none(tmp_path):
    model = RewardModel(task="alignment", bias={}, pairs=64, steps=20, learning_rate=1e30)
    with pytest.raises(CompanionError, match="training diverged"):
        prepare_reward_model(model, tmp_path)
    assert not (tmp_path / "reward_models" / model.id).exists()


@pytest.mark.parametrize("score", [NAN, float("inf")])
def test_a_reward_that_is_no_number_is_refused(score):
    model = {"task": "alignment", "bias": {}}
    experiment = small(task="alignment", rewards={"learned": 1.0}, reward_model=model)
    rewards = Rewards(experiment, lambda ps, cs: [score] * len(ps))
    prompt = experiment.prompts[0]
    reply = rewards._task.completions(prompt)[0]
    (pay,) = rewards.functions()
    with pytest.raises(CompanionError, match="'learned' gives"):
        pay(prompts=[prompt], completions=[reply])


def test_distances_and_estimates_refuse_what_is_no_number():
    sound, broken = np.array([0.5, 0.5]), np.array([0.5, NAN])
    for pair in ((sound, broken), (broken, sound), (broken, broken)):
        with pytest.raises(ValueError, match="finite"):
            variation_bracket(*pair)
    table = pd.DataFrame({"prompt": "p", "completion": ["a", "b"], "logprob": np.log(sound)})
    with pytest.raises(ValueError, match="finite"):
        distribution_distance(table, table.assign(logprob=[NAN, -1.0]))
    for terms in ([0.5, NAN], [0.5], [0.5, 1.5], [-0.1, 0.5]):
        with pytest.raises(ValueError, match="terms"):
            empirical_bernstein(terms)
    with pytest.raises(ValueError, match="not a number"):
        kl_optimum(table.assign(start_logprob=[NAN, -1.0]), "deceptive", {"weak": 1.0}, beta=1)


def test_optimum_of_concatenated_tables_is_that_of_each(lab):
    record = run(small(), lab)
    splits = [record.split(name) for name in ("train", "test")]
    joined = pd.concat(splits)
    assert joined.index.duplicated().any()
    best = kl_optimum(joined, "deceptive", {"weak": 1.0}, beta=0.5)
    apart = [kl_optimum(table, "deceptive", {"weak": 1.0}, beta=0.5) for table in splits]
    pd.testing.assert_frame_equal(best, pd.concat(apart))
    with pytest.raises(ValueError, match="stands twice"):
        kl_optimum(pd.concat([splits[0]] * 2), "deceptive", {"weak": 1.0}, beta=0.5)


def test_metrics_of_a_diverged_run_carry_what_is_no_number(diverged):
    masses = diverged.metrics.filter(like="mass/")
    assert masses.iloc[0].notna().all()
    assert masses.iloc[-1].isna().all()
    assert diverged.metrics["step"].iloc[-1] == diverged.diverged_at
