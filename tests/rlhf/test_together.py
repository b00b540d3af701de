"""Runs of a pretrained model from one start in memory: the training is that of a recorded run."""

import pandas as pd
import pytest
import torch
from tiny_models import chat_folder

from companion.errors import CompanionError
from companion.rlhf import Experiment
from companion.rlhf.rewards import Rewards
from companion.rlhf.running import run
from companion.rlhf.together import run_together

SIZES = {
    "tier": "small",
    "sft_steps": 2,
    "sft_batch_size": 4,
    "batch_size": 4,
    "group_size": 2,
    "learning_rate": 0.01,
    "max_new_tokens": 6,
    "measured_prompts": 2,
    "samples": 2,
    "eval_every": 1,
    "scale_rewards": "batch",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(chat_folder(tmp_path_factory.mktemp("bytes")))


def asked(model, **fields):
    rewards = {"process": 1.0, "monitor": 0.5}
    return Experiment(
        **{"task": "python", "rewards": rewards, "steps": 2, **SIZES, **fields, "model": model}
    )


@pytest.fixture
def paid(monkeypatch):
    """What random weights write earns something, so that training moves them."""

    def totals(self, prompts, texts):
        return torch.tensor([[float(len(set(text))) for text in group] for group in texts])

    monkeypatch.setattr(Rewards, "totals", totals)


def test_training_is_that_of_a_recorded_run(model, tmp_path, paid):
    experiments = [asked(model, steps=0), asked(model), asked(model, seed=5)]
    splits = ("train", "test", "ood")
    together = run_together(experiments, tmp_path / "together", splits, threads=1)
    for experiment, found in zip(experiments, together, strict=True):
        record = run(experiment, tmp_path / "runs")
        pd.testing.assert_frame_equal(found.samples, record.samples)
        ours, theirs = (r.metrics.drop(columns="seconds") for r in (found, record))
        pd.testing.assert_frame_equal(ours, theirs)
        assert found.provenance["weights"] == record.provenance["weights"]
        assert found.shares("test").sum() == pytest.approx(1)
    before, after, _ = (found.samples.completion.tolist() for found in together)
    assert before != after


def test_samples_are_drawn_for_the_splits_asked_for_alone(model, tmp_path):
    (found,) = run_together([asked(model)], tmp_path, threads=1)
    assert set(found.samples.split) == {"test"}
    assert found.samples["count"].sum() == SIZES["measured_prompts"] * SIZES["samples"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"sft_seed": 1}, "one start"), ({"trainer": "grpo"}, "policy_gradient")],
)
def test_what_does_not_belong_together_is_refused(model, tmp_path, fields, message):
    with pytest.raises(CompanionError, match=message):
        run_together([asked(model), asked(model, **fields)], tmp_path)
