"""Studies of pretrained models: what is run, what is kept, what is compared, what is packed."""

import tarfile
import time
from collections import Counter
from types import SimpleNamespace

import pandas as pd
import pytest
from tiny_models import chat_folder

from companion.errors import CompanionError
from companion.rlhf import running
from companion.studies import bundle, find, load, pairs, tables
from companion.studies.pairs import COLUMNS, SPLITS, collect, partners, run_start
from companion.studies.registry import modules
from companion.studies.study import Key, Study

PAIRED = [name for name in modules() if find(name).pairs]
FREE = {"task": "alignment", "rewards": {"oracle": 1.0}}
PLAN = Study(
    "plan",
    0,
    "?",
    {
        "start": FREE | {"steps": 0},
        "one": FREE,
        "two": FREE | {"beta": 0.1},
        "alone": FREE | {"beta": 0.2},
        "three": FREE | {"beta": 0.3},
    },
    starts=(0, 1),
    repeats={"one": 2},
    splits=("train", "test"),
    pairs=(("one", "start"), ("two", "one"), ("three", "one")),
)


class Works:
    """Stands in for training and for estimates: notes what is asked, puts weights on the shelf."""

    def __init__(self, study):
        self.names = {e.id: key for key, e in study.experiments().items()}
        self.trained: list[Key] = []
        self.compared: list[tuple] = []
        self.most = 0
        self.fails_at = None
        self.diverging: set[Key] = set()

    def run(self, experiment, root, progress=False, shelf=None):
        path = root / experiment.id
        if not path.is_dir():
            if len(self.trained) == self.fails_at:
                raise RuntimeError("the machine fails")
            self.trained.append(self.names[experiment.id])
            if shelf is not None:
                (shelf / experiment.id).mkdir(parents=True)
            path.mkdir(parents=True)
        if shelf is not None:
            self.most = max(self.most, len(list(shelf.iterdir())))
        return SimpleNamespace(
            experiment=experiment,
            provenance={"wall_seconds": 1.0},
            diverged_at=7 if self.names[experiment.id] in self.diverging else None,
            shares=lambda split: pd.Series({"right": 1.0}),
        )

    def distance(self, records, pair, shelf, split):
        for key in pair:
            assert (shelf / records[key].experiment.id).is_dir(), f"{key}: weights are gone"
        self.compared.append((*pair, split))
        key, partner = pair
        return (*key, partner.condition, partner.repeat, split, *[0.5] * 3, 64, 0.4, 0.6)


@pytest.fixture
def works(monkeypatch):
    def install(study):
        made = Works(study)
        monkeypatch.setattr(running, "run", made.run)
        monkeypatch.setattr(pairs, "distance", made.distance)
        return made

    return install


def quiet(line):
    """Say nothing."""


def wanted(study, start):
    return [key for key in study.experiments() if key.start == start]


def on_shelf(root):
    return [p for shelf in (root / "shelf").glob("*") for p in shelf.iterdir()]


def test_each_run_once_and_each_distance_once(tmp_path, works):
    did = works(PLAN)
    assert run_start(PLAN, 1, tmp_path, quiet)
    assert did.trained == wanted(PLAN, 1)
    asked = [(*pair, split) for pair in partners(PLAN) if pair[0].start == 1 for split in SPLITS]
    assert Counter(did.compared) == Counter(asked)
    assert len(asked) == 3 + 1
    table = pd.read_parquet(tmp_path / "pairs" / "plan-1.parquet")
    assert table.columns.tolist() == list(COLUMNS)
    assert len(table) == len(asked)
    assert not on_shelf(tmp_path)


def test_a_second_call_does_nothing(tmp_path, works):
    works(PLAN)
    run_start(PLAN, 0, tmp_path, quiet)
    again = works(PLAN)
    assert run_start(PLAN, 0, tmp_path, quiet)
    assert not again.trained
    assert not again.compared


def test_a_run_that_diverged_costs_its_own_distances_alone(tmp_path, works, monkeypatch):
    did = works(PLAN)
    did.diverging = {Key("two", 0, 0)}
    lines = []
    assert run_start(PLAN, 0, tmp_path, lines.append)
    assert did.trained == wanted(PLAN, 0)
    assert Counter(did.compared) == Counter(
        (*pair, split)
        for pair in partners(PLAN)
        if pair[0].start == 0 and Key("two", 0, 0) not in pair
        for split in SPLITS
    )
    assert "plan 0.0 two: diverged at step 7" in lines
    assert not on_shelf(tmp_path)
    monkeypatch.setattr(pairs, "read_record", lambda path: SimpleNamespace(diverged_at=7))
    again = works(PLAN)
    again.diverging = did.diverging
    assert run_start(PLAN, 0, tmp_path, quiet)
    assert not again.trained


