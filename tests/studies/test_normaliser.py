"""Measures of chapter 11's study on runs whose distributions are known, and its bandit tables."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from known_runs import PROMPTS, TASK, KnownRun, listed

from companion.studies import judge, normaliser
from companion.studies import normaliser_pictures as pictures
from companion.studies.normaliser import ESTIMATORS, alone_of, name_of
from companion.studies.runs import Runs
from companion.studies.study import Key
from companion.theory import advantages

FAIL = 0.01  # of the probability


@dataclass(frozen=True, eq=False)
class Known(KnownRun):
    """A run that ends with given shares of the three tied traces."""

    study = normaliser.STUDY
    shares: tuple[float, float, float]

    @property
    def metrics(self):
        last = self.shares[2] * (1 - FAIL)
        return pd.DataFrame({"step": [0, 75, 150], "mass/hidden": [0.3, last - 0.05, last]})

    @cached_property
    def distribution(self):
        final = dict(zip(("honest", "open", "hidden"), self.shares, strict=True))
        after = [(1 - FAIL) * final[x] if x in final else np.nan for x in LISTED.label]
        return LISTED.assign(logprob=np.log(after)).fillna({"logprob": LISTED.start_logprob})


def _listed():
    """Passing traces alike, failing ones alike, before training."""
    table = listed()
    wrong = (table.label == "wrong").sum() / len(PROMPTS)
    mass = np.where(table.label == "wrong", FAIL / wrong, (1 - FAIL) / 3)
    return table.assign(start_logprob=np.log(mass))


LISTED = _listed()
EVEN = (1 / 3, 1 / 3, 1 / 3)


def runs(**shares):
    keys = {Key(name, start, 0): values for (name, start), values in shares["of"].items()}
    return Runs(normaliser.STUDY, {key: Known(key, values) for key, values in keys.items()})


def tilted(log_odds):
    mass = np.array([1.0, 1.0, np.exp(log_odds)])
    return tuple(mass / mass.sum())


def value(table, condition):
    return table[table.condition == condition].value.item()


@pytest.fixture
def pair():
    name = name_of("no scaling", 0.01)
    return runs(of={(name_of("no scaling", 0.0), 0): EVEN, (name, 0): tilted(0.05)}), name


def test_distance_gain_and_guarantee(pair):
    found, name = pair
    expected = (1 - FAIL) * (tilted(0.05)[2] - 1 / 3)
    assert value(normaliser.moved(found), name) == pytest.approx(expected)
    promised = np.tanh(0.01 / (4 * 0.2))
    assert normaliser.guarantee(name) == pytest.approx(promised)
    assert value(normaliser.gain(found), name) == pytest.approx(expected / promised)
    assert not value(normaliser.beyond(found), name)


def test_shares_failures_and_what_still_moves(pair):
    found, name = pair
    assert value(normaliser.share(found), name) == pytest.approx((1 - FAIL) * tilted(0.05)[2])
    assert value(normaliser.failing(found), name) == pytest.approx(FAIL)
    assert value(normaliser.unrest(found), name) == pytest.approx(0.05)


def test_without_scaling_log_odds_move_by_the_bonus_over_beta(pair):
    found, name = pair
    assert value(normaliser.pull(found), name) == pytest.approx(1.0)  # 0.05 = 0.01 / 0.2


@pytest.mark.parametrize("estimator", ["group", "batch"])
def test_divided_they_move_by_the_bonus_over_the_effective_temperature(estimator):
    name, bonus, beta = name_of(estimator, 0.001), 0.001, 0.2
    deviation = np.sqrt(FAIL * (1 - FAIL))
    found = runs(
        of={
            (name_of(estimator, 0.0), 0): EVEN,
            (name, 0): tilted(bonus / (beta * (deviation + 1e-4))),
        }
    )
    assert value(normaliser.pull(found), name) == pytest.approx(1.0, rel=2e-3)


def test_where_the_bonus_is_all_there_is_the_partner_is_the_start():
    name = alone_of("group", 0.01, 0.2)
    found = runs(of={(name, 0): tilted(1.0)})
    expected = (1 - FAIL) * (tilted(1.0)[2] - 1 / 3)
    assert value(normaliser.moved(found), name) == pytest.approx(expected)


def test_repeats_make_a_noise_floor_of_their_own_for_each_estimator():
    name = name_of("group", 0.0, "GRPO, ")
    both = {Key(name, 0, 0): EVEN, Key(name, 0, 1): tilted(0.3)}
    found = Runs(normaliser.STUDY, {key: Known(key, shares) for key, shares in both.items()})
    table = normaliser.moved(found)
    assert table.condition.tolist() == ["noise floor, GRPO, group"]


def test_every_condition_with_a_bonus_has_a_partner_in_the_study():
    conditions = normaliser.STUDY.conditions
    for name in conditions:
        bonus = normaliser.bonus_of(name)
        assert (name in normaliser.PARTNERS) == (bonus > 0 and not name.startswith("bonus alone"))
    assert set(normaliser.PARTNERS.values()) <= set(conditions)
    by_weight = name_of("normalise-then-sum by weight", 0.01)
    assert normaliser.PARTNERS[by_weight] == name_of("normalise-then-sum", 0.0)


def test_a_bonus_is_as_large_whichever_way_it_is_paid():
    prompt, completions = PROMPTS[0], TASK.completions(PROMPTS[0])
    for estimator in ESTIMATORS:
        experiment = normaliser.STUDY.experiment(name_of(estimator, 0.01))
        rewards, weights = normaliser.rewards_of(experiment, [prompt], list(completions))
        total = np.tensordot(weights, rewards, axes=1)[0, :-1]
        labels = np.array([TASK.behaviour(prompt, c) for c in completions])
        gap = total[labels == "hidden"] - total[labels == "open"]
        assert gap == pytest.approx(0.01)


def test_the_trainer_divides_as_the_name_of_the_condition_says():
    for estimator, scaling in ESTIMATORS.items():
        experiment = normaliser.STUDY.experiment(name_of(estimator, 0.01))
        decoupled = experiment.aggregation == "normalize_then_sum"
        assert scaling == ("decoupled" if decoupled else experiment.scale_rewards)


def test_live_starts_are_not_of_the_record():
    assert not {key.start for key in normaliser.live_keys()} & set(normaliser.STUDY.starts)


def every_run():
    """A record in which bonuses move everything but what is not scaled."""
    plan = {}
    for key in normaliser.STUDY.experiments():
        bonus = normaliser.bonus_of(key.condition)
        wobble = 1e-4 * key.start + 0.02 * key.repeat
        pull = bonus / 0.2 if "no scaling" in key.condition else min(8.0, 3000 * bonus)
        shares = tilted(pull + wobble)
        plan[key] = Known(key, shares)
    return Runs(normaliser.STUDY, plan)


@pytest.fixture(scope="module")
def whole():
    return every_run()


def test_the_claims_can_be_judged_and_fail_where_nothing_is_scaled(whole):
    verdicts = {verdict.claim.id: verdict for verdict in judge("normaliser", whole)}
    assert verdicts["beyond-group-0.001"].holds
    assert verdicts["kept"].words == "holds"
    same = {key: Known(key, EVEN) for key in whole.keys}
    still = {v.claim.id: v for v in judge("normaliser", Runs(normaliser.STUDY, same))}
    assert not still["beyond-group-0.001"].holds
    assert not still["longer"].holds


def test_forecasts_are_measured_on_a_whole_record(whole):
    for forecast in normaliser.FORECASTS:
        table = forecast.measure(whole)
        assert (table.condition == forecast.of).any(), forecast.claim


def test_the_figure_shows_every_start(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    today = whole.only(name_of("no scaling", 0.0), name_of("no scaling", 0.001))
    saved = pictures.trained(whole, today)
    data = pd.read_csv(saved.folder / "normaliser-trained.csv")
    recorded = data[(data.run == "recorded") & (data.measure == "share")]
    assert len(recorded) == len(whole)
    table = pictures.measured(whole, [name_of("group", 0.01), alone_of("group", 0.01, 2.0)])
    assert table.shape == (2, 5)


def test_only_what_divides_the_penalty_too_or_nothing_keeps_the_promise():
    table = pictures.observatory().set_index("estimator")
    kept = table[table["gain at ε = 0.001"] <= 1].index
    assert set(kept) == {e.name for e in pictures.OBSERVED if e.scaling == "none" or e.kl_in_reward}
    assert table["rest points, β = 0.2"].tolist() == [
        "1" if n in kept else "0" for n in table.index
    ]


def test_penalty_inside_the_division_leaves_the_rest_point():
    rng = np.random.default_rng(0)
    reference, reward = rng.dirichlet(np.ones(4)), rng.normal(size=4)
    gibbs = reference * np.exp(reward / 0.5)
    gibbs /= gibbs.sum()
    worth = reward - 0.5 * np.log(gibbs / reference)
    for scaling in ("group", "batch"):
        followed = advantages(gibbs[None], worth[None, None], [1.0], scaling, 1e-4)
        assert np.ptp(followed) < 1e-9


def test_remedies_and_their_price():
    gains = pictures.remedies().gain.tolist()
    assert gains[0] > 100 > 10 > max(gains[1:])
    assert gains[1] < 1


def test_division_saves_more_time_on_harder_questions():
    ratios = pictures.time_to_learn().ratio
    assert ratios.iloc[-1] > 5 * ratios.iloc[0] > 5
