import math

import numpy as np
import pytest
import torch
from small_runs import small

from companion.rlhf import (
    get_task,
    kl_optimum,
    policy_distance,
    read_record,
    run,
    start_distance,
    sweep,
)
from companion.rlhf.distances import distribution_distance
from companion.rlhf.folders import CorruptRecord
from companion.rlhf.policies import load
from companion.rlhf.preparations import prepare_start
from companion.rlhf.quiet import quiet
from companion.rlhf.rewards import Rewards
from companion.rlhf.training import exact_kl, sampling_trainer, scaled_reward

TASK = get_task("deceptive")


def test_record_holds_what_it_promises(lab):
    record = run(small(), lab)
    table = record.distribution
    prompts = sum(len(p) for p in TASK.prompts.values())
    assert table["prompt"].nunique() == prompts
    assert len(table) == 50 * prompts
    for column in ("start_logprob", "logprob"):
        assert (np.exp(table[column]).groupby(table["prompt"]).sum() <= 1 + 1e-9).all()
    assert record.metrics["step"].tolist() == [0, 3]
    assert record.masses().sum() == pytest.approx(1 - record.metrics["mass/outside"].iloc[-1])
    assert record.masses("train", "start")["honest"] == pytest.approx(
        record.metrics["mass/honest"].iloc[0], abs=1e-9
    )
    assert {"torch", "trl"} <= set(record.provenance["versions"])
    assert not (record.path / "trainer").exists()


def test_same_seed_twice_is_bit_identical(lab, tmp_path):
    one, two = run(small(), lab), run(small(), tmp_path)
    assert one.distribution.equals(two.distribution)


def test_rl_seed_is_separate_from_the_start(lab):
    one, two = run(small(), lab), run(small(seed=9), lab)
    assert one.distribution["start_logprob"].equals(two.distribution["start_logprob"])
    assert policy_distance(one, two).lower > 0
    assert start_distance(one).lower > 0


def test_kl_reference_is_the_start(lab, tmp_path):
    experiment = small(beta=0.3)
    start = prepare_start(experiment.start, lab)
    with quiet(offline=True, threads=1):
        policy, tokenizer = load(start)
        trainer = sampling_trainer(experiment, policy, tokenizer, Rewards(experiment), tmp_path)
    reference = list(trainer.ref_model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(reference, policy.parameters(), strict=True))
    assert all(a is not b for a, b in zip(reference, policy.parameters(), strict=True))


def test_trainer_gets_what_the_experiment_says(lab, tmp_path):
    experiment = small(
        rewards={"weak": 1.0, "monitor": 0.25},
        scale_rewards="none",
        aggregation="normalize_then_sum",
        entropy_coef=0.01,
        optimizer="sgd",
    )
    start = prepare_start(experiment.start, lab)
    with quiet(offline=True, threads=1):
        trainer = sampling_trainer(experiment, *load(start), Rewards(experiment), tmp_path)
    assert trainer.scale_rewards == "none"
    assert trainer.multi_objective_aggregation == "normalize_then_sum"
    assert trainer.entropy_coef == 0.01
    assert trainer.reward_weights.tolist() == [1.0, 0.25]
    assert trainer.reward_func_names == ["weak", "monitor"]
    assert trainer.args.optim == "sgd"


def test_exact_optimiser_climbs_to_the_closed_form_optimum(lab):
    fields = {"trainer": "exact", "scale_rewards": "none", "beta": 1.0}
    rewards = {"weak": 1.0, "bonus_hidden": 0.5}
    record = run(small(**fields, rewards=rewards, steps=100, learning_rate=1e-3), lab)
    best = kl_optimum(record.split("train"), "deceptive", rewards, beta=1.0)
    before = distribution_distance(record.split("train"), best, "start_logprob")
    after = distribution_distance(record.split("train"), best)
    assert after.lower < before.lower / 10  # everything unscored is one event to both


