"""Every result: derivation, numeric check and counterexample; the catalogue that lists them."""

import ast
import inspect

import numpy as np
import pytest

from companion import results
from companion.results import registry
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    ProofError,
    Step,
    cited,
)

SEEDS = (0, 1)


@pytest.mark.parametrize("name", results.NAMES)
def test_symbolic(name):
    derivation = results.result(name).symbolic()
    assert isinstance(derivation, Derivation)
    assert derivation.proved
    assert derivation.scope
    assert all(step.text and step.latex and step.by for step in derivation.steps)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", results.NAMES)
def test_numeric(name, seed):
    checks = results.result(name).numeric(np.random.default_rng(seed))
    assert checks
    for check in checks:
        assert isinstance(check, Check)
        assert check.holds, f"{check.name}: tightest {check.tightest}\n{check.table()}"
    # A result whose checks all stay well away from its claim would not be tested.
    assert any((np.abs(check.ratio - 1) <= 1e-9).any() for check in checks)


@pytest.mark.parametrize("name", results.NAMES)
def test_numeric_is_deterministic(name):
    first, second = (results.result(name).numeric(np.random.default_rng(7)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.measured, b.measured)


@pytest.mark.parametrize("name", results.NAMES)
def test_counterexample(name):
    for found in results.counterexamples(results.result(name)):
        assert isinstance(found, Counterexample)
        assert found.dropped
        assert found.evidence
        assert found.fails is True, found


def test_the_papers_fifteen_and_those_beyond():
    rows = results.catalogue()
    assert [row["beyond"] for row in rows] == [False] * 15 + [True] * len(registry.BEYOND)
    assert len({row["item"] for row in rows}) == len(results.NAMES)
    for row in rows[:15]:
        kind, number = row["item"].split()
        short = {"Proposition": "prop", "Lemma": "lemma", "Theorem": "thm"}[kind]
        assert row["name"] == f"{short}_{number.lower().replace('.', '_')}"


@pytest.mark.parametrize("name", results.NAMES)
def test_imports_are_declared(name):
    """What a module takes from another result, it lists as used or as implied."""
    module = results.result(name)
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("companion.results"):
            imported |= {node.module.rpartition(".")[2], *(alias.name for alias in node.names)}
    declared = {*module.uses, *getattr(module, "implies", ())}
    assert imported & set(results.NAMES) <= declared


def test_unknown_result_is_refused():
    with pytest.raises(ValueError, match="no result called 'prop_9_9'"):
        results.result("prop_9_9")


def test_missing_edge_raises(monkeypatch):
    monkeypatch.setattr(results.result("prop_2_9"), "uses", ("lemma_z_9",))
    with pytest.raises(ValueError, match="prop_2_9: uses 'lemma_z_9'"):
        results.edges()


def test_circle_raises(monkeypatch):
    monkeypatch.setattr(results.result("prop_2_4"), "uses", ("lemma_2_5",))
    with pytest.raises(ValueError, match="circular"):
        results.edges()


def test_result_without_a_part_raises(monkeypatch):
    monkeypatch.delattr(results.result("prop_2_9"), "counterexample")
    with pytest.raises(ValueError, match="prop_2_9: lacks counterexample"):
        results.catalogue()


def test_failing_result_is_red_and_so_is_what_rests_on_it(monkeypatch):
    module = results.result("prop_2_4")
    monkeypatch.setattr(module, "bound", lambda distance, discount: distance)
    rows = results.status(("prop_2_4", "lemma_2_5", "lemma_c_1"))
    by_name = {row["name"]: row for row in rows}
    assert by_name["prop_2_4"]["symbolic"] == by_name["prop_2_4"]["numeric"] == "red"
    assert by_name["lemma_2_5"]["red_below"] == ["prop_2_4"]
    assert by_name["lemma_c_1"]["symbolic"] == "green"
    with pytest.raises(ProofError, match="lemma_2_5: rests on prop_2_4"):
        results.verify(rows)


def test_status_of_a_green_result():
    rows = results.status(("lemma_c_1",))
    results.verify(rows)
    assert rows[0]["symbolic_seconds"] > 0
    assert [rows[0][kind] for kind in ("symbolic", "numeric", "counterexample")] == ["green"] * 3


def test_map_links_every_result():
    svg = results.results_map(
        lambda row: f"chapters/{row['chapter']:02d}.html", {"prop_2_9": ["!"]}
    )
    assert svg.count('<a href="chapters/') == len(results.NAMES)
    assert svg.count("<title>") == len(results.NAMES)
    assert 'href="chapters/04.html"' in svg
    assert "\n!</title>" in svg
    drawn = {(u, n) for n in results.NAMES for u in results.result(n).uses}
    assert 0 < svg.count("<path") <= len(drawn)


def test_a_step_without_a_proof_is_not_green():
    shown = Step("Shown.", "x = x", Proof("z3"))
    for steps in ((), (Step("Said.", "x = y"),), (shown, Step("Said.", "x = y"))):
        assert not registry._judge(Derivation(steps, "nothing"))[0]
    assert registry._judge(Derivation((shown, Step("Left.", "x", cited("Berge"))), "one"))[0]
    assert not registry._judge(Derivation((Step("Left.", "x", cited("Berge")),), "none"))[0]


def test_reasons_count_as_counterexamples():
    assert registry._judge(("the statement has no hypothesis to drop",))[0]
    assert not registry._judge(("",))[0]


def test_one_counterexample_that_does_not_fail_is_red():
    good, bad = (Counterexample("a hypothesis", "text.", {"x": 1.0}, f) for f in (True, False))
    assert registry._judge((good, good))[0]
    assert not registry._judge((good, bad))[0]


@pytest.mark.parametrize("name", results.NAMES)
def test_no_row_is_of_size_zero(name):
    """A row in which nothing was changed cannot notice anything."""
    for check in results.result(name).numeric(np.random.default_rng(3)):
        for column in ("size", "reward_distance", "tuple_distance", "epsilon", "multiple"):
            assert (check.columns.get(column, np.ones(1)) != 0).all(), check.name
