"""Chapter 5's second page: its measures, its controls and what the record shows, by the study."""

import numpy as np
import pandas as pd
import pytest

from companion.data import data_path
from companion.rlhf import get_task
from companion.studies import (
    load,
    mean_interval,
    obedience,
    obedience_pictures,
    slacker_pictures,
    small_instructions,
)

ADDER = obedience.name(obedience.ADDER, obedience.ALONE)


@pytest.fixture(scope="module")
def recorded():
    return load("obedience")


def settings(condition):
    return obedience.STUDY.experiment(condition).model_dump()


@pytest.mark.parametrize("base", [obedience.ADDER, obedience.DRIFTER])
def test_the_control_takes_the_tie_away_and_pays_nothing_for_following(base):
    alone, held = (settings(obedience.name(base, p)) for p in (obedience.ALONE, obedience.HELD))
    assert {field for field in alone if alone[field] != held[field]} == {"beta"}
    assert alone["beta"] == 0 < held["beta"]
    assert held["rewards"] == {"correct": 1.0}


def test_the_control_of_correctness_does_not_pay_for_it():
    (claim,) = (claim for claim in obedience.CLAIMS if claim.id == "correct")
    assert settings(claim.against)["rewards"] == {"if_hard": 1.0}


def test_claims_about_following_have_that_control():
    following = [c for c in obedience.CLAIMS if c.section == "5.2" and "correct" not in c.id]
    assert len(following) == 4
    for claim in following:
        assert claim.confirmatory
        assert claim.against == obedience.name(obedience.ADDER, obedience.HELD)
        assert {len(obedience.STUDY.starts_of(c)) for c in (claim.of, claim.against)} == {10}
        assert {obedience.STUDY.repeats_of(c) for c in (claim.of, claim.against)} == {2}


def test_the_papers_numbers_are_those_of_its_table():
    table = pd.read_csv(data_path("paper/table_instruction_following.csv"))
    means = table.groupby(table.stage == "base").if_hard_acc.mean()
    (claim,) = (claim for claim in obedience.CLAIMS if claim.id == "strict")
    assert claim.reported == pytest.approx((means[False] - means[True]) / 100)


def test_an_answer_that_obeys_has_no_step_where_there_is_no_room(recorded):
    found = obedience.answers(recorded.at(ADDER, 0))
    assert not (found.cramped & found.obeys & found.stepped).any()
    assert (~found.cramped & found.obeys & found.stepped).any()


def test_following_by_room_adds_up_to_following(recorded):
    run = recorded.at(ADDER, 0)
    table, task = run.split("train"), get_task("instruction")
    verdicts = task.judge_all("if_hard", table.prompt, table.completion)
    obeys = [verdict.score for verdict in verdicts]
    change = np.exp(table.logprob) - np.exp(table.start_logprob)
    whole = (change * obeys).sum() / table.prompt.nunique()
    cramped = pd.Series(obedience.answers(run).cramped).groupby(table.prompt).first()
    parts = obedience.lost_by_room(recorded)
    parts = parts[(parts.start == 0) & (parts["repeat"] == 0)].set_index("condition").value
    no_room, room = (parts[f"{ADDER}, {where}"] for where in (obedience.NO_ROOM, obedience.ROOM))
    assert cramped.mean() * no_room + (1 - cramped.mean()) * room == pytest.approx(whole)


def test_obeying_costs_the_base_that_can_add_and_those_that_cannot_nothing(recorded):
    table = obedience.arithmetic(recorded)
    gap = table[obedience.IGNORES] - table[obedience.OBEYS]
    costs = {
        name: mean_interval(gap[part.index], part.start)
        for name, part in table.groupby("condition")
    }
    able = costs.pop(ADDER)
    assert able.low > 0
    unable = [cost.value for name, cost in costs.items() if name.startswith("short")]
    assert len(unable) == 2
    assert max(map(abs, unable)) < 0.02


def test_a_tie_breaker_keeps_what_right_answers_alone_lose(recorded):
    scores = obedience.before_and_after(recorded.only(repeats=[0]))
    scores = scores.set_index(["condition", "start"])["if_hard after"]
    for base in obedience.BASES:
        paid, alone = (
            scores.loc[obedience.name(base, p)] for p in (obedience.REMEDY, obedience.ALONE)
        )
        assert mean_interval((paid - alone).dropna()).low > 0


def test_a_price_and_pressure_take_obedience_no_further_than_among_right_answers():
    costs = slacker_pictures.MIXTURES["obeying costs"]
    path = [slacker_pictures.obeying_at(costs, pressure) for pressure in (0, 1, 4, 16, 64)]
    assert path[0] == pytest.approx(costs[0] + costs[2])
    assert (np.diff(path) < 0).all()
    assert path[-1] == pytest.approx(costs[0] / (costs[0] + costs[1]))


def test_every_condition_is_named_by_its_base_and_what_is_paid():
    for condition in obedience.STUDY.conditions:
        assert obedience.name(*obedience.split_name(condition)) == condition


def test_the_figure_holds_every_run(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = obedience_pictures.beside_the_paper(recorded)
    data = pd.read_csv(saved.folder / "slacker-obedience.csv")
    assert len(data) == len(recorded)


def test_live_starts_are_not_of_the_record():
    assert not set(obedience.STUDY.starts) & {key.start for key in obedience.live_keys()}


def test_the_real_model_answers_better_in_every_start_once_that_is_paid_for():
    gained = small_instructions.more_correct(load("small_instructions"))
    assert (gained[gained.condition == "right answers"].groupby("start").value.mean() > 0).all()


def test_a_gain_is_taken_from_the_start_of_its_own_number():
    real = load("small_instructions")
    level = small_instructions.follows(real).set_index(["condition", "start", "repeat"]).value
    gained = small_instructions.follows_more(real)
    assert len(gained) == len(level) - len(level["start"])
    for row in gained.itertuples():
        before = level["start", row.start, 0]
        assert row.value == level[row.condition, row.start, row.repeat] - before
