"""``companion study``, on a study small enough to train."""

import pytest
from typer.testing import CliRunner

from companion.cli import app
from companion.studies import judge, registry
from companion.studies.store import load
from companion.studies.study import Study

SIZES = {"sft_steps": 60, "sft_batch_size": 32, "steps": 3, "batch_size": 64, "group_size": 8}
TINY = Study(
    "tiny",
    0,
    "Does it run?",
    {"weak": {"task": "deceptive", "rewards": {"weak": 1.0}, "trainer": "exact", **SIZES}},
    starts=(3, 4),
)


def companion(*arguments):
    done = CliRunner().invoke(app, ["study", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_list_says_what_is_recorded():
    lines = companion("list").splitlines()
    assert [line.split()[1] for line in lines] == list(registry.modules())
    (cliff,) = [line.split() for line in lines if line.split()[1] == "cliff"]
    recorded, asked = len(load("cliff")), len(registry.find("cliff").experiments())
    assert cliff[2:5] == [str(recorded), "of", str(asked)]


def test_show_prints_conditions_and_verdicts():
    text = companion("show", "cliff")
    have = len(load("cliff", "GRPO, no bonus"))
    assert f"  GRPO, no bonus: {have} of 20 runs\n" in text
    for verdict in judge("cliff"):
        assert f"  {verdict.claim.id}  {verdict.claim.text}\n" in text
        assert f"    {verdict.words} ({verdict.standing}; p = {verdict.p:.2g}" in text


@pytest.fixture
def tiny(monkeypatch):
    module = type("Module", (), {"STUDY": TINY})
    monkeypatch.setattr(registry, "modules", lambda: {"tiny": module})


def test_run_trains_what_is_missing_and_adds_it(tiny, tmp_path):
    options = ("--root", str(tmp_path / "runs"), "--jobs", "1", "--into", str(tmp_path / "studies"))
    assert "2 runs added, 0 were there" in companion("run", "tiny", *options)
    assert "0 runs added, 2 were there" in companion("run", "tiny", *options)
    runs = load(TINY, folder=tmp_path / "studies" / "tiny")
    assert [tuple(key) for key in runs.keys] == [("weak", 3, 0), ("weak", 4, 0)]
    assert runs[0].masses().sum() == pytest.approx(1, abs=0.2)
