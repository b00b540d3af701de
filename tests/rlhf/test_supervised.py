"""Supervised fine-tuning of a pretrained model, and what records keep of a policy."""

from itertools import pairwise

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import chat_folder

from companion.errors import CompanionError
from companion.rlhf import Experiment, get_task
from companion.rlhf.measurement import _spread, measured_prompts, sample_table
from companion.rlhf.policies import pretrained
from companion.rlhf.supervised import fine_tune
from companion.rlhf.tokens import encode, prompt_tokens

PAIRS = [("is x 3", "surely yes"), ("is x 4", "perhaps no"), ("is x 3", "I add 3 to x.")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return chat_folder(tmp_path_factory.mktemp("model") / "chat")


@pytest.fixture
def model(folder):
    policy, tokenizer, _ = pretrained(str(folder))
    return policy, tokenizer


def test_the_loss_is_the_mean_cross_entropy_of_the_replies_tokens(model):
    policy, tokenizer = model
    total, count = 0.0, 0
    for prompt, reply in PAIRS:
        head = prompt_tokens(tokenizer, prompt)
        tail = [*encode(tokenizer, reply), tokenizer.eos_token_id]
        labels = torch.tensor([[-100] * len(head) + tail])
        with torch.no_grad():
            mean = policy(input_ids=torch.tensor([head + tail]), labels=labels).loss
        total, count = total + mean.item() * len(tail), count + len(tail)
    (loss,) = fine_tune(policy, tokenizer, PAIRS, batch_size=3, learning_rate=1e-3)
    assert loss == pytest.approx(total / count, rel=0.01)  # products may be rounded


def test_the_loss_falls_and_the_last_batch_may_be_smaller(model):
    losses = fine_tune(*model, PAIRS * 41, batch_size=4, learning_rate=3e-3)
    assert len(losses) == 31
    assert losses[-1] < 0.6 * losses[0]
    assert not model[0].training


def test_the_first_step_is_at_the_full_rate_and_none_is_at_zero(folder):
    """Twice the same pair: both steps move the policy, the second less."""
    moves = []
    for pairs in (PAIRS[:1], PAIRS[:1] * 2):
        policy, tokenizer, _ = pretrained(str(folder))
        before = torch.cat([p.detach().flatten().clone() for p in policy.parameters()])
        fine_tune(policy, tokenizer, pairs, batch_size=1, learning_rate=1e-3)
        after = torch.cat([p.detach().flatten() for p in policy.parameters()])
        moves.append((after - before).abs().max().item())
    assert moves[0] == pytest.approx(1e-3, rel=0.05)  # Adam's first step is the learning rate
    assert moves[0] < moves[1] < 1.6e-3


def test_a_loss_that_is_not_finite_ends_it(model):
    policy, tokenizer = model
    with torch.no_grad():
        next(policy.parameters()).fill_(torch.nan)
    with pytest.raises(CompanionError, match=r"^supervised start: the loss is nan at step 1$"):
        fine_tune(policy, tokenizer, PAIRS, batch_size=3, learning_rate=1e-3)


@given(st.integers(1, 60), st.integers(0, 70))
def test_measured_prompts_stand_at_equal_steps(size, count):
    prompts = [str(i) for i in range(size)]
    found = [int(p) for p in _spread(prompts, count)]
    assert len(found) == (min(count, size) if count else size)
    gaps = {b - a for a, b in pairwise(found)}
    assert not gaps or (min(gaps) >= 1 and max(gaps) - min(gaps) <= 1)


def measured(folder, **more):
    sizes = {"measured_prompts": 3, "samples": 40, "max_new_tokens": 4}
    rewards = {"oracle": 1.0}
    return Experiment(
        task="alignment", tier="small", model=str(folder), rewards=rewards, **sizes | more
    )


def test_samples_add_up_and_are_labelled_and_repeat(folder, model):
    experiment, (policy, tokenizer) = measured(folder), model
    table = sample_table(experiment, tokenizer, policy)
    counts = table.groupby(["split", "prompt"])["count"].sum()
    assert set(counts.index) == set(measured_prompts(experiment))
    assert (counts == 40).all()
    assert not table.duplicated(["split", "prompt", "completion"]).any()
    task = get_task("alignment")
    assert [task.behaviour(p, c) for p, c in zip(table["prompt"], table["completion"], strict=True)]
    assert set(table["label"]) <= set(task.labels)
    pd.testing.assert_frame_equal(table, sample_table(experiment, tokenizer, policy))
    other = sample_table(measured(folder, seed=1), tokenizer, policy)
    assert not table["completion"].equals(other["completion"])