@pytest.mark.parametrize("place", range(6))
def test_an_interrupted_call_goes_on(tmp_path, works, place):
    whole = works(PLAN)
    run_start(PLAN, 0, tmp_path / "whole", quiet)
    first = works(PLAN)
    first.fails_at = place
    with pytest.raises(RuntimeError, match="the machine fails"):
        run_start(PLAN, 0, tmp_path / "cut", quiet)
    second = works(PLAN)
    assert run_start(PLAN, 0, tmp_path / "cut", quiet)
    assert first.trained + second.trained == whole.trained  # none twice
    assert first.compared + second.compared == whole.compared
    one, other = (pd.read_parquet(tmp_path / n / "pairs/plan-0.parquet") for n in ("whole", "cut"))
    pd.testing.assert_frame_equal(one, other)
    assert not on_shelf(tmp_path / "cut")


def test_weights_that_a_new_distance_needs_are_trained_once_more_and_no_others(tmp_path, works):
    works(PLAN)
    run_start(PLAN, 0, tmp_path, quiet, only=["start", "one", "two"])
    second = works(PLAN)
    assert run_start(PLAN, 0, tmp_path, quiet)
    assert second.trained == [Key("one", 0, 0), Key("alone", 0, 0), Key("three", 0, 0)]
    assert {pair[:2] for pair in second.compared} == {(Key("three", 0, 0), Key("one", 0, 0))}


def test_weights_go_as_soon_as_no_distance_needs_them(tmp_path, works, monkeypatch):
    did = works(PLAN)
    kept = []
    run = did.run

    def watched(experiment, *how, **more):
        kept.append({did.names[p.name].condition for p in on_shelf(tmp_path)})
        return run(experiment, *how, **more)

    monkeypatch.setattr(running, "run", watched)
    run_start(PLAN, 0, tmp_path, quiet)
    # before: start, one, one's repeat, two, alone, three
    assert kept == [set(), {"start"}, {"one"}, {"one"}, {"one"}, {"one"}]


@pytest.mark.parametrize("name", PAIRED)
def test_few_policies_are_kept_at_a_time(tmp_path, works, name):
    """The bound that the docstring of ``run_start`` states: half a gigabyte each."""
    study = find(name)
    did = works(study)
    run_start(study, 0, tmp_path, quiet)
    assert f"At most {did.most} policies" in run_start.__doc__
    assert len(did.trained) == len(wanted(study, 0))
    assert not on_shelf(tmp_path)


def test_only_some_conditions(tmp_path, works):
    did = works(PLAN)
    assert run_start(PLAN, 0, tmp_path, quiet, only=["start", "on*"])
    assert [key.condition for key in did.trained] == ["start", "one", "one"]
    assert {pair[1].condition for pair in did.compared} == {"start", "one"}


def test_no_run_begins_after_the_time(tmp_path, works):
    did = works(PLAN)
    assert run_start(PLAN, 0, tmp_path, quiet, until=time.time() - 1) is False
    assert not did.trained


