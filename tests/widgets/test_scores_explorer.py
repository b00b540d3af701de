"""The browser's report against companion.theory.score_report."""

import csv
import json
from dataclasses import fields
from io import StringIO

import numpy as np
import pytest
from in_node import evaluate

from companion.theory import PromptScores, ScoreColumn, collapse_threshold, score_report
from companion.theory.scores import LINES
from companion.widgets import ScoresExplorer

# What a CSV must quote, what a spreadsheet may hold, and labels that JavaScript might trip over.
LABELS = ["a", 'say "no"', "one, two", "two\nlines", "é ≠ ü", "__proto__", "", " padded ", "0"]


def tables(rng, count):
    """Random tables: (prompts, answers, scores by name, settings)."""
    for i in range(count):
        prompts, answers = [], []
        for prompt in rng.permutation(LABELS)[: rng.integers(1, 6)]:
            size = int(rng.integers(2, 9))
            prompts += [str(prompt)] * size
            answers += [str(a) for a in rng.choice(LABELS, size)]
        order = rng.permutation(len(prompts))
        n, scale = len(prompts), 10.0 ** rng.integers(-8, 9)
        grid = [rng.integers(0, 2, n), rng.integers(-9, 9, n) / 10, scale * rng.normal(size=n)]
        scores = {f"score {k}": (x * 1.0).tolist() for k, x in enumerate(grid)}
        settings = {
            "epsilon": float(rng.choice([0, 0.05, 0.1, rng.uniform(0, scale)])),
            "beta": float(rng.choice([0, 0.1, 0.9, rng.uniform(0, 2)])),
            "tolerance": float(rng.choice([0, 0.1, 0.3, rng.uniform(0, scale)])),
            "distance": float(rng.uniform(0.01, 0.99)),
        }
        mixed = [[prompts[j] for j in order], [answers[j] for j in order]]
        yield (*mixed, scores, settings, "," if i % 2 else "\t")


def as_text(prompts, answers, scores, mark):
    text = StringIO()
    writer = csv.writer(text, delimiter=mark)
    writer.writerow(["prompt", "answer", *scores])
    writer.writerows(zip(prompts, answers, *scores.values(), strict=True))
    return text.getvalue()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Run an expression for every element of a list in Node, with the explorer's functions."""
    folder = tmp_path_factory.mktemp("widget")
    names = "cells, collapseThreshold, read, scoreReport"

    def run(expression, values):
        each = f"{json.dumps(values)}.map((x) => {expression})"
        kept = "(_, v) => Number.isNaN(v) ? 'nan' : v"  # NaN is no JSON
        return evaluate(folder, ScoresExplorer, names, f"{each}, {kept}")

    return run


def test_reports_agree(browser):
    cases = list(tables(np.random.default_rng(0), 120))
    asked = [(as_text(p, a, s, mark), settings) for p, a, s, settings, mark in cases]
    found = browser("scoreReport(read(x[0]), x[1])", asked)
    for (prompts, answers, scores, settings, _), theirs in zip(cases, found, strict=True):
        ours = score_report(prompts, answers, scores, **settings)
        assert theirs["move"] == pytest.approx(ours.move, rel=1e-12)
        assert theirs["needed_beta"] == pytest.approx(ours.needed_beta, rel=1e-9)
        for column, expected in zip(theirs["columns"], ours.columns, strict=True):
            agree(column, expected, ScoreColumn)
            for prompt, known in zip(column["prompts"], expected.prompts, strict=True):
                agree(prompt, known, PromptScores)


def agree(theirs, ours, kind):
    for name in (field.name for field in fields(kind) if field.name != "prompts"):
        known, value = getattr(ours, name), theirs[name]
        if isinstance(known, float):
            assert float(value) == pytest.approx(known, rel=1e-9, abs=0, nan_ok=True), name
        else:
            assert value == known, name


def test_cells_agree(browser):
    """What both show of the example, digit for digit, whatever the settings."""
    rng = np.random.default_rng(1)
    for epsilon, beta, tolerance in [*rng.uniform(0, 1, (8, 3)), (0, 0, 0), (1e-5, 1e-3, 1e-4)]:
        widget = ScoresExplorer(epsilon=epsilon, beta=beta, tolerance=tolerance)
        settings = {n: getattr(widget, n) for n in ("epsilon", "beta", "tolerance", "distance")}
        (theirs,) = browser(
            "(() => { const r = scoreReport(read(x[0]), x[1]); return cells(r.columns[0], r); })()",
            [(widget.text, settings)],
        )
        _, rows = widget.report().summary()
        assert theirs == {key: row[1] for key, row in zip(LINES, rows, strict=True)}


def test_thresholds_agree(browser):
    ties = [2, 3, 4, 10, 1000, 10**6]
    assert browser("collapseThreshold(x)", ties) == pytest.approx(
        [collapse_threshold(m) for m in ties], rel=1e-12
    )


HEAD = "prompt,answer,score\n"
FAULTS = {
    "empty": ("", [1]),
    "blank": (" \n\n", [1]),
    "no heading": ("a,b,1\na,c,2", [1]),
    "no score": ("prompt,answer\na,b", [1]),
    "heading alone": (HEAD, [1]),
    "no number": (f"{HEAD}a,b,1\na,c,high", [3]),
    "no score given": (f"{HEAD}a,b,1\na,c,", [3]),
    "not a number": (f"{HEAD}a,b,NaN\na,c,1", [2]),
    "infinite": (f"{HEAD}a,b,1e999\na,c,1", [2]),
    "hexadecimal": (f"{HEAD}a,b,0x10\na,c,1", [2]),
    "short": (f"{HEAD}a,b,1\na,c", [3]),
    "long": (f"{HEAD}a,b,1\na,c,1,2", [3]),
    "after a quoted line break": (f'{HEAD}"a\nb",b,1\n"a\nb",c,x', [4]),
    "open quote": (f'{HEAD}a,b,1\na,"c,1\n', [3]),
    "one answer": (f"{HEAD}a,b,1\na,c,1\nz,c,1", [4]),
    "several": (f"{HEAD}a,b,x\n\na,c,y", [2, 4]),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_name_their_lines(browser, case):
    text, lines = FAULTS[case]
    for ending in ("\n", "\r\n"):
        (found,) = browser("read(x)", [text.replace("\n", ending)])
        assert [fault["line"] for fault in found["faults"]] == lines
        assert all(fault["message"] for fault in found["faults"])


def test_columns_stand_in_any_order(browser):
    (found,) = browser("read(x)", ["Score , answer,prompt\n1,b,a\n.5,c,a\n"])
    assert found["prompts"] == ["a", "a"]
    assert found["answers"] == ["b", "c"]
    assert found["scores"] == [{"name": "Score", "values": [1, 0.5]}]


@pytest.mark.parametrize("change", [{"epsilon": -0.1}, {"beta": -1}, {"distance": 2.0}])
def test_settings_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        ScoresExplorer(**change)


def test_report_in_python_names_a_missing_column():
    with pytest.raises(ValueError, match="text has no column answer"):
        ScoresExplorer(text="prompt,score\na,1\n").report()
