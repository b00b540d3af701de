"""``companion study``, on a study small enough to train."""

import pytest
from typer.testing import CliRunner

from companion.cli import app, main
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


GRADED = TINY.conditions["weak"]
MIXED = Study(
    "mixed",
    0,
    "Does one that fails cost the others?",
    {
        "weak": GRADED,
        "fast": GRADED | {"learning_rate": 1e30, "steps": 20, "eval_every": 1},
        "no start": GRADED | {"sft_learning_rate": 1e30},
    },
    starts=(3,),
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
    modules = {study.name: type("Module", (), {"STUDY": study}) for study in (TINY, MIXED)}
    monkeypatch.setattr(registry, "modules", lambda: modules)


def test_run_trains_what_is_missing_and_adds_it(tiny, tmp_path):
    options = ("--root", str(tmp_path / "runs"), "--jobs", "1", "--into", str(tmp_path / "studies"))
    assert "2 runs added, 0 were there" in companion("run", "tiny", *options)
    assert "0 runs added, 2 were there" in companion("run", "tiny", *options)
    runs = load(TINY, folder=tmp_path / "studies" / "tiny")
    assert [tuple(key) for key in runs.keys] == [("weak", 3, 0), ("weak", 4, 0)]
    assert runs[0].masses().sum() == pytest.approx(1, abs=0.2)


def test_runs_that_fail_or_diverge_are_named_when_the_others_are_recorded(tiny, tmp_path, capsys):
    folder = tmp_path / "studies"
    options = ["--root", str(tmp_path / "runs"), "--jobs", "1", "--into", str(folder)]
    with pytest.raises(SystemExit) as ended:
        main(["study", "run", "mixed", *options])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert "study mixed: 1 runs added, 0 were there" in printed.out
    told = printed.err.splitlines()[-1]
    failed = MIXED.experiment("no start", 3).id
    assert told.startswith(f"error: 1 of 3 runs failed: {failed} (")
    assert "; study mixed: not recorded, diverged: 'fast', start 3, repeat 0 at step" in told
    assert [key.condition for key in load(MIXED, folder=folder / "mixed").keys] == ["weak"]
