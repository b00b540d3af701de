"""Runs of a study in its tables: nothing lost beyond what the store states."""

import time

import numpy as np
import pandas as pd
import pytest

from companion.errors import CompanionError
from companion.rlhf import Experiment
from companion.rlhf.distances import distribution_distance
from companion.rlhf.records import SAMPLED, Run
from companion.studies.recording import import_records
from companion.studies.runs import Runs
from companion.studies.store import RARE, load
from companion.studies.study import Key, Study
from companion.studies.tables import read_table

STUDY = Study(
    "made_up",
    chapter=0,
    question="Does it come back?",
    conditions={
        "plain": {"task": "alignment", "rewards": {"oracle": 1.0}},
        "paid": {"task": "alignment", "rewards": {"oracle": 1.0, "boundary_help": 0.1}},
    },
    starts=range(1000, 1200),
    repeats={"plain": 2},
    splits=("train", "test"),
)
COMPLETIONS = [f"c{i}" for i in range(12)]


class Made(Run):
    """A run with made-up numbers: six completions that any policy writes, six that none does."""

    experiment = metrics = distribution = provenance = samples = None  # set below

    def __init__(self, experiment, seed=0, splits=("train", "test")):
        rng = np.random.default_rng([seed, experiment.seed, experiment.sft_seed])
        start = np.random.default_rng(experiment.sft_seed)
        self.experiment = experiment
        self.metrics = pd.DataFrame({"step": [0, 5], "reward": rng.random(2)})
        self.provenance = {"device": "made up", "seed": experiment.seed}
        self.samples = pd.DataFrame(columns=list(SAMPLED))
        rows = [(s, p, c, "right" if c < "c2" else "wrong")
                for s in splits for p in "pq" for c in COMPLETIONS]  # fmt: skip
        table = pd.DataFrame(rows, columns=["split", "prompt", "completion", "label"])
        for column, draw in (("start_logprob", start), ("logprob", rng)):
            masses = draw.dirichlet(np.ones(7), size=2 * len(splits))[:, :6]
            rare = draw.uniform(1e-9, 1e-7, size=masses.shape)
            table[column] = np.log(np.concatenate([masses + 2e-6, rare], axis=1).ravel())
        self.distribution = table


def made(count, **more):
    return [Made(e, **more) for e in list(STUDY.experiments().values())[:count]]


def test_runs_come_back_within_the_stated_error(tmp_path):
    records = made(4)
    assert import_records(records, STUDY, tmp_path / "made_up") == 4
    runs = load(STUDY, folder=tmp_path / "made_up")
    assert runs.keys == [Key("plain", s, r) for s in (1000, 1001) for r in (0, 1)]
    for record, run in zip(records, runs, strict=True):
        old, new = record.distribution, run.distribution
        texts = ["split", "prompt", "completion", "label"]
        pd.testing.assert_frame_equal(old[texts], new[texts], check_dtype=False)
        for column in ("start_logprob", "logprob"):
            before, after = np.exp(old[column]), np.exp(new[column])
            assert np.abs(before - after).max() < 2.3e-5
            # the mass of rare completions is kept, though not which of them has it
            total = [p.groupby([old.split, old.prompt]).sum() for p in (before, after)]
            assert np.abs(total[0] - total[1]).max() < 1e-4
        assert run.experiment == record.experiment
        assert run.provenance == record.provenance
        pd.testing.assert_frame_equal(run.metrics, record.metrics, check_dtype=False, rtol=1e-6)
        masses = record.masses("test") - run.masses("test")
        assert masses.abs().max() < 1e-4


def test_each_start_is_stored_once_and_rare_completions_are_merged(tmp_path):
    import_records(made(4), STUDY, tmp_path)  # two starts, two repeats each
    starts, completions = (read_table(tmp_path, name) for name in ("starts", "completions"))
    prompts = 4
    assert starts["policy"].nunique() == 2
    assert len(starts) == 2 * prompts * (6 + 1)
    assert len(completions) == 4 * prompts * (6 + 1)
    assert RARE == 1e-6


def test_new_runs_are_added_and_old_ones_kept(tmp_path):
    first, second = made(3), made(5)
    import_records(first, STUDY, tmp_path)
    before = load(STUDY, folder=tmp_path)[0].distribution
    assert import_records(second, STUDY, tmp_path) == 2
    assert import_records(second, STUDY, tmp_path) == 0
    runs = load(STUDY, folder=tmp_path)
    assert len(runs) == 5
    pd.testing.assert_frame_equal(runs[0].distribution, before)
    assert read_table(tmp_path, "starts")["policy"].nunique() == 3