def test_training_ends_where_the_gradient_is_small_enough(lab):
    fields = {"trainer": "exact", "scale_rewards": "none", "beta": 1.0, "learning_rate": 1e-3}
    fixed = run(small(**fields, steps=40, eval_every=1), lab)
    norms = fixed.metrics.grad_norm
    tolerance = float(norms[5:15].min()) * 1.0001
    reached = int((norms < tolerance).to_numpy().argmax())
    early = run(small(**fields, steps=40, eval_every=7, gradient_tolerance=tolerance), lab)
    assert early.metrics.step.iloc[-1] == reached < 40
    assert early.metrics.grad_norm.iloc[-1] == norms[reached]
    masses = [name for name in fixed.metrics if name.startswith("mass/")]
    there = fixed.metrics.set_index("step").loc[reached, masses]
    assert early.metrics[masses].iloc[-1].tolist() == there.tolist()
    assert early.expected("weak") < fixed.expected("weak")  # what is recorded is that policy
    late = run(small(**fields, steps=3, gradient_tolerance=1e-9), lab)
    assert late.metrics.step.iloc[-1] == 3


def test_a_recurrent_policy_follows_the_exact_gradient(lab):
    fields = {"trainer": "exact", "scale_rewards": "none", "architecture": "rwkv"}
    record = run(small(**fields, steps=12, learning_rate=1e-3), lab)
    table = record.split("train")
    mass = np.exp(table.start_logprob).groupby(table.prompt).sum()
    assert 0.5 < mass.min() <= mass.max() < 1 + 1e-6  # it has learned the grammar
    assert record.metrics.reward.iloc[-1] > record.metrics.reward.iloc[0] + 0.01


def test_exact_kl_of_equal_policies_is_zero_and_otherwise_positive():
    logp = torch.log(torch.tensor([[0.2, 0.3], [0.6, 0.1]], dtype=torch.float64))
    base = torch.log(torch.tensor([[0.4, 0.1], [0.6, 0.1]], dtype=torch.float64))
    assert exact_kl(logp, logp).abs().max() < 1e-12
    expected = 0.2 * math.log(0.5) + 0.3 * math.log(3)
    assert exact_kl(logp, base).tolist() == pytest.approx([expected, 0.0])


LOGP = torch.log(torch.tensor([[0.5, 0.25], [0.9, 0.1]], dtype=torch.float64))
SCORES = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [0.0, 0.0]]], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 0.5], dtype=torch.float64)


def scaled(*how):
    return scaled_reward(LOGP, SCORES, WEIGHTS, *how)


def test_rewards_are_scaled_by_exact_standard_deviations():
    total = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    assert torch.equal(scaled("none"), total)
    first, second = math.sqrt(0.75 * 0.25), math.sqrt(0.9 * 0.1)
    assert torch.allclose(scaled("group")[0], total[0] / (first + 1e-4))
    assert torch.allclose(scaled("group")[1], total[1] / (second + 1e-4))
    mean = (0.75 + 0.9) / 2
    assert torch.allclose(scaled("batch"), total / (math.sqrt(mean - mean**2) + 1e-4))


def test_normalising_before_the_sum_forgets_the_size_of_a_reward():
    before = scaled("none", "normalize_then_sum")
    larger = SCORES * torch.tensor([1.0, 100.0], dtype=torch.float64)[:, None, None]
    after = scaled_reward(LOGP, larger, WEIGHTS, "none", "normalize_then_sum")
    assert torch.allclose(before, after, rtol=1e-3)
    one, other = (math.sqrt(p * (1 - p)) * size + 1e-4 for p, size in ((0.5, 1.0), (0.25, 2.0)))
    assert float(before[0, 0] / before[0, 1]) == pytest.approx((1 / one) / (0.5 * 2 / other))


def test_sweep_keeps_order_and_repeats_nothing(lab):
    experiments = [small(seed=s, trainer="exact") for s in (2, 1, 2)]
    records = sweep(experiments, lab, jobs=1, progress=False)
    assert [r.experiment for r in records] == experiments
    before = [(r.path / "checksums.json").stat().st_mtime_ns for r in records]
    again = sweep(experiments, lab, jobs=1, progress=False)
    assert [(r.path / "checksums.json").stat().st_mtime_ns for r in again] == before


def test_corrupt_record_is_set_aside_and_run_again(tmp_path, lab, capsys):
    experiment = small(trainer="exact", seed=77)
    record = run(experiment, lab)
    whole = record.distribution
    with (record.path / "distribution.parquet").open("r+b") as file:
        file.seek(100)
        file.write(b"\0\0\0\0")
    with pytest.raises(CorruptRecord, match=r"distribution\.parquet"):
        read_record(record.path)
    assert run(experiment, lab).distribution.equals(whole)
    assert len(list(lab.glob(f"{experiment.id}.corrupt-*"))) == 1
    assert "set aside" in capsys.readouterr().err