# With a model, all of it real but small.


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A study of a tiny chat model: run whole from two starts, and its folder of records."""
    folder = tmp_path_factory.mktemp("study")
    sizes = {
        "task": "alignment",
        "tier": "small",
        "model": str(chat_folder(folder / "model")),
        "accelerator": "cpu",
        "rewards": {"oracle": 1.0},
        "sft_steps": 3,
        "steps": 2,
        "batch_size": 8,
        "group_size": 4,
        "max_new_tokens": 6,
        "measured_prompts": 2,
        "samples": 4,
    }
    study = Study(
        "real",
        0,
        "?",
        {"start": sizes | {"steps": 0}, "one": sizes, "two": sizes | {"beta": 0.1}},
        starts=(0, 1),
        repeats={"one": 2},
        splits=("train", "test"),
        pairs=(("two", "one"), ("one", "start")),
    )
    for start in study.starts:
        assert run_start(study, start, folder / "runs", quiet)
    return study, folder / "runs"


def test_records_hold_samples_and_distances_have_intervals(real):
    study, root = real
    assert not on_shelf(root)
    table = pd.read_parquet(root / "pairs" / "real-0.parquet")
    assert len(table) == 3 * len(SPLITS)
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert (table["samples"] == 2 * pairs.samples_of_each(2)).all()
    assert (table["listed_low"] <= table["listed_high"]).all()
    record = running.run(study.experiment("one", 0), root)
    assert record.samples.groupby(["split", "prompt"])["count"].sum().eq(4).all()
    assert record.provenance["weights"]["source"] == "folder model"
    assert not (record.path / "policy").exists()


@pytest.mark.parametrize("prompts", [1, 3, 8, 24, 34, 100])
def test_few_prompts_are_asked_more_often(prompts):
    each = pairs.samples_of_each(prompts)
    assert each % 2 == 0
    assert each >= pairs.A_PROMPT
    assert each * prompts >= pairs.SAMPLES
    assert each == pairs.A_PROMPT or (each - 2) * prompts < pairs.SAMPLES


def test_weights_left_by_a_run_that_was_killed_are_replaced(real, tmp_path):
    study, _ = real
    experiment = study.experiment("one", 0)
    stale = tmp_path / "shelf" / experiment.id
    stale.mkdir(parents=True)
    (stale / "model.safetensors").write_text("stale")
    running.run(experiment, tmp_path, shelf=tmp_path / "shelf")
    assert (stale / "model.safetensors").stat().st_size > 1000
    assert not (stale / "policy").exists()


def test_samples_come_back_from_the_tables(real, tmp_path):
    study, root = real
    assert collect(study, root, tmp_path / "real") == 8
    runs = load(study, folder=tmp_path / "real")
    for key, run in runs.items():
        record = running.run(study.experiment(*key), root)
        order = ["split", "prompt", "completion"]
        one, other = (r.samples.sort_values(order, ignore_index=True) for r in (record, run))
        pd.testing.assert_frame_equal(one, other[one.columns], check_dtype=False)
        for split in study.splits:
            pd.testing.assert_series_equal(record.shares(split), run.shares(split))
            assert run.shares(split).sum() == pytest.approx(1)
            assert record.sampled("oracle", split) == run.sampled("oracle", split)


def test_collecting_twice_adds_nothing_twice(real, tmp_path):
    study, root = real
    folder = tmp_path / "real"
    assert collect(study, root, folder) == 8
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert collect(study, root, folder) == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert len(tables.read_table(folder, "pairs")) == 2 * 3 * len(SPLITS)


def test_a_record_that_vanishes_while_tables_are_packed_is_left_for_later(real, tmp_path, capsys):
    """Another process may be running it once more."""
    study, root = real
    other = tmp_path / "runs"
    for experiment in list(study.experiments().values())[:2]:
        (other / experiment.id).mkdir(parents=True)
    whole = root / study.experiment("two", 0).id
    (other / whole.name).symlink_to(whole)
    assert collect(study, other, tmp_path / "real") == 1
    assert "checksums.json" in capsys.readouterr().err


@pytest.fixture
def packed(real, tmp_path, monkeypatch):
    study, root = real
    monkeypatch.setattr(bundle, "find", lambda name: study)
    out = tmp_path / "out"
    out.mkdir()
    return bundle._pack(study, root, out)


def test_tables_travel(real, packed, tmp_path):
    study, root = real
    home = tmp_path / "home"
    assert bundle.import_tables(packed, home) == ("real", 8)
    assert bundle.import_tables(packed, home) == ("real", 0)
    assert load(study, folder=home / "real").keys == list(study.experiments())
    pd.testing.assert_frame_equal(
        tables.read_table(home / "real", "pairs"),
        tables.read_table(root / "tables" / "real", "pairs"),
    )


def rewritten(packed, change):
    """The tar once more, its tables changed."""
    folder = packed.parent / "in"
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    change(folder)
    with tarfile.open(packed, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return packed


def refused(packed, tmp_path, message):
    with pytest.raises(CompanionError, match=message) as caught:
        bundle.import_tables(packed, tmp_path / "home")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("kept", [0, 10, 3000])
def test_a_broken_tar_is_refused(packed, tmp_path, kept):
    packed.write_bytes(packed.read_bytes()[:kept])
    refused(packed, tmp_path, r"real\.tar|study real")


def test_no_tar_is_refused(packed, tmp_path):
    packed.write_text("no tar")
    refused(packed, tmp_path, r"real\.tar: cannot be read")
    packed.unlink()
    refused(packed, tmp_path, r"real\.tar: cannot be read")


def test_a_table_that_was_changed_is_refused(packed, tmp_path):
    def change(folder):
        (folder / "runs.parquet").write_bytes(b"other")

    refused(rewritten(packed, change), tmp_path, r"^study real: table 'runs' is missing or changed")


def test_runs_and_distances_of_an_unknown_condition_are_refused(packed, tmp_path):
    def renamed(table):
        def change(folder):
            rows = tables.read_table(folder, table)
            rows["condition"] = rows["condition"].astype(str).replace("two", "no such")
            tables.write_tables(folder, {table: rows})

        return change

    original = packed.read_bytes()
    for table in ("runs", "pairs"):
        packed.write_bytes(original)
        refused(rewritten(packed, renamed(table)), tmp_path, "unknown condition 'no such'")
