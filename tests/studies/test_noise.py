"""Measures of chapter 12's study on runs whose log-odds are known, and its tables."""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from known_runs import KnownRun, listed
from scipy.special import expit, logit

from companion.studies import judge, noise
from companion.studies import noise_pictures as pictures
from companion.studies.noise import BETAS, DIVIDED, FREE, SEEDS, STUDY, TRL, grid, held
from companion.studies.runs import Runs
from companion.studies.study import Key

_LISTED = listed().query("label != 'wrong'").reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Known(KnownRun):
    """A run whose tied traces end with log-odds ``u``, right with probability ``right``."""

    study = STUDY
    u: float
    right: float = 0.9
    diverged: bool = False

    @property
    def provenance(self):
        return {"diverged_at": 7 if self.diverged else None}

    @property
    def metrics(self):
        return pd.DataFrame({"step": [0, 1], "mass/open": [0.2, self.right * expit(self.u)]})

    @cached_property
    def distribution(self):
        final = {"open": expit(self.u), "hidden": expit(-self.u), "honest": 0.0}
        with np.errstate(divide="ignore"):
            logs = np.log([self.right * final[label] for label in _LISTED.label])
        return _LISTED.assign(start_logprob=np.log(0.2), logprob=np.nan if self.diverged else logs)


def record(variance, conditions=tuple(STUDY.conditions)):
    """Runs of some conditions, u spread between the seeds of a start as ``variance`` says.

    Every start has its own mean, and a factor of its own, so that no test is of one number.
    """
    tilts = np.array([-1.5, -0.5, 0.5, 1.5]) / np.std([-1.5, -0.5, 0.5, 1.5], ddof=1)
    plan = {}
    for key in [key for key in STUDY.experiments() if key.condition in conditions]:
        factor = 1 + 0.05 * ((7 * key.start) % 10)
        u = 0.3 * key.start + np.sqrt(factor * variance(key.condition)) * tilts[key.repeat]
        plan[key] = Known(key, float(u))
    return Runs(STUDY, plan)


def by_theory(condition):
    experiment = STUDY.experiment(condition)
    ratio = 10 * experiment.learning_rate / experiment.batch_size
    weaker = {0.05: 0.01, 0.2: 0.001, 1.0: 0.1}.get(experiment.beta, 1.0)
    return ratio * weaker * (9 if condition == DIVIDED else 1)


@pytest.fixture(scope="module")
def whole():
    return record(by_theory)


def values(table, condition):
    return table[table.condition == condition].value.to_numpy()


def test_log_odds_are_those_of_announced_against_silent_edits():
    runs = Runs(STUDY, {Key(FREE, 3, 0): Known(Key(FREE, 3, 0), 0.7)})
    assert values(noise.odds(runs), FREE) == pytest.approx([0.7])
    assert values(noise.moved(runs), FREE) == pytest.approx([0.7])  # from even odds
    assert values(noise.right(runs), FREE) == pytest.approx([0.9])


def test_only_the_variance_between_seeds_of_one_start_counts(whole):
    spread = noise.spread(whole)
    part = spread[spread.condition == FREE].set_index("start").variance
    assert part[0] == pytest.approx(by_theory(FREE))
    assert part[1] == pytest.approx(by_theory(FREE) * 1.35)
    assert np.exp(values(spread, FREE)) == pytest.approx(part.to_numpy())


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("what", ["eta", "batch"])
def test_slopes_find_the_powers_of_rate_and_batch(power, what):
    def variance(condition):
        experiment = STUDY.experiment(condition)
        return {"eta": experiment.learning_rate, "batch": 1 / experiment.batch_size}[what] ** power

    names = [name for optimizer in noise.RATES for name in grid(optimizer)]
    table = noise.slopes(record(variance, names))
    for optimizer in noise.RATES:
        for name, of in (("η", "eta"), ("1/B", "batch")):
            expected = power if of == what else 0.0
            assert values(table, f"{optimizer}, {name}") == pytest.approx(expected, abs=1e-9)
    assert values(table, noise.THEORY) == pytest.approx(1.0)


def test_the_penalised_conditions_differ_in_the_ratio_alone():
    (one, first), (other, second) = noise.PENALISED.items()
    assert first[0] / first[1] == pytest.approx(8 * second[0] / second[1])
    a, b = (STUDY.experiment(name) for name in (one, other))
    assert (a.beta, a.steps, a.scale_rewards) == (b.beta, b.steps, b.scale_rewards)


def test_rates_are_compared_after_the_same_training_time():
    for optimizer in noise.RATES:
        times = {
            round(e.steps * e.learning_rate, 9) for e in map(STUDY.experiment, grid(optimizer))
        }
        assert times == {noise.TIMES[optimizer]}


def test_penalties_and_division_have_the_same_control():
    control = STUDY.experiment(FREE).model_dump()
    for name in (*map(held, BETAS), DIVIDED):
        other = STUDY.experiment(name).model_dump()
        assert {k for k in control if control[k] != other[k]} <= {"beta", "scale_rewards"}


def test_names_say_what_is_trained():
    for optimizer in noise.RATES:
        for name, (eta, batch) in grid(optimizer).items():
            e = STUDY.experiment(name)
            assert (e.optimizer, e.learning_rate, e.batch_size) == (optimizer, eta, batch)
            assert (e.scale_rewards, e.beta) == ("none", 0.0)
    for beta in BETAS:
        assert STUDY.experiment(held(beta)).beta == beta
    assert STUDY.experiment(TRL).trainer == "grpo"


