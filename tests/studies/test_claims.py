"""Claims: declared with a control, judged over starts, corrected together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import claims
from companion.studies.claims import Claim, judge
from companion.studies.runs import Runs
from companion.studies.study import Study
from companion.studies.verdicts import verdict_box, verdict_table


def rows(condition, values, repeats=1):
    """A tidy measure with the same value for each repeat of a start."""
    return pd.DataFrame(
        [(condition, s, r, v) for s, v in enumerate(values) for r in range(repeats)],
        columns=["condition", "start", "repeat", "value"],
    )


def claim(table, sign=+1, **more):
    return Claim(
        "c", "It moves.", lambda runs: table, of="ours", against="control", sign=sign, **more
    )


@pytest.fixture
def say(monkeypatch):
    """Verdicts on claims as if they were a study's."""

    def judged(*declared, planned=()):
        module = type("Module", (), {"CLAIMS": declared})
        monkeypatch.setattr(claims, "module_of", lambda name: module)
        study = Study("made_up", 0, "?", {condition: {} for condition in planned})
        return judge("made_up", Runs(study, {}))

    return judged


RISES = pd.concat(
    [rows("ours", [0.5, 0.6, 0.7, 0.6, 0.5]), rows("control", [0.1, 0.1, 0.2, 0.1, 0.1])]
)


@pytest.mark.parametrize(("sign", "words"), [(+1, "holds"), (-1, "contradicted")])
def test_a_clear_difference_holds_or_contradicts(say, sign, words):
    (verdict,) = say(claim(RISES, sign))
    assert verdict.words == words
    assert verdict.difference.value == pytest.approx(0.46)
    assert verdict.n == 5


@pytest.mark.parametrize(
    ("sign", "sentence"), [(+1, "So it is."), (-1, "That it falls is contradicted.")]
)
def test_a_sentence_follows_the_verdict(say, sign, sentence):
    (verdict,) = say(claim(RISES, sign))
    assert verdict.told("So it is.", that="it falls") == sentence


@pytest.mark.parametrize(("paper", "number"), [(None, None), (0.7, 0.7), (lambda: 0.7, 0.7)])
def test_the_papers_number_may_be_read_when_it_is_asked_for(paper, number):
    assert claim(RISES, paper=paper).reported == number


def test_the_verdict_compares_with_the_control_and_not_with_zero(say):
    same = pd.concat([rows("ours", [0.5, 0.6, 0.7]), rows("control", [0.6, 0.5, 0.7])])
    (verdict,) = say(claim(same))
    assert verdict.ours.excludes_zero
    assert verdict.words == "not shown"


def test_repeats_do_not_add_starts(say):
    def of(repeats):
        parts = [rows("ours", [0.5, 0.6, 0.1], repeats), rows("control", [0.1, 0.2, 0.1], repeats)]
        return say(claim(pd.concat(parts)))[0]

    assert of(4).p == pytest.approx(of(1).p)
    assert of(4).n == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.01, -0.01, 0.0], "holds"),
        ([0.05, -0.2, 0.2], "not shown"),
        ([0.5, 0.51, 0.52], "contradicted"),
    ],
)
def test_no_difference_is_claimed_within_a_margin(say, values, words):
    table = pd.concat([rows("ours", values), rows("control", [0.0, 0.0, 0.0])])
    (verdict,) = say(claim(table, sign=0, margin=0.1))
    assert verdict.words == words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ([-0.5, -0.6, -0.4], "holds"),  # it declines
        ([0.01, -0.01, 0.02], "holds"),  # it stagnates
        ([0.05, -0.2, 0.2], "not shown"),
        ([0.5, 0.51, 0.52], "contradicted"),  # it rises
    ],
)
@pytest.mark.parametrize("sign", [-1, +1])
def test_a_claim_with_sign_and_margin_is_judged_on_one_side(say, sign, change, words):
    values = [-sign * x for x in change]
    table = pd.concat([rows("ours", values), rows("control", [0.0, 0.0, 0.0])])
    (verdict,) = say(claim(table, sign=sign, margin=0.1))
    assert verdict.words == words
    assert (verdict.p < 0.05) == (words == "holds")


