"""Chapter 1's claims and controls, on the recorded runs."""

import pytest

from companion.results import prop_2_4
from companion.rlhf import get_task, policy_distance
from companion.studies import Runs, judge, load, value


@pytest.fixture(scope="module")
def recorded():
    return load("value")


@pytest.fixture(scope="module")
def verdicts(recorded):
    return {verdict.claim.id: verdict for verdict in judge("value", recorded)}


def test_no_claim_of_the_chapter_is_contradicted(verdicts):
    assert [id for id, v in verdicts.items() if v.words == "contradicted"] == []


def test_without_a_tie_the_same_perturbation_moves_less(verdicts):
    tie = verdicts["tie"]
    assert tie.difference.value > 0.2
    assert tie.control.value < 0.15


def test_the_teacher_loses_less_than_the_proposition_allows(recorded):
    worth = value.worth(recorded).pivot_table("value", "start", "condition")
    for condition, partner in value.PARTNERS.items():
        loss = (worth[partner] - worth[condition]).dropna()
        assert len(loss) >= 5
        assert loss.max() <= 2 * prop_2_4.bound(value.size_of(condition), 0.0)


def test_opposite_perturbations_bring_opposite_acts(recorded):
    helps = value.helping(recorded).pivot_table("value", "start", "condition")
    one, other = (helps[f"exact, tied, {act} 0.03"].dropna() for act in ("help", "refuse"))
    assert (one > other).all()
    assert len(one) == len(other) >= 5


def test_every_perturbed_run_has_its_partner(recorded):
    moved = value.moved(recorded)
    perturbed = [key for key in recorded.keys if key.condition in value.PARTNERS]
    assert len(moved) == len(perturbed) + (moved.condition == value.FLOOR).sum()
    assert (moved.upper >= moved.value).all()


def test_boundary_requests_and_the_others_are_all_requests(recorded):
    """The two distances, weighted by how many requests they average, give the whole one."""
    key = next(key for key in recorded.keys if key.condition in value.PARTNERS)
    partner = recorded.at(value.PARTNERS[key.condition], key.start)
    pair = Runs(
        value.STUDY,
        {key: recorded.at(*key), key._replace(condition=value.PARTNERS[key.condition]): partner},
    )
    whole = policy_distance(partner, recorded.at(*key))
    here, there = value.moved(pair).value.item(), value.moved_elsewhere(pair).value.item()
    kinds = whole.per_prompt.prompt.map(get_task("alignment").kind)
    share = (kinds == value.BOUNDARY).mean()
    assert 0 < share < 1
    assert share * here + (1 - share) * there == pytest.approx(whole.lower)


def test_live_starts_are_not_of_the_record(recorded):
    starts = {key.start for key in recorded.keys} | set(value.STUDY.starts)
    assert not starts & {key.start for key in value.live_keys()}
