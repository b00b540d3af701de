"""The browser's rest points against companion.theory.settle."""

import json

import numpy as np
import pytest
from in_node import evaluate

from companion.results import sharp_6_kl_sequence as fact_6
from companion.results import sharp_12_advantage_normalisation as fact_12
from companion.theory import advantages, settle, total_variation
from companion.widgets import NormaliserExplorer
from companion.widgets.normaliser import ESTIMATORS

PROMPTS = 10
NAMES = ("bonus", "beta", "share", "hopeless")


@pytest.fixture(scope="module")
def rests(tmp_path_factory):
    """What the explorer computes for a list of (estimator, settings)."""
    folder = tmp_path_factory.mktemp("widget")

    def run(cases):
        each = f"{json.dumps(cases)}.map((x) => rest(...x))"
        return evaluate(folder, NormaliserExplorer, "rest", each)

    return run


def drawn(rng, count):
    """Random settings, each with every estimator."""
    for _ in range(count):
        settings = {
            "bonus": float(10 ** rng.uniform(-7, 0)),
            "beta": float(10 ** rng.uniform(-1.3, 0.6)),
            "share": float(rng.uniform(0.02, 0.98)),
            "hopeless": float(rng.integers(PROMPTS) / PROMPTS),
        }
        for estimator in ESTIMATORS:
            yield estimator, settings


def exact(estimator, settings):
    """Rest point, distance moved and both temperatures, from a batch of ten prompts."""
    bonus, beta, share, hopeless = (settings[name] for name in NAMES)
    tied = PROMPTS - round(hopeless * PROMPTS)
    passed = np.zeros((PROMPTS, 2))
    passed[:tied] = 1.0
    rewards = np.stack([passed, passed * [bonus, 0.0]])
    reference = np.tile([share, 1 - share], (PROMPTS, 1))
    scaling = "none" if estimator == "inside" else estimator
    policy = settle(reference, rewards, [1.0, 1.0], beta, scaling, fact_12.GUARD)
    leads = [
        np.subtract(*advantages(p, rewards, [1.0, 1.0], scaling, fact_12.GUARD)[0])
        for p in (reference, policy)
    ]
    moved = total_variation(policy, reference)[0]
    return policy[0, 0], moved, *(beta * bonus / lead for lead in leads)


def test_rest_points_agree(rests):
    cases = list(drawn(np.random.default_rng(0), 20))
    compared = 0
    for (estimator, settings), found in zip(cases, rests(cases), strict=True):
        try:
            share, moved, before, after = exact(estimator, settings)
        except ValueError:  # theory does not wait for a policy that is slow to come to rest
            continue
        compared += 1
        told = estimator, settings
        assert found["share"] == pytest.approx(share, abs=1e-6), told
        assert found["moved"] == pytest.approx(moved, rel=1e-5, abs=1e-8), told
        assert found["before"] == pytest.approx(before, rel=1e-6), told
        assert found["after"] == pytest.approx(after, rel=1e-3), told
        assert found["promised"] == pytest.approx(
            fact_6.bound(settings["bonus"], settings["beta"]), rel=1e-12
        )
        assert found["gain"] == pytest.approx(found["moved"] / found["promised"], rel=1e-12)
    assert compared > 0.9 * len(cases)


def test_group_scaling_rests_where_fact_12_says(rests):
    """Far below the guard and far into the collapse, where simulation is slow or blind."""
    cases = [
        ("group", {"bonus": bonus, "beta": beta, "share": 1 / ties, "hopeless": 0.0})
        for ties in (2, 3, 8)
        for bonus in (1e-7, 1e-5, 1e-3, 1.0)
        for beta in (0.01, 0.2, 2.0)
    ]
    for (_, s), found in zip(cases, rests(cases), strict=True):
        mass = fact_12.rest_point(s["bonus"], s["beta"], round(1 / s["share"]))
        assert found["share"] == pytest.approx(mass, abs=1e-9), s


def test_undivided_the_promise_is_kept_and_divided_the_gain_grows_without_bound(rests):
    """Down to where the guard takes over, a smaller bonus is a larger breach."""
    bonuses = [1e-1, 1e-2, 1e-3]
    settings = {"beta": 0.2, "share": 1 / 3, "hopeless": 0.0}
    gains = {
        key: [found["gain"] for found in rests([(key, settings | {"bonus": b}) for b in bonuses])]
        for key in ESTIMATORS
    }
    for key in ("none", "inside"):
        assert max(gains[key]) <= 1
    for key in ("group", "each", "decoupled"):
        assert np.all(np.diff(gains[key]) > 0)
        assert gains[key][-1] > 100


def test_failing_prompts_protect_where_the_batch_is_divided_by(rests):
    settings = {"bonus": 0.001, "beta": 0.2, "share": 1 / 3}
    gains = {
        (key, hopeless): rests([(key, settings | {"hopeless": hopeless})])[0]["gain"]
        for key in ("batch", "group")
        for hopeless in (0, 0.5)
    }
    assert min(gains["batch", 0], gains["group", 0], gains["group", 0.5]) > 100
    assert gains["batch", 0.5] < 5


def test_without_a_bonus_nothing_moves(rests):
    settings = {"bonus": 0, "beta": 0.2, "share": 0.5, "hopeless": 0.5}
    for found in rests([(key, settings) for key in ESTIMATORS]):
        assert found["moved"] == 0
        assert found["gain"] is None  # not a number


@pytest.mark.parametrize(
    "change", [{"estimator": "all"}, {"bonus": -0.1}, {"beta": 0}, {"share": 1.0}, {"hopeless": 1}]
)
def test_settings_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        NormaliserExplorer(**change)