def test_a_run_that_diverged_is_counted_and_not_averaged_in(whole):
    lost = Key(FREE, 0, 2)
    part = whole.only(FREE, DIVIDED)
    runs = Runs(STUDY, {k: Known(k, r.u, diverged=k == lost) for k, r in part.items()})
    assert len(noise.odds(runs)) == len(part) - 1
    assert np.isfinite(values(noise.spread(runs), FREE)).all()
    table = pictures.components(runs).set_index("condition")
    assert table.loc[FREE, "bad"] == 1
    assert table.bad.sum() == 1


@dataclass(frozen=True, eq=False)
class Learning(Known):
    """A run whose log-odds are ``u`` for each unit of the logit of its right answers."""

    until: float = 4.0  # the logit where it ends

    @property
    def metrics(self):
        logits = np.linspace(-1.0, self.until, 6)
        right, gap = expit(logits), self.u * logits
        masses = {"honest": 0.1 * right, "open": 0.9 * right * expit(gap)}
        masses["hidden"] = 0.9 * right * expit(-gap)
        return pd.DataFrame({f"mass/{trace}": mass for trace, mass in masses.items()})


def test_optimisers_are_compared_where_both_have_learned_as_much():
    sgd, adam = (next(iter(grid(optimizer))) for optimizer in noise.RATES)
    plan = {}
    for start, seed in itertools.product(range(3), range(SEEDS)):
        for name, size in ((sgd, 1.0), (adam, 3.0)):
            key = Key(name, start, seed)
            plan[key] = Learning(key, size * (start + 1) * seed)
    short = Key(sgd, 0, 0)
    for name in (*grid("sgd"), *grid("adam")):
        plan |= {k: Learning(k, 1.0 + k.repeat) for k in [Key(name, 9, 0), Key(name, 9, 1)]}
    runs = Runs(STUDY, plan)
    found = noise.matched(runs).set_index(["condition", "start"]).variance
    wanted = np.var(logit(noise.MATCHED) * np.arange(SEEDS), ddof=1)
    assert found[sgd, 0] == pytest.approx(wanted)
    assert found[sgd, 2] == pytest.approx(9 * wanted)
    gap = noise.adam_over_sgd(runs)
    first = gap[gap.condition == gap.condition.iloc[0]]
    assert first.start.tolist() == [0, 1, 2, 9]
    assert first.value.to_numpy() == pytest.approx([*3 * [np.log(9)], 0.0])
    plan[short] = Learning(short, 0.0, until=logit(noise.MATCHED) - 0.1)
    less = noise.matched(Runs(STUDY, plan)).set_index(["condition", "start"]).variance
    assert less[sgd, 0] == pytest.approx(np.var(logit(noise.MATCHED) * np.arange(1, 4), ddof=1))


def test_components_are_found_again():
    rng = np.random.default_rng(0)
    parts = {
        (s, r): rng.normal(0, 3.0 if r is None else 0.5)
        for s in range(10)
        for r in (None, *range(SEEDS))
    }
    keys = [Key(FREE, start, repeat) for start in range(10) for repeat in range(SEEDS)]
    runs = Runs(STUDY, {k: Known(k, parts[k.start, None] + parts[k.start, k.repeat]) for k in keys})
    row = pictures.components(runs).iloc[0]
    assert row["between seeds"].low < 0.25 < row["between seeds"].high
    assert 2 < row["between starts"] < 30
    assert row["from seeds"] < 0.2


def test_claims_hold_where_theory_does_and_fail_where_nothing_matters(whole):
    assert {v.claim.id: v.words for v in judge(STUDY, whole)} == {
        claim.id: "holds" for claim in noise.CLAIMS
    }
    alike = judge(STUDY, record(lambda condition: 0.01))
    assert not any(verdict.holds for verdict in alike)


def test_forecasts_are_measured_on_a_whole_record(whole):
    for forecast in noise.FORECASTS:
        assert (forecast.measure(whole).condition == forecast.of).any(), forecast.claim


def test_a_larger_weight_leaves_fewer_right_answers():
    rests = [noise.rest(beta) for beta in BETAS]
    assert rests == sorted(rests, reverse=True)
    assert all(0.6 < rest <= 1 for rest in rests)  # what the demonstrations have, and more


def test_live_starts_are_not_of_the_record():
    assert not {key.start for key in noise.live_keys()} & set(STUDY.starts)
    assert {key.repeat for key in noise.live_keys()} == {0, 1}


def test_the_bandit_follows_theory():
    table = pictures.simulated()
    assert (abs(table.variance / table.theory - 1) < 0.25).all()  # four standard errors
    assert set(table.penalty) == {"β = 0", "β = 1"}


def test_the_figure_shows_every_start(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = [key for key in whole.keys if key.condition == noise.live_keys()[0].condition][:4]
    saved = pictures.trained(whole, Runs(STUDY, {key: whole.at(*key) for key in keys}))
    data = pd.read_csv(saved.folder / "noise-trained.csv")
    assert len(data[data.run == "recorded"]) == len(noise.spread(whole))
    assert set(data[data.run == "live"].condition) == {keys[0].condition}


def test_the_further_apart_the_rarer_and_the_less_seen():
    table = pictures.lost()
    assert table["share of the rarer"].is_monotonic_decreasing
    assert table["unseen in 8 samples"].is_monotonic_increasing
    assert (table["unseen in 64 samples"] < table["unseen in 8 samples"]).all()
