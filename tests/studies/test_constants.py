"""Chapter 14: measures on runs whose distributions are known, and what its claims would notice."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pytest
from known_runs import KnownRun, listed

from companion.results import sharp_6_kl_sequence, sharp_7_cliff_width
from companion.rlhf.distances import kl_optimum
from companion.studies import constants, constants_pictures, constants_trained, judge, load
from companion.studies.constants import BETAS, RATIOS, change_of, name_of
from companion.studies.runs import Runs
from companion.studies.study import Key

FAIL = 0.01  # of the probability, at the start
STARTS = range(3)  # of the record, enough to judge by


@dataclass(frozen=True, eq=False)
class Known(KnownRun):
    """A run that ends at the optimum of other bonuses than it was paid, and may still move."""

    study = constants.STUDY
    paid: float = 1.0  # how many times its bonuses the run reacts to
    last: float = 0.0  # by how much a trace changed at the end
    slope: float = 5e-4  # norm of the gradient there

    @property
    def metrics(self):
        masses = {f"mass/{trace}": [0.1, 0.3, 0.3] for trace in ("honest", "open")}
        masses |= {"mass/hidden": [0.3, 0.3, 0.3 + self.last]}
        return pd.DataFrame({"step": [0, 270, 300], "grad_norm": [0.1, 0.01, self.slope]} | masses)

    @cached_property
    def distribution(self):
        rewards = self.experiment.rewards
        felt = {name: size * (1 if name == "weak" else self.paid) for name, size in rewards.items()}
        return kl_optimum(start_of(self.key.start), "deceptive", felt, self.experiment.beta)


LISTED = listed()


def start_of(start):
    """The three passing traces nearly alike, a little different from start to start."""
    share = np.array([1.0, 1.0, 1.0]) + 0.02 * np.cos(start + np.arange(3))
    mass = dict(zip(("honest", "open", "hidden"), (1 - FAIL) * share / share.sum(), strict=True))
    mass["wrong"] = FAIL
    sizes = LISTED.groupby(["prompt", "label"]).completion.transform("size")
    return LISTED.assign(start_logprob=np.log(LISTED.label.map(mass) / sizes))


def every_run(paid=lambda key: 1.0, last=lambda key: 0.0):
    keys = [Key(name, start, 0) for name in constants.STUDY.conditions for start in STARTS]
    return Runs(constants.STUDY, {key: Known(key, paid(key), last(key)) for key in keys})


def verdicts(runs):
    return {verdict.claim.id: verdict for verdict in judge("constants", runs)}


def values(table, condition):
    return table[table.condition == condition].value


@pytest.fixture(scope="module")
def whole():
    return every_run()


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_at_the_optimum_the_move_is_that_of_three_ties(whole, beta, ratio):
    moved = constants.moved(whole)
    found = values(moved, name_of(beta, ratio))
    assert found.to_numpy() == pytest.approx(sharp_7_cliff_width.move(ratio, 3), abs=0.01)
    aims = values(moved, constants.OPTIMUM + name_of(beta, ratio))
    assert found.to_numpy() == pytest.approx(aims.to_numpy(), abs=1e-9)


def test_what_is_promised_goes_by_the_span_of_the_change(whole):
    one, moved, added = name_of(0.1, 1.0), *(change_of(0.1, c) for c in constants.CHANGES)
    spans = {one: 0.1, moved: 0.2, added: 0.1}  # among all completions, the failing ones too
    for name, span in spans.items():
        assert constants.guarantee(name) == pytest.approx(sharp_6_kl_sequence.bound(span, 0.1))
    gains = constants.gain(whole)
    assert (gains.value <= 1 + 1e-9).all()
    assert set(gains.condition) == set(constants.PARTNERS)
    means = constants.moved(whole).groupby("condition").value.mean()
    assert means[moved] > means[one] > 50 * means[added]


def test_every_change_has_a_partner_of_its_own_weight_and_architecture():
    for name, partner in constants.PARTNERS.items():
        ours, theirs = (constants.STUDY.experiment(n) for n in (name, partner))
        same = {"beta", "architecture", "hidden_size", "layers", "gradient_tolerance", "steps"}
        assert ours.model_dump(include=same) == theirs.model_dump(include=same)
        assert sum(size != 0 for size in theirs.rewards.values()) == 1


def test_unrest_is_that_of_the_less_settled_of_a_pair():
    name = name_of(0.1, 1.0)
    pair = {Key(constants.PARTNERS[name], 0, 0): 0.03, Key(name, 0, 0): -0.002}
    runs = Runs(constants.STUDY, {key: Known(key, last=last) for key, last in pair.items()})
    assert values(constants.unrest(runs), name).item() == pytest.approx(0.03)
    assert len(constants_trained.restless(runs)) == 1


def test_runs_that_still_move_are_counted_and_marked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    moving = (name_of(0.05, 10.0), 2)
    runs = every_run(last=lambda key: 0.02 if key[:2] == moving else 0.0)
    table = constants_trained.measured(runs, [moving[0], name_of(0.1, 10.0)])
    assert table["starts still moving"].tolist() == ["1 of 3", "0 of 3"]
    saved = constants_trained.trained(runs, runs.only(name_of(0.2, 0.0), name_of(0.2, 1.0)))
    assert "pairs of runs that still moved, 1 here." in saved.caption
    data = pd.read_csv(saved.folder / "constants-trained.csv")
    marked = data[~data.at_rest & (data.run == "recorded")]
    assert set(zip(marked.condition, marked.start, strict=True)) == {moving}


def test_runs_that_end_before_the_tolerance_are_counted(whole):
    assert constants_trained.short_of_tolerance(whole) == 0
    steep = Key(name_of(0.4, 10.0, constants.AT_LENGTH), 1, 0)
    runs = {key: Known(key, slope=0.002 if key == steep else 5e-4) for key in whole.keys}
    assert constants_trained.short_of_tolerance(Runs(constants.STUDY, runs)) == 1
    table = constants_trained.at_length(Runs(constants.STUDY, runs))
    assert table.steps.tolist() == ["300 to 300"] * 4
    assert (table["to the tolerance"] == table["its optimum"]).all()


def test_at_the_optimum_every_claim_holds(whole):
    assert {verdict.words for verdict in verdicts(whole).values()} == {"holds"}


def test_claims_fail_where_the_bonus_is_not_felt():
    found = verdicts(every_run(paid=lambda key: 0.0))
    assert found["optimum-0.1-3"].words == "contradicted"
    assert found["redistributed-0.1"].words == "not shown"


def test_claims_fail_where_the_warm_react_to_more_than_the_ratio():
    warm = every_run(paid=lambda key: 1.5 if "β = 0.4" in key.condition else 1.0)
    found = verdicts(warm)
    assert found["collapse-1"].words == found["optimum-0.4-1"].words == "contradicted"
    assert found["optimum-0.1-1"].words == "holds"


def test_claims_fail_where_an_architecture_reacts_otherwise():
    found = verdicts(every_run(paid=lambda key: 2.0 if "neox" in key.condition else 1.0))
    assert found["gpt_neox-1"].words == "contradicted"
    assert found["gpt2-1"].words == "holds"


def test_claims_fail_where_a_size_reacts_otherwise():
    found = verdicts(every_run(paid=lambda key: 0.0 if "16×1" in key.condition else 1.0))
    assert found["size-16-3"].words == "contradicted"
    assert found["size-128-3"].words == "holds"


def test_runs_to_a_tolerance_are_held_to_a_narrower_margin():
    found = verdicts(every_run(paid=lambda key: 1.1 if "β = 0.4" in key.condition else 1.0))
    assert found["optimum-0.4-1"].words == "holds"
    assert found["at-length-0.4-1"].words != "holds"
    assert found["at-length-0.05-1"].words == "holds"


def test_claims_fail_where_moving_reward_does_less_than_adding_it():
    found = verdicts(every_run(paid=lambda key: 0.0 if "redistr" in key.condition else 1.0))
    assert not found["redistributed-0.05"].holds


def test_forecasts_are_measured_on_a_whole_record(whole):
    assert {forecast.of for forecast in constants.FORECASTS} == set(constants.PARTNERS)
    tables = {f.measure: f.measure(whole) for f in constants.FORECASTS}
    for forecast in constants.FORECASTS:
        mean = values(tables[forecast.measure], forecast.of).mean()
        assert mean == pytest.approx(forecast.predict(), abs=forecast.margin), forecast.claim


def test_live_starts_are_not_of_the_record_and_make_pairs():
    keys = constants.live_keys()
    assert not {key.start for key in keys} & set(constants.STUDY.starts)
    assert {
        Key(constants.PARTNERS[k.condition], k.start, 0)
        for k in keys
        if k.condition in constants.PARTNERS
    } <= set(keys)


@pytest.mark.parametrize(
    ("draw", "conditions"), [(constants_trained.changes, 6), (constants_trained.architectures, 14)]
)
def test_figures_hold_every_start_of_what_they_compare(
    whole, tmp_path, monkeypatch, draw, conditions
):
    monkeypatch.chdir(tmp_path)
    saved = draw(whole)
    data = pd.read_csv(saved.folder / f"{saved.id}.csv")
    assert len(data) == conditions * len(STARTS)
    assert data.at_rest.all()
    assert "pairs of runs that still moved, none here." in saved.caption


def test_paying_all_that_pass_is_paying_one_answer_against_the_failing():
    table = constants_pictures.by_change(np.array([0.0, 1e-3, 1.0, 30.0]))
    one, another, everything = (table[way] for way in constants_pictures.WAYS)
    assert (one[1:] < another[1:]).all()
    assert another[1] / one[1] == pytest.approx(3 / 2, rel=1e-3)
    assert everything.iloc[-1] == pytest.approx(constants_pictures.FAILING)
    assert table.iloc[0].tolist() == pytest.approx([0, 0, 0, 0])


def test_the_slope_of_a_small_bonus_stays_below_the_constant(whole):
    table = constants_trained.slopes(whole)
    for row in table.to_dict("records"):
        slope, most = (float(str(x).split()[0]) for x in list(row.values())[1::2])
        assert 0.8 * most < slope < most


def test_what_is_given_up_falls_with_the_steepness_allowed():
    table = constants_trained.given_up(load("entropy"))
    assert (table.price > -1e-6).all()
    optima = table[table.policy == "optimum"].sort_values("steepest")
    for _, line in optima.groupby("task"):
        assert (np.diff(line.price) <= 1e-9).all()
        assert np.isclose(line.steepest * line.beta, 1 / 4).all()
