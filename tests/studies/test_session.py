"""What a reader chooses for the runs of a page: sizes, seeds, steps, and where they are kept."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from tiny_models import chat_folder

from companion.errors import CompanionError
from companion.rlhf.tiers import SMOLLM2
from companion.studies import cliff, costs, live, session, small_python
from companion.studies.beside import beside_the_record
from companion.studies.checks import live_checks
from companion.studies.session import Choice, choose, chosen
from companion.studies.study import Key

KEYS = [Key("exact, no bonus", 20, 0), Key("exact, bonus 0.1", 20, 0)]


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """No choice outlives a test; this machine has no GPU and 16 GB, whatever it has."""
    monkeypatch.setattr(session, "_chosen", Choice())
    monkeypatch.setattr(session, "_trained", [])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(session, "_memory_gb", lambda gpu: 16.0)
    monkeypatch.chdir(tmp_path)


def with_gpu(monkeypatch, gb):
    hardware = SimpleNamespace(device="cuda", description="Tesla T4, float16")
    monkeypatch.setattr("companion.rlhf.hardware.pick_hardware", lambda _: hardware)
    monkeypatch.setattr(session, "_memory_gb", lambda gpu: gb)


def test_without_a_gpu_one_line_says_so_and_the_tiny_models_are_trained(capsys):
    assert choose("auto")[0] == "tiny"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("No GPU here: only the tiny models are trained.")
    assert chosen().size == "tiny"
    assert live.missing_weights(small_python.STUDY) == "the size tiny was chosen"


def test_no_more_runs_side_by_side_than_this_process_may_use_processors(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # as a container's limit
    assert choose("tiny")[1] == 1


def test_with_a_gpu_the_small_model_is_trained(monkeypatch, capsys):
    with_gpu(monkeypatch, 15.8)
    assert choose("auto")[0] == "tiny"  # those made from nothing
    assert chosen().size == "small"
    assert f"{SMOLLM2} on Tesla T4, float16, one run at a time" in capsys.readouterr().out


def test_a_size_that_does_not_fit_gives_way_to_one_that_does(monkeypatch, capsys):
    with_gpu(monkeypatch, 15.8)
    choose("large")
    assert chosen().size == "small"
    assert "Size large needs 122 GB, there are 16 GB: small is taken." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"size": "huge"}, "size: no 'huge', only auto, tiny, small, large"),
        ({"seeds": 0}, "seeds: must be a whole number >= 1, is 0"),
        ({"steps": -1}, "steps: must be a whole number >= 0, is -1"),
        ({"steps": "many"}, "steps: must be a whole number >= 0, is 'many'"),
    ],
)
def test_a_wrong_choice_is_named_and_leaves_none(choice, message):
    with pytest.raises(CompanionError, match=message):
        choose(**choice)
    assert chosen() == Choice()


def test_seeds_and_steps_change_the_runs_and_only_these():
    choose("tiny", seeds=2, steps=3, supervised_steps=4)
    keys = chosen().keys(KEYS)
    assert [key.start for key in keys] == [20, 1020, 20, 1020]
    before = cliff.STUDY.experiment(*KEYS[1])
    after = chosen().changed(before)
    assert (after.steps, after.sft_steps) == (3, 4)
    assert after.model_dump(exclude={"steps", "sft_steps"}) == before.model_dump(
        exclude={"steps", "sft_steps"}
    )
    start = small_python.STUDY.experiment("start")
    assert chosen().changed(start).steps == 0


def test_nothing_chosen_changes_nothing():
    experiment = cliff.STUDY.experiment(*KEYS[0])
    assert chosen().changed(experiment) is experiment
    assert chosen().keys(KEYS) == KEYS


@pytest.mark.parametrize(
    ("choice", "tiny", "small"),
    [
        (Choice(), False, False),
        (Choice("small", seeds=3), False, False),
        (Choice("large"), False, True),
        (Choice("small", steps=2), True, True),
        (Choice("small", supervised_steps=2), True, True),
    ],
)
def test_only_runs_of_the_recorded_recipe_are_compared(monkeypatch, choice, tiny, small):
    monkeypatch.setattr(session, "_chosen", choice)
    recorded = [0.9, 0.91, 0.92, 0.9]
    for tier, differs in (("tiny", tiny), ("small", small)):
        assert choice.differs(tier) is differs
        if differs:
            table = live_checks([("share", recorded, 0.1)], tier=tier, of=tier)
            assert table.to.item() == "–"
        else:
            with pytest.raises(CompanionError, match="by the recorded runs"):
                live_checks([("share", recorded, 0.1)], tier=tier, of=tier)


def test_times_are_told_before_training_and_estimates_called_so():
    plan = {key: cliff.STUDY.experiment(*key) for key in KEYS}
    told = costs.of_made_models(cliff.STUDY, plan, 2)
    assert told.startswith("cliff: 2 runs of tiny models, 2 at a time on the CPU: about ")
    assert "by the recorded runs' times" in told
    choose("tiny", steps=1)
    fewer = {key: chosen().changed(experiment) for key, experiment in plan.items()}
    told = costs.of_made_models(cliff.STUDY, fewer, 2)
    assert "on the CPU: at most about " in told
    plan = [small_python.STUDY.experiment(*key) for key in small_python.live_keys()]
    told = costs.of_pretrained(small_python.STUDY, plan)
    assert "24 supervised steps and 36 by policy gradient" in told
    assert "on two CPU cores (measured)" in told
    assert told.endswith("on a T4 (estimated, not measured).")
    told = costs.of_pretrained(small_python.STUDY, [plan[0].at_tier("large")])
    assert "not measured yet at this size" in told


def test_what_was_trained_is_drawn_beside_the_record(tmp_path, capsys):
    choose("tiny", steps=1, supervised_steps=1)
    live.train_live(cliff.STUDY, KEYS, "mass/hidden", jobs=1, label="probability of\nhiding it")
    beside_the_record()
    said = capsys.readouterr().out
    assert "about" in said
    assert "another recipe than the recorded runs" in said
    table = (tmp_path / "figures" / "beside-cliff" / "beside-cliff.csv").read_text()
    lines = table.splitlines()
    assert sum(line.endswith(",yours") for line in lines) == len(KEYS)
    assert sum(line.endswith(",recorded") for line in lines) > len(KEYS)
    sidecar = (tmp_path / "figures" / "beside-cliff" / "beside-cliff.json").read_text()
    assert "your runs (size tiny, 1 steps, starts 20)" in sidecar
    assert "no part of the record" in sidecar
    assert "probability of hiding it, after training, mean of your runs: " in sidecar


def test_kept_runs_are_not_trained_again(monkeypatch, tmp_path):
    """A stand-in for the pretrained model, and a folder for Drive, that outlive the session."""
    monkeypatch.setenv("COMPANION_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    chat_folder(tmp_path / "cache" / "SmolLM2-135M-Instruct.Q4_1")
    monkeypatch.setattr(session, "_DRIVE", tmp_path / "drive")
    mounted = []
    colab = ModuleType("google.colab")
    colab.drive = SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    choose("small", steps=1, supervised_steps=1, keep_on_drive=True)
    assert mounted == [str(tmp_path / "drive")]
    keys = [Key("start", 20, 0), Key("bonus 0.1", 20, 0)]
    first, _ = live.train_pretrained(small_python.STUDY, keys, "share/hidden", root="one")

    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("companion.rlhf.together.run_together", refuse)
    again, _ = live.train_pretrained(small_python.STUDY, keys, "share/hidden", root="two")
    assert again.keys == first.keys == keys
    for one, other in zip(first, again, strict=True):
        assert one.shares().equals(other.shares())


def test_without_drive_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    choose("tiny", keep_on_drive=True)
    assert "No Google Drive here" in capsys.readouterr().out
    assert chosen().kept is None
