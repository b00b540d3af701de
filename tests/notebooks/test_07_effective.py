"""Chapter 7's controls, on the recorded runs."""

import numpy as np
import pytest

from companion.rlhf import get_task
from companion.rlhf.distances import distribution_distance
from companion.studies import load, mean_interval

SEEDS = (0, 1, 2, 3, 4)
JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}
CHANGED = JUDGES | {"boundary_refuse": 0.1}
UNTIED = JUDGES | {"boundary_warn": 0.5}
BOUNDARY = "safety/boundary"


@pytest.fixture(scope="module")
def records():
    return load("effective")


def runs(records, rewards, trainer, beta=0.0, left_out=(), again=False):
    """Records by seed of the start."""
    chosen = [
        r
        for r in records
        if (r.experiment.rewards, r.experiment.trainer) == (rewards, trainer)
        and (r.experiment.beta, r.experiment.leave_out) == (beta, left_out)
        and (r.experiment.seed != r.experiment.sft_seed) == again
        and not r.experiment.routes
    ]
    by_seed = {r.experiment.sft_seed: r for r in chosen}
    assert sorted(by_seed) == list(SEEDS)
    assert len(chosen) == len(SEEDS)
    return by_seed


def apart(first, second, split="train", on_boundary=True):
    """(seeds,) distance between runs, on boundary requests or on all others."""
    task, moved = get_task("alignment"), []
    for seed in SEEDS:
        tables = (r.split(split) for r in (first[seed], second[seed]))
        kept = [t[(t.prompt.map(task.kind) == BOUNDARY) == on_boundary] for t in tables]
        moved.append(distribution_distance(*kept).lower)
    return np.array(moved)


def test_a_changed_judge_moves_the_policy_where_acts_tie(records):
    reference = runs(records, JUDGES, "exact")
    tied = apart(reference, runs(records, CHANGED, "exact"))
    first, second = (runs(records, r, "exact") for r in (UNTIED, UNTIED | {"boundary_refuse": 0.1}))
    assert mean_interval(tied - apart(first, second)).low > 0


def test_sampled_model_2_exceeds_the_noise_floor_on_boundary_requests_alone(records):
    reference, again = (runs(records, JUDGES, "grpo", again=a) for a in (False, True))
    changed = runs(records, CHANGED, "grpo")
    excess = {
        where: apart(reference, changed, "ood", where) - apart(reference, again, "ood", where)
        for where in (True, False)
    }
    assert mean_interval(excess[True]).low > 0
    assert mean_interval(excess[False]).low < 0


def test_a_kl_term_holds_all_three_and_the_noise(records):
    for rewards, left_out, again in (
        (CHANGED, (), False),
        (JUDGES, (BOUNDARY,), False),
        (JUDGES, (), True),
    ):
        moved = {
            beta: apart(
                runs(records, JUDGES, "grpo", beta),
                runs(records, rewards, "grpo", beta, left_out, again),
            )
            for beta in (0.0, 0.3)
        }
        assert mean_interval(moved[0.0] - moved[0.3]).low > 0


def test_optima_under_a_kl_term_bound_the_exact_runs_on_average(records):
    for beta in (0.03, 0.1, 0.3):
        moved = apart(*(runs(records, r, "exact", beta) for r in (JUDGES, CHANGED)))
        assert moved.mean() <= np.tanh(0.1 / (4 * beta))


def test_the_ratio_moves_held_out_scores_more_than_what_the_classes_earn(records):
    by_share = {
        share: [r for r in records if r.experiment.rewards.get("safety_rm") == share]
        for share in (0.3, 2.4)
    }
    assert all(len(part) == len(SEEDS) for part in by_share.values())
    low, high = (
        np.mean([r.evaluations() for r in by_share[share]], axis=0) for share in (0.3, 2.4)
    )
    earned = [
        np.mean([sum(r.expected(j) for j in JUDGES) for r in by_share[share]])
        for share in (0.3, 2.4)
    ]
    assert abs(earned[1] - earned[0]) < 0.02 < np.abs(high - low).max()


def test_the_router_has_its_cliff_at_equal_weights(records):
    task = get_task("alignment")
    lean = {"help": [], "refuse": []}
    for record in records:
        if not record.experiment.routes or record.experiment.beta:
            continue
        route = record.experiment.routes["safety"]
        table = record.split("train")
        table = table[table.prompt.map(task.kind) == BOUNDARY]
        mass = np.exp(table.logprob).groupby(table.completion.str.split().str[1]).sum()
        wanted = "refuse" if route["boundary_refuse"] > route["boundary_help"] else "help"
        lean[wanted].append((mass["refuse"] - mass["help"]) / table.prompt.nunique())
    assert np.abs(lean["help"] + lean["refuse"]).min() > 0.9
    assert np.mean(lean["help"]) < -0.4 < 0.4 < np.mean(lean["refuse"])
