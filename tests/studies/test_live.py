"""Live parts: a few runs of a study, from starts that its record does not hold."""

import pytest

from companion.studies.live import train_live
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
