"""What chapter 13 says of its record, controls first."""

import pytest

from companion.studies import gate, gate_pictures, interval, judge, load
from companion.studies.forecasts import outcomes
from companion.studies.gate import COLD, EPSILONS, WARM, name_of


@pytest.fixture(scope="module")
def recorded():
    return load("gate")


@pytest.fixture(scope="module")
def moved(recorded):
    return gate.moved(recorded)


def test_yoked_gates_replay_what_was_learned_without_a_bonus(recorded):
    weights = gate.weights(recorded).set_index(["condition", "start"]).value
    for tau in (COLD, WARM):
        plain = weights[name_of("learned", tau, 0.0)]
        for size in EPSILONS:
            for sign in (1, -1):
                yoked = weights[name_of("yoked", tau, sign * size)]
                assert yoked.to_dict() == pytest.approx(plain.to_dict(), abs=1e-6)


def test_no_policy_moves_further_than_its_guarantee(moved):
    for name in gate.PARTNERS:
        assert moved[moved.condition == name].value.max() <= gate.guarantee(name), name


def test_below_the_threshold_a_learned_gate_jumps_and_above_it_does_not(recorded, moved):
    large = EPSILONS[-1]
    assert interval(moved, name_of("learned", COLD, large)).low > 0.7
    assert interval(moved, name_of("learned", WARM, large)).high < 0.4
    verdicts = {verdict.claim.id: verdict for verdict in judge("gate", recorded)}
    for id in ("reopened-0.3", "closed-0.03", "closed-0.1", "bandit-0.2", "bandit-1"):
        assert verdicts[id].holds, id


def test_starts_move_as_their_bandits_do_but_where_a_preference_and_a_bonus_compete(recorded):
    apart = gate_pictures.elsewhere(recorded)
    restless = gate.unrest(recorded)
    restless = restless[restless.value > 0.01].condition
    apart = apart[~apart.condition.isin(restless)]
    assert set(apart.condition) <= {name_of("learned", COLD, size) for size in EPSILONS[:-1]}
    assert len(apart) <= 2


def test_nine_forecasts_in_ten_are_met():
    found = outcomes("gate")
    assert sum(outcome.verdict == "hit" for outcome in found) >= 0.9 * len(found)