def test_later_runs_may_write_what_earlier_ones_did_not(tmp_path):
    """The rare completions of one import can be common in the next; distances still compare."""
    first, second = made(2)
    table = second.distribution
    table.loc[table.completion == "c11", "logprob"] = np.log(0.01)
    import_records([first], STUDY, tmp_path)
    import_records([second], STUDY, tmp_path)
    one, other = (run.split("train") for run in load(STUDY, folder=tmp_path))
    told = distribution_distance(one, other)
    real = distribution_distance(*(r.split("train") for r in (first, second)))
    assert abs(told.lower - real.lower) < 1e-4
    assert abs(told.upper - real.upper) < 1e-4


def test_one_lists_runs_by_condition_start_and_repeat(tmp_path):
    import_records(made(4), STUDY, tmp_path)
    runs = load(STUDY, folder=tmp_path)
    shares = runs.tidy(lambda run: run.masses().to_dict())
    assert shares.columns.tolist() == ["condition", "start", "repeat", "right", "wrong"]
    assert runs.at("plain", 1001, 1).experiment.seed == 100
    assert len(runs.only("pl*", repeats=[0])) == 2
    assert runs.repeated(lambda a, b: 1.0)[["start", "repeat"]].to_numpy().tolist() == [
        [1000, 1],
        [1001, 1],
    ]
    with pytest.raises(CompanionError, match=r"^study made_up: no condition 'x\*'$"):
        runs.only("x*")
    with pytest.raises(CompanionError, match=r"no run of 'paid', start 1000, repeat 0"):
        runs.at("paid", 1000)


def test_a_table_without_rows_changes_no_type_of_another(tmp_path):
    """A page's few live runs have no repeats; pandas 2, which Colab has, warns of such changes."""
    import_records(made(4), STUDY, tmp_path)
    runs = load(STUDY, folder=tmp_path)
    every = runs.tidy(lambda run: 0.5)
    none = runs.only(repeats=[0]).repeated(lambda a, b: 1.0)
    assert none.empty
    assert pd.concat([every, none.assign(condition="floor")]).dtypes.equals(every.dtypes)


def test_partners_share_start_and_repeat():
    experiments = STUDY.experiments()
    keys = [Key(c, s, 0) for c in ("plain", "paid") for s in (1000, 1001)]
    runs = Runs(STUDY, {key: Made(experiments[key]) for key in keys})
    table = runs.compared(
        lambda partner, run: partner.experiment.sft_seed == run.experiment.sft_seed,
        {"paid": "plain"},
    )
    assert table["condition"].tolist() == ["paid", "paid"]
    assert table["value"].all()


def test_a_run_nobody_asked_for(tmp_path):
    stray = Made(Experiment(task="alignment", rewards={"oracle": 2.0}))
    with pytest.raises(CompanionError, match=r"^study made_up: no condition asks for run \w+ \("):
        import_records([*made(1), stray], STUDY, tmp_path / "made_up")
    assert not (tmp_path / "made_up").exists()


@pytest.mark.parametrize("wrong", [np.nan, 0.5])
@pytest.mark.parametrize("column", ["logprob", "start_logprob"])
def test_a_distribution_that_is_none_is_refused_and_nothing_lost(tmp_path, column, wrong):
    import_records(made(1), STUDY, tmp_path)
    _, bad = made(2)
    bad.distribution.loc[3, column] = wrong
    message = rf"^study made_up, 'plain', start 1000, repeat 1: {column} is not"
    with pytest.raises(CompanionError, match=message):
        import_records([bad], STUDY, tmp_path)
    assert len(load(STUDY, folder=tmp_path)) == 1


def test_a_record_of_an_unknown_condition(tmp_path):
    import_records(made(1), STUDY, tmp_path)
    other = Study("made_up", 0, "?", {"new name": STUDY.conditions["plain"]})
    with pytest.raises(CompanionError, match=r"^study made_up: run \w+ is of unknown condition"):
        load(other, folder=tmp_path)


def test_many_runs_list_and_load_in_seconds(tmp_path):
    records = made(400)
    import_records(records[:200], STUDY, tmp_path)
    import_records(records, STUDY, tmp_path)
    began = time.monotonic()
    runs = load(STUDY, folder=tmp_path)
    assert len(runs) == 400
    runs.tidy(lambda run: float(run.masses()["right"]))
    assert time.monotonic() - began < 10
