"""Optimisers of the trainers that are not trl's, and what is measured while they work."""

import json

import pytest
import torch
from small_runs import small
from tiny_models import chat_folder, word_policy
from tqdm.auto import tqdm

from companion.rlhf import Experiment
from companion.rlhf.monitor import Monitor
from companion.rlhf.optimizers import descend, optimizer_of
from companion.rlhf.policies import pretrained


def stepped(size, **fields):
    """How far a step goes along a gradient of ones times ``size``."""
    policy, _ = word_policy("a b")
    before = [p.detach().clone() for p in policy.parameters()]
    loss = size * sum(p.sum() for p in policy.parameters())
    experiment = small(learning_rate=0.1, **fields)
    descend(policy, optimizer_of(experiment, policy), loss)
    moves = [b - p.detach() for b, p in zip(before, policy.parameters(), strict=True)]
    return torch.cat([move.flatten() for move in moves])


def test_a_large_gradient_is_clipped_and_a_small_one_is_not():
    assert stepped(100.0, optimizer="sgd").norm().item() == pytest.approx(0.1, rel=1e-3)
    short = stepped(1e-4, optimizer="sgd")
    assert short.mean().item() == pytest.approx(1e-5, rel=0.05)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradient():
    for size in (1e-2, 100.0):
        assert stepped(size, optimizer="adam").mean().item() == pytest.approx(0.1, rel=1e-2)


def test_an_optimiser_is_what_the_experiment_says():
    policy, _ = word_policy("a b")
    adam = optimizer_of(small(learning_rate=0.2, adam_beta2=0.5), policy)
    assert adam.defaults["betas"] == (0.9, 0.5)
    assert adam.defaults["lr"] == 0.2
    assert isinstance(optimizer_of(small(optimizer="sgd"), policy), torch.optim.SGD)


def test_a_gradient_is_taken_afresh_each_step_and_not_kept():
    policy, _ = word_policy("a b")
    optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    places = []
    for _ in range(3):
        places.append(torch.cat([p.detach().flatten() for p in policy.parameters()]))
        descend(policy, optimizer, 1e-2 * sum(p.sum() for p in policy.parameters()))
    steps = places[1] - places[0], places[2] - places[1]
    assert torch.allclose(*steps, atol=1e-5)
    assert steps[0].abs().min() > 1e-4
    assert all(p.grad is None for p in policy.parameters())


def monitored(experiment, policy, tokenizer, file):
    file.write_text("")
    bar = tqdm(total=9, disable=True)
    monitor = Monitor(experiment, tokenizer, file, bar)
    for step in (0, 2, 4):
        monitor.write(step, policy, {"reward": float(step)})
    return monitor, lambda: [json.loads(line) for line in file.read_text().splitlines()]


def test_a_pretrained_models_masses_are_not_asked_for(tmp_path):
    folder = chat_folder(tmp_path / "chat")
    policy, tokenizer, _ = pretrained(str(folder))
    experiment = Experiment(task="python", tier="small", model=str(folder), rewards={"weak": 1.0})
    _, lines = monitored(experiment, policy, tokenizer, tmp_path / "m")
    assert [set(line) for line in lines()] == [{"step", "seconds", "reward"}] * 3


def test_a_resumed_run_forgets_what_came_after_its_checkpoint(tmp_path):
    folder = chat_folder(tmp_path / "chat")
    policy, tokenizer, _ = pretrained(str(folder))
    experiment = Experiment(task="python", tier="small", model=str(folder), rewards={"weak": 1.0})
    monitor, lines = monitored(experiment, policy, tokenizer, tmp_path / "m")
    monitor.resume(2)
    assert [line["step"] for line in lines()] == [0, 2]
    monitor.write(3, policy, {})
    assert [line["step"] for line in lines()] == [0, 2, 3]
