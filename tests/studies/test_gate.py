"""Measures of chapter 13's study on runs whose distributions are known, and its bandit."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from known_runs import PROMPTS, TASK, KnownRun

from companion.results import sharp_15_learned_weights as fact_15
from companion.studies import gate, gate_pictures, judge
from companion.studies.gate import COLD, EPSILONS, WARM, name_of
from companion.studies.runs import Runs
from companion.studies.study import Key

TRACES = ("honest", "open", "hidden")


def _listed():
    """One completion a trace, alike before training."""
    firsts = {}
    for prompt in PROMPTS:
        for completion in TASK.completions(prompt):
            firsts.setdefault((prompt, TASK.behaviour(prompt, completion)), completion)
    rows = [("train", p, firsts[p, trace], trace) for p in PROMPTS for trace in TRACES]
    table = pd.DataFrame(rows, columns=["split", "prompt", "completion", "label"])
    return table.assign(start_logprob=np.log(1 / 3))


LISTED = _listed()


@dataclass(frozen=True, eq=False)
class Known(KnownRun):
    """A run that ends with a given share of the favoured trace, the other one taking the rest."""

    study = gate.STUDY
    share: float
    weight: float = 0.5

    @property
    def metrics(self):
        ends = {f"mass/{gate.FAVOURED}": self.share, f"gate/*/{gate.PAID[0]}": self.weight}
        return pd.DataFrame({name: [0.5, end - 0.01, end] for name, end in ends.items()})

    @cached_property
    def distribution(self):
        final = {"hidden": self.share, "open": 1 - self.share - 1e-6, "honest": 1e-6}
        return LISTED.assign(logprob=np.log(LISTED.label.map(final)))


def runs(shares):
    found = {Key(name, start, 0): share for (name, start), share in shares.items()}
    return Runs(gate.STUDY, {key: Known(key, share) for key, share in found.items()})


def value(table, condition):
    return table[table.condition == condition].value.item()


def test_bonus_and_malus_are_compared():
    paid, fined = (name_of("learned", COLD, size) for size in (0.1, -0.1))
    found = runs({(paid, 0): 0.8, (fined, 0): 0.3})
    assert value(gate.moved(found), paid) == pytest.approx(0.5)
    assert value(gate.unrest(found), paid) == pytest.approx(0.01)
    assert value(gate.weights(found), fined) == 0.5


def test_every_condition_with_a_bonus_has_its_malus():
    conditions = gate.STUDY.conditions
    for name, other in gate.PARTNERS.items():
        assert {name, other} <= set(conditions)
        paid, fined = (conditions[n]["rewards"][gate.PAID[0]] for n in (name, other))
        assert paid - 1 == pytest.approx(1 - fined)
        rest = [{k: v for k, v in conditions[n].items() if k != "rewards"} for n in (name, other)]
        assert rest[0] == rest[1]


def test_a_yoked_run_differs_from_the_learned_one_in_the_yoke_alone():
    for tau in (COLD, WARM):
        learned, yoked = (gate.STUDY.conditions[name_of(g, tau, 0.1)] for g in ("learned", "yoked"))
        assert yoked == learned | {"yoked_to": dict.fromkeys(gate.PAID, 1.0)}


def test_temperatures_lie_on_either_side_of_the_threshold():
    for size in EPSILONS:
        span = fact_15.disagreement([[1 + size, 0.0, 0.0], [0.0, 1.0, 0.0]])
        assert gate.BETA * COLD < fact_15.threshold(span) < gate.BETA * WARM
        assert gate.guarantee(name_of("learned", COLD, size)) == np.inf
        for kind, tau in (("learned", WARM), ("yoked", COLD), ("yoked", WARM)):
            name = name_of(kind, tau, size)
            assert gate.expected(name) <= gate.guarantee(name) < np.inf


@pytest.mark.parametrize("tau", [0.2, 0.3, 1.0, 3.0])
def test_the_bandit_rests_where_policy_and_gate_answer_each_other(tau):
    rng = np.random.default_rng(0)
    reference = rng.dirichlet(np.ones(3), size=4)
    paid = np.array([[1.2, 0.0, 0.0], [0.0, 1.0, 0.0]])
    policy, weights = gate.rest(reference, paid, tau)
    answer = reference * np.exp(weights @ paid / gate.BETA)
    assert policy == pytest.approx(answer / answer.sum(axis=1, keepdims=True))
    softmax = np.exp(paid @ policy.mean(axis=0) / tau)
    assert weights == pytest.approx(softmax / softmax.sum(), abs=1e-9)


def test_a_start_that_prefers_one_trace_needs_a_larger_bonus():
    leaning = np.array([[0.30, 0.35, 0.35]])
    for size, follows in ((0.03, False), (0.3, True)):
        ends = [
            gate.rest(leaning, np.array([[1 + s, 0, 0], [0, 1.0, 0]]), COLD)[0][0, 0]
            for s in (size, -size)
        ]
        assert bool(ends[0] - ends[1] > 0.4) == follows


def test_contrary_gates_move_least():
    large = EPSILONS[-1]
    contrary, yoked, learned = (
        gate.expected(name_of(kind, COLD, large)) for kind in ("contrary", "yoked", "learned")
    )
    assert contrary < yoked < learned


def every_run(learned):
    """A record in which learning moves the policy this far below the threshold."""
    plan = {}
    for key in gate.STUDY.experiments():
        bonus = gate.STUDY.experiment(key.condition).rewards[gate.PAID[0]] - 1
        cold = key.condition.startswith(f"learned, τ = {COLD:g}")
        reach = learned if cold else 0.1 * abs(bonus)
        plan[key] = Known(key, 0.5 + np.sign(bonus) * reach / 2 + 1e-3 * key.start)
    return Runs(gate.STUDY, plan)


def test_claims_hold_where_learning_moves_and_fail_where_it_does_not():
    for learned, holds in ((0.7, True), (0.0, False)):
        verdicts = {v.claim.id: v for v in judge("gate", every_run(learned))}
        assert verdicts["reopened-0.1"].holds is holds
        assert verdicts["closed-0.1"].holds


def test_figures_and_table_show_every_condition_with_a_bonus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = every_run(0.7)
    saved = gate_pictures.trained(record)
    data = pd.read_csv(saved.folder / "gate-trained.csv")
    assert set(gate.PARTNERS) <= set(data.condition)
    table = gate_pictures.measured(record)
    assert table.condition.tolist() == list(gate.PARTNERS)
    assert set(table["in its bandit"][table.condition.str.startswith("yoked")]) == {"–"}


def test_live_starts_are_not_of_the_record():
    assert not {key.start for key in gate.live_keys()} & set(gate.STUDY.starts)


def test_forecasts_are_measured_on_a_whole_record():
    record = every_run(0.7)
    for forecast in gate.FORECASTS:
        assert (forecast.measure(record).condition == forecast.of).any(), forecast.claim
