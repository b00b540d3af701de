"""The index of claims: every claim with a section, judged alike, those without runs named."""

import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.studies import claims, index
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Study

VALUES = {
    "cause": [0.5, 0.6, 0.7, 0.6, 0.5],
    "none": [0.1, 0.2, 0.1, 0.1, 0.2],
    "noise": [0.1, 0.1, 0.3, 0.0, 0.2],
}


def measure(runs):
    rows = [(c, start, 0, v) for c, values in VALUES.items() for start, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["condition", "start", "repeat", "value"])


def claim(id, section, of="cause", sign=+1, **more):
    return Claim(id, f"It is {id}.", measure, of, "none", sign, section=section, **more)


MADE_UP = {
    "one": (
        4,
        claim("b", "5.10", paper=0.3, short="shown", confirmatory=True),
        claim("plain", ""),
        claim("c", "5.2", of="noise"),
    ),
    "two": (5, claim("d", "5.1.1", sign=-1, paper=-0.4)),
    "untrained": (6, claim("e", "5.2", paper=0.1)),
}


@pytest.fixture
def made_up(monkeypatch):
    modules = {
        name: type(
            "Module",
            (),
            {
                "STUDY": Study(name, chapter, "?", {}, page="b" if name == "two" else ""),
                "CLAIMS": declared,
            },
        )
        for name, (chapter, *declared) in MADE_UP.items()
    }
    monkeypatch.setattr(index, "modules", lambda: modules)
    monkeypatch.setattr(claims, "module_of", lambda name: modules[name])
    monkeypatch.setattr(claims, "load", lambda name: Runs(modules[name].STUDY, {}))
    monkeypatch.setattr(index, "has_record", lambda name: name != "untrained")


def test_claims_with_a_section_in_the_order_of_the_paper(made_up):
    assert [row.claim.id for row in index.claims()] == ["d", "c", "e", "b"]


def test_every_claim_is_judged_as_its_study_judges_it(made_up):
    judged = {v.claim.id: v for name in ("one", "two") for v in claims.judge(name)}
    for row in index.claims():
        assert row.verdict == judged.get(row.claim.id)


def test_the_table_shows_every_row_by_one_rule(made_up):
    table = index.table(index.claims(), link=lambda chapter, page: f"to {chapter}{page}")
    assert table.verdict.tolist() == [
        "contradicted (exploratory, 5 starts)",
        "not shown (exploratory, 5 starts)",
        "no runs yet",
        "holds (confirmatory, 5 of 10 starts so far)",
    ]
    assert table.chapter.tolist() == ["to 5b", "to 4", "to 6", "to 4"]
    assert table.paper.tolist() == ["−0.40", "–", "+0.10", "+0.30"]
    shown = table.iloc[3]
    assert shown.claim == "It is b. (*cause* against *none*)"
    assert shown.difference.startswith("+0.44 [+0.")
    assert shown.ours.startswith("0.58 [0.")
    assert shown.control.startswith("0.14 [0.")
    assert table.iloc[2][["difference", "ours", "control"]].tolist() == ["–"] * 3


def test_the_sentences_count_what_the_table_shows(made_up):
    text = index.in_short(index.claims())
    assert text.startswith("Of 4 claims 1 hold, 1 are not shown and 1 are contradicted; 1 wait")
    assert "Of the 3 with a verdict 1 are confirmatory, 0 of these on the 10 starts" in text
    assert "wait" not in index.in_short([row for row in index.claims() if row.verdict])


def test_the_figure_draws_the_claims_with_a_number_and_says_them(made_up, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved = index.beside_the_paper(index.claims())
    assert saved.alt == (
        "One row a claim, ours and the paper's number. 5.1.1 d: +0.44, −0.40 (contradicted); "
        "5.10 shown: +0.44, +0.30 (holds)"
    )
    drawn = pd.read_csv(saved.folder / "claims-beside-the-paper.csv")
    assert drawn.verdict.tolist() == ["contradicted", "holds"]
    assert drawn.starts.tolist() == [5, 5]


def test_without_anything_to_draw(made_up):
    with pytest.raises(CompanionError, match=r"^index of claims: none has a verdict and a number"):
        index.beside_the_paper([row for row in index.claims() if not row.verdict])


def test_a_section_is_a_number():
    with pytest.raises(CompanionError, match=r"^claim b: section must be like 5\.4, is '§5'$"):
        claim("b", "§5")