@pytest.mark.parametrize(("starts", "holds"), [(5, False), (6, True)])
def test_all_or_nothing_is_counted_exactly(say, starts, holds):
    table = pd.concat([rows("ours", [1] * starts), rows("control", [0] * starts)])
    (verdict,) = say(claim(table, outcome="share"))
    assert verdict.p == pytest.approx(2 / 2**starts)
    assert verdict.holds == holds


def test_confirmatory_claims_are_corrected_together_and_others_are_not(say):
    rng = np.random.default_rng(3)
    table = pd.concat([rows("ours", rng.normal(0.5, 0.3, 6)), rows("control", [0.1] * 6)])
    one = say(claim(table, confirmatory=True))[0]
    several = [
        Claim(str(i), "It moves.", lambda runs: table, "ours", "control", +1, confirmatory=i < 3)
        for i in range(4)
    ]
    found = say(*several)
    assert one.corrected == one.p
    assert [v.corrected for v in found[:3]] == pytest.approx([3 * one.p] * 3)
    assert found[3].corrected == found[3].p


def test_a_claim_without_runs_yet_has_no_verdict_and_counts_in_the_correction(say):
    def later(runs):
        raise AssertionError("nothing to measure")

    done = claim(RISES, confirmatory=True)
    waits = Claim("w", "?", later, of="planned", against="control", sign=+1, confirmatory=True)
    (verdict,) = say(done, waits, planned=["planned"])
    assert verdict.claim == done
    assert verdict.corrected == pytest.approx(2 * verdict.p)
    (verdict,) = say(done, replace(waits, confirmatory=False), planned=["planned"])
    assert verdict.corrected == verdict.p


def test_a_verdict_says_what_it_stands_on(say):
    verdicts = say(claim(RISES, confirmatory=True))
    assert verdicts[0].standing == "confirmatory, 5 of 10 starts so far"
    assert say(claim(RISES))[0].standing == "exploratory, 5 starts"
    (row,) = verdict_table(verdicts).to_dict("records")
    assert row["difference"].startswith("+0.46 [+0.")
    assert row["verdict"] == "holds (confirmatory, 5 of 10 starts so far)"


def test_a_page_counts_outcomes_and_folds_the_table_away(say):
    flat = pd.concat([rows("ours", [0.1, 0.2, 0.1]), rows("control", [0.2, 0.1, 0.1])])
    held, shown = claim(RISES), claim(flat)
    assert verdict_box(say(held)).data.startswith("The claim holds.\n\n<details")
    text = verdict_box(say(held, held, shown, claim(RISES, sign=-1))).data
    assert text.startswith("Of 4 claims 2 hold, 1 is not shown and 1 is contradicted.")
    assert text.endswith("\n\n</details>")
    assert text.count("\n|") == 2 + 4 - 1 + 1


def test_a_claim_without_its_control(say):
    with pytest.raises(CompanionError, match=r"^study made_up, claim c: no runs of 'control'$"):
        say(claim(rows("ours", [1, 2])))
    with pytest.raises(CompanionError, match=r"^claim c: needs a control"):
        Claim("c", "It moves.", lambda runs: None, of="ours", against="", sign=1)


def test_too_few_starts(say):
    table = pd.concat([rows("ours", [1, 2]), rows("control", [1])])
    with pytest.raises(
        CompanionError, match=r"^study made_up, claim c: 'ours' and 'control' share 1"
    ):
        say(claim(table))


@pytest.mark.parametrize(
    "more",
    [
        {"sign": 0},
        {"sign": 0, "margin": -1},
        {"sign": 1, "margin": 0},
        {"sign": -1, "margin": 0.1, "outcome": "share"},
    ],
)
def test_a_claim_of_no_difference_needs_a_margin_and_a_margin_a_mean(more):
    with pytest.raises(CompanionError, match=r"^claim c: .*margin"):
        claim(RISES, **more)
