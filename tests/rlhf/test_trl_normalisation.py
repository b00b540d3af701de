"""What the pinned trl divides advantages by, and what it does not tell about it (chapter 11)."""

import numpy as np
import pytest
import torch
from small_runs import small

from companion.rlhf.policies import load
from companion.rlhf.preparations import prepare_start
from companion.rlhf.quiet import quiet
from companion.rlhf.rewards import Rewards
from companion.rlhf.training import sampling_trainer, scaled_reward
from companion.theory import advantages
from companion.theory.normalised import GUARD

GROUPS, SIZE = 4, 8
SCALES = ("none", "group", "batch")
# What two rewards pay to each completion: the first ties in every group but the last.
TIES = torch.ones(GROUPS, SIZE)
TIES[-1, ::2] = 0.0
VARIES = torch.arange(GROUPS * SIZE, dtype=torch.float32).reshape(GROUPS, SIZE) ** 1.5


@pytest.fixture
def trl(lab, tmp_path):
    """A function: advantages (groups, size) and metrics of trl's GRPO for what rewards pay."""

    def score(aggregation, scale, *paid):
        experiment = small(
            rewards={"weak": 1.0}, aggregation=aggregation, scale_rewards=scale, steps=1
        )

        class Fixed(Rewards):
            def functions(self, asked=None):
                return [_pays(values) for values in paid]

        with quiet(offline=True, threads=1):
            policy, tokenizer = load(prepare_start(experiment.start, lab))
            rewards = Fixed(experiment)
            rewards.weights = {f"reward {i}": 1.0 for i in range(len(paid))}
            trainer = sampling_trainer(experiment, policy, tokenizer, rewards, tmp_path)
            trainer.model.train()
            prompts = [p for p in experiment.prompts[:GROUPS] for _ in range(SIZE)]
            out = trainer._generate_and_score_completions([{"prompt": p} for p in prompts])
        metrics = {name: values[-1] for name, values in trainer._metrics["train"].items()}
        return out["advantages"].reshape(GROUPS, SIZE), metrics

    return score


def _pays(values):
    def reward(prompts, completions, **_):
        return values.flatten().tolist()

    return reward


@pytest.mark.parametrize("scale", SCALES)
def test_normalise_then_sum_ignores_scale_rewards(trl, scale):
    found, _ = trl("normalize_then_sum", scale, TIES, VARIES)
    parts = [
        (r - r.mean(dim=1, keepdim=True)) / (r.std(dim=1, keepdim=True) + 1e-4)
        for r in (TIES, VARIES)
    ]
    total = sum(parts)
    assert torch.allclose(found, (total - total.mean()) / (total.std() + 1e-4), atol=1e-4)


def test_without_scaling_normalise_then_sum_still_forgets_the_size_of_a_reward(trl):
    small_one, _ = trl("normalize_then_sum", "none", TIES, VARIES)
    large_one, _ = trl("normalize_then_sum", "none", TIES, 1000 * VARIES)
    assert torch.allclose(small_one, large_one, atol=1e-3)
    small_one, _ = trl("sum_then_normalize", "none", TIES, VARIES)
    large_one, _ = trl("sum_then_normalize", "none", TIES, 1000 * VARIES)
    assert large_one.abs().max() > 900 * small_one.abs().max()


@pytest.mark.parametrize("scale", ["none", "group"])
def test_tied_groups_are_reported_when_rewards_are_summed_first(trl, scale):
    _, metrics = trl("sum_then_normalize", scale, TIES)
    assert metrics["frac_reward_zero_std"] == pytest.approx((GROUPS - 1) / GROUPS)


def test_tied_groups_go_unreported_when_rewards_are_normalised_first(trl):
    found, metrics = trl("normalize_then_sum", "group", TIES)
    assert (found[:-1].abs() < 1e-6).all()  # three groups of four teach nothing
    assert metrics["frac_reward_zero_std"] == 0.0


def test_under_normalise_then_sum_only_a_batch_that_ties_throughout_is_reported(trl):
    _, metrics = trl("normalize_then_sum", "group", torch.ones(GROUPS, SIZE))
    assert metrics["frac_reward_zero_std"] == 1.0


@pytest.mark.parametrize("scaling", ["none", "group", "batch", "decoupled"])
def test_the_exact_trainer_and_the_theory_scale_alike(scaling):
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(6), size=3)
    rewards, weights = rng.normal(size=(2, 3, 6)), np.array([1.0, 0.3])
    how = ("none", "normalize_then_sum") if scaling == "decoupled" else (scaling,)
    logp, scores, shares = (torch.tensor(x) for x in (np.log(policy), rewards, weights))
    ours = scaled_reward(logp, scores, shares, *how).numpy()
    gap = ours - advantages(policy, rewards, weights, scaling, 1e-4)
    assert np.ptp(gap, axis=1).max() < 1e-9


def test_the_guard_is_that_of_trl(trl):
    small_gap = TIES * GUARD  # in the last group a deviation of the guard's size
    found, _ = trl("sum_then_normalize", "group", small_gap)
    last = small_gap[-1]
    assert torch.allclose(found[-1], (last - last.mean()) / (last.std() + GUARD), rtol=1e-3)
