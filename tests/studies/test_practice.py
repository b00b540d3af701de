"""The table for engineers: every line stands on results, on a claim, and on computed numbers."""

import re

import pytest

from companion.results import catalogue, prop_2_10
from companion.studies import practice
from companion.studies.registry import module_of


@pytest.fixture(scope="module")
def rows():
    return practice.advice()


def test_every_line_rests_on_results_and_on_a_claim(rows):
    known = {row["name"] for row in catalogue()}
    for row in rows:
        assert row.results
        assert set(row.results) <= known
        assert [c.id for c in module_of(row.study).CLAIMS].count(row.claim) == 1, row.claim


def test_every_normaliser_and_both_kinds_of_beta_have_a_line(rows):
    assert {row.normaliser for row in rows} == {
        practice.CENTRED,
        practice.SCALED,
        practice.ANY,
    }
    assert {"0", "above 0"} <= {row.beta for row in rows}


def test_a_line_says_what_was_trained(rows):
    """A line about centred advantages does not cite runs whose trainer divides, nor the reverse."""
    for row in rows:
        claim = next(c for c in module_of(row.study).CLAIMS if c.id == row.claim)
        conditions = module_of(row.study).STUDY.conditions
        if row.normaliser == practice.ANY or claim.of not in conditions:
            continue
        scale = conditions[claim.of].get("scale_rewards", "group")
        assert (scale == "none") == (row.normaliser == practice.CENTRED), row.reward


def test_table_and_grounds_have_the_same_lines(rows, monkeypatch):
    monkeypatch.setattr(practice, "has_record", lambda study: False)
    grounds = practice.grounds(rows).splitlines()
    cells = practice.table(rows).iloc[:, 0]
    assert [line.partition(".")[0] for line in grounds] == cells.str.extract(r"(\d+)")[0].tolist()
    for line in grounds:
        assert re.match(r"\d+\. \[(?:Proposition|Fact|Lemma) [\w.]+\]\(\w+\)", line)
        assert "no runs recorded yet" in line


def test_numbers_are_the_results_own(rows):
    assert f"{prop_2_10.jump(2):.2f} for 2" in rows[0].moves
