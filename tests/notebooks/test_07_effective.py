"""Chapter 7's models, their noise floor and their controls, on the recorded runs."""

import math
from fractions import Fraction

import numpy as np
import pytest

from companion.studies import effective, effective_pictures, effective_tables, judge, load
from companion.studies import effective_measures as measures
from companion.studies.effective_models import BETAS, CONDITIONS, PARTNERS, beta_of, floor_at


@pytest.fixture(scope="module")
def recorded():
    return load("effective")


@pytest.fixture(scope="module")
def verdicts(recorded):
    return {verdict.claim.id: verdict for verdict in judge("effective", recorded)}


def test_every_model_has_its_partner_and_model_1_its_floor(recorded):
    table = measures.distances(recorded)
    compared = [key for key in recorded.keys if key.condition in PARTNERS]
    again = [key for key in recorded.keys if key.repeat and key.condition.startswith("Model-1")]
    assert len(table) == len(compared) + len(again)
    assert {floor_at(beta) for beta in BETAS} <= set(table.condition)


def test_a_partner_is_trained_alike_but_for_what_is_asked():
    for condition, partner in PARTNERS.items():
        first, second = (dict(CONDITIONS[name]) for name in (condition, partner))
        for field in ("rewards", "leave_out"):
            first.pop(field), second.pop(field)
        assert first == second, condition


def test_the_tie_is_what_the_slip_meets(recorded, verdicts):
    """The mean, since whether five starts suffice to tell it is for the verdict to say."""
    assert verdicts["model-2-tie"].difference.value > 0.3
    untied = measures.on_boundary_requests(recorded)
    untied = untied[untied.condition == "Model-2, no tie, exact"]
    assert untied.value.max() < 0.05


def test_sampled_model_2_leaves_the_floor_on_boundary_sets_and_not_elsewhere(verdicts):
    where = verdicts["model-2-where"]
    assert where.difference.value > 0
    assert where.control.value < where.ours.value / 2


def test_a_divergence_term_holds_all_three_and_the_noise(verdicts):
    for claim in ("held-model-2", "held-model-3", "held-floor"):
        assert verdicts[claim].difference.value < 0, claim


def test_the_exact_runs_stay_under_the_bound_of_their_optima(recorded, verdicts):
    assert verdicts["bound"].holds
    for run in recorded.only("Model-1, exact, β = 0.3"):
        assert measures.optimum(run, 0.3) <= measures.bound(0.3) + 1e-9


def test_the_ratio_moves_held_out_scores_more_than_what_the_classes_earn(verdicts):
    assert verdicts["ratio"].holds
    assert verdicts["ratio"].control.value < 0.02


def test_free_runs_end_at_one_act_that_of_the_heavier_judge_or_most_often_of_the_start(recorded):
    lean = measures.lean(recorded)
    free = lean[lean.beta == 0]
    assert (free.surest > 0.9).all()
    far = free[free.weight.isin((0.3, 0.7))]
    obeys = np.sign(far.value) == np.sign(far.weight - 0.5)
    assert obeys.mean() > 0.5
    assert (np.sign(far.value[~obeys]) == np.sign(far.before[~obeys])).mean() > 0.5


def test_scores_shift_as_evaluations_say(recorded):
    shift = measures.score_shift(recorded).set_index(["condition", "start", "repeat"]).value
    runs = [recorded.at(f"{model}, GRPO, β = 0", 1) for model in ("Model-1", "Model-2")]
    first, second = (run.evaluations() for run in runs)
    assert shift["Model-2, GRPO, β = 0", 1, 0] == pytest.approx((second - first).abs().mean())
    again = recorded.at("Model-1, GRPO, β = 0", 1, 1).evaluations()
    assert shift[floor_at(0.0), 1, 1] == pytest.approx((again - first).abs().mean())


def test_the_papers_numbers_are_its_mean_changes(verdicts):
    table = measures.paper_scores()
    for model, claim in (("Model-2", "model-2-scores"), ("Model-3", "model-3-scores")):
        changes = [abs(table.loc[name, model] - table.loc[name, "Model-1"]) for name in table.index]
        reported = verdicts[claim].claim.reported
        assert reported == pytest.approx(sum(changes) / len(changes))
        assert 0.01 < reported < 1  # shares, as ours, and not points


def test_every_claim_of_the_papers_section_names_it(verdicts):
    sections = [verdict.claim.section for verdict in verdicts.values() if verdict.claim.section]
    assert sorted(sections) == ["5.5", "5.6", "5.6", "5.6", "5.6"]
    assert all(verdict.claim.short for verdict in verdicts.values() if verdict.claim.section)


def test_the_grid_stays_small():
    assert len(effective.STUDY.experiments()) <= 220
    assert {beta_of(name) for name in PARTNERS} == set(BETAS)


def test_tables_show_every_set_and_no_bare_number(recorded):
    for table in (effective_tables.nine_scores(recorded), effective_tables.left_out(recorded)):
        assert list(table["held-out set"]) == measures.SETS
        text = table.to_csv()
        assert "-0." not in text
        assert "nan" not in text
    changes, clear, same = effective_tables.agreement(recorded)
    assert changes == 2 * len(measures.SETS)
    assert 0 <= same <= clear <= changes


def test_the_worked_example_jumps_by_one_half_however_small_the_slip():
    table = effective_pictures.ever_smaller((1, 300))
    assert set(table["boundary policy moved by"]) == {Fraction(1, 2)}
    assert set(table["other prompts"]) == {0}


def test_a_temperature_sees_weight_times_slip():
    moved = effective_pictures.moved_by(0.05, 0.1, 0.01)
    assert moved == pytest.approx(math.tanh(0.05 * 0.1 / 0.02) / 2)
    assert moved == pytest.approx(effective_pictures.moved_by(0.005, 1.0, 0.01))
    assert effective_pictures.moved_by(1e-9, 0.01, 0.0) == 0.5


def test_live_starts_are_not_of_the_record(recorded):
    starts = {key.start for key in recorded.keys} | set(effective.STUDY.starts)
    assert not starts & {key.start for key in effective.live_keys()}
