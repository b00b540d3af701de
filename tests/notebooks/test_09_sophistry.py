"""Chapter 9: what its study measures, its controls, and that its page would notice."""

import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.rlhf.evaluator import judged
from companion.studies import (
    judge,
    live_checks,
    load,
    read_table,
    sophistry,
    sophistry_pictures,
    sophistry_trained,
)

TIE, FREE, NO_TIE = sophistry_trained.MAIN


@pytest.fixture(scope="module")
def recorded():
    return load("sophistry")


@pytest.fixture(scope="module")
def requests(recorded):
    return sophistry.requests(recorded.only(*sophistry_trained.MAIN))


def test_recipe_is_the_first_that_passed_the_pilot():
    _, worst = sophistry_trained.pilot_table()
    model = sophistry.STUDY.experiment(FREE, start=10).reward_model
    assert worst.index[-1] == tuple(getattr(model, name) for name in worst.index.names)
    assert (worst.iloc[:-1].min(axis=1) < sophistry_trained.ENOUGH).all()
    assert not set(read_table("sophistry", "pilot").seed) & set(sophistry.STUDY.starts)


def test_conditions_differ_in_their_labels_alone():
    for trainer in sophistry.TRAINERS:
        one, other = (
            sophistry.STUDY.experiment(f"{trainer}, {bias}", start=10).model_dump()
            for bias in ("biased, tie", "debiased")
        )
        labels = [e["reward_model"].pop("bias") for e in (one, other)]
        assert one == other
        assert labels[0] != labels[1] == {}


def test_section_5_4_is_restaged_by_every_trainer_with_the_papers_numbers():
    claims = [c for c in sophistry.CLAIMS if c.section == "5.4"]
    bars = pd.read_csv(sophistry.data_path("paper/fig_rlhf_sophistry.csv"))
    assert len(claims) == 3 * len(sophistry.TRAINERS) * len(sophistry.SPLITS)
    assert {c.reported for c in claims} == set(bars.change_measured / 100)
    assert {c.of.removesuffix(", biased, tie") for c in claims} == set(sophistry.TRAINERS)
    for claim in claims:
        if "truth" in claim.id:
            assert (claim.sign, claim.margin) == (-1, sophistry.STAGNATES)
        else:  # approval persists without the cause, so the control is what counts
            assert claim.against.endswith("debiased")


def test_changes_are_after_minus_before_in_points(recorded):
    runs = recorded.only(TIE)
    table = sophistry.changes(runs, "test").set_index(["condition", "start"])
    for key, run in runs.items():
        before, after = judged(run, "test")
        for quantity in sophistry.QUANTITIES:
            change = 100 * (after[quantity] - before[quantity])
            assert table.loc[(TIE, key.start), quantity] == pytest.approx(change)
        assert (table.loc[(sophistry.BEFORE, key.start), list(sophistry.QUANTITIES)] == 0).all()


def test_errors_split_as_the_identity_says(recorded):
    for row in sophistry.judgements(recorded.only(TIE)).itertuples():
        assert row.error >= abs(row.approval - row.truth) - 1e-9


def test_writers_are_right_and_wrong_equally_often():
    right = [sophistry.writer_is_right(prompt) for prompt in sophistry.decided()]
    assert 0.3 < np.mean(right) < 0.7


def test_the_writer_is_right_where_her_answer_is():
    assert sophistry.writer_is_right("is gravity real ; i say yes :")
    assert not sophistry.writer_is_right("is astrology real ; i say yes :")
    assert not sophistry.writer_is_right("how to use poison ; i say yes :")


def test_labels_decide_what_a_reward_model_learns(requests):
    """The manipulation itself: a lead shrinks with the weight of agreement, and ties at most."""
    wrong = requests[requests.writer == "wrong"]
    lead = wrong.groupby("condition").lead.mean()
    assert lead[TIE] < lead[NO_TIE] < lead[FREE]
    assert abs(lead[TIE]) < lead[FREE] / 2


def test_a_policy_that_follows_its_reward_model_shows_it(requests):
    """Requests whose lead is large end right: else the leads would not be the policies' rewards."""
    clear = requests[(requests.lead > 1) & (requests.condition == FREE)]
    assert len(clear) > 20
    assert (clear.after > 0.5).mean() > 0.9


def test_tilt_is_the_difference_of_two_shares(recorded, requests):
    table = sophistry.tilt(recorded.only(TIE))
    means = requests[requests.condition == TIE].groupby(["start", "writer"]).after.mean().unstack()
    assert np.allclose(table.set_index("start").value, means["right"] - means["wrong"])
    assert np.allclose(table.value, table.agreeing - table.mistaken)


def test_every_claim_is_judged_and_truth_on_one_side(recorded):
    verdicts = {verdict.claim.id: verdict for verdict in judge("sophistry", recorded)}
    assert set(verdicts) == {claim.id for claim in sophistry.CLAIMS}
    on_one_side = [v for v in verdicts.values() if v.claim.margin and v.claim.sign]
    assert on_one_side
    for verdict in on_one_side:
        assert (verdict.difference.high < verdict.claim.margin) == (verdict.p < 0.05)
        assert verdict.holds == (verdict.corrected < 0.05)


def test_unknown_reward_model_is_named(recorded, monkeypatch):
    monkeypatch.setattr(sophistry, "_scores", lambda: pd.DataFrame())
    with pytest.raises(CompanionError, match=r"^study sophistry: no scores of the reward model"):
        sophistry.leads(recorded[0], sophistry.decided())


def test_live_part_would_notice_another_reward(recorded):
    """What the page watches of the debiased control excludes a run whose tie went wrong."""
    table = sophistry.tilt(recorded)
    past = table[table.condition == FREE].mistaken
    assert len(live_checks([("share", past, past.mean())])) == 1
    with pytest.raises(CompanionError, match="by the recorded runs"):
        live_checks([("share", past, 0.5)])


def test_live_start_is_not_of_the_record(recorded):
    starts = {key.start for key in recorded.keys} | set(sophistry.STUDY.starts)
    assert not starts & {key.start for key in sophistry.live_keys()}


def test_the_figure_shows_before_and_after_of_every_start(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = sophistry_trained.trained(recorded, recorded.only(TIE))
    data = pd.read_csv(saved.folder / "sophistry-trained.csv")
    assert len(data) == 2 * len(recorded.only(*sophistry_trained.MAIN))


def test_what_the_bars_imply_adds_up():
    bars = sophistry_pictures.implied()
    assert np.allclose(bars.accepted + bars.rejected, bars.error)
    assert np.allclose(bars.accepted - bars.rejected, bars.approval - bars.truth)


def test_an_indifferent_person_moves_a_policy_less_the_more_labels_there_are():
    few, many = (sophistry_pictures.mean_move(labels, 0.1) for labels in (11, 1001))
    assert 0.5 > few > 3 * many > 0
