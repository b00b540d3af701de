"""Bits that flip, lines that a full disk cuts, folders in the wrong place, trees that changed."""

import json
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest
from small_runs import small

from companion.rlhf import provenance, run, sweep
from companion.rlhf.experiment import RewardModel
from companion.rlhf.folders import CHECKSUMS, CorruptRecord
from companion.rlhf.monitor import Monitor
from companion.rlhf.preparations import prepare_reward_model, prepare_start
from companion.rlhf.records import read_record


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (flip_a_bit, "model.safetensors"),
        (flip_a_bit, "tokenizer.json"),
        (cut, "model.safetensors"),
        (os.remove, CHECKSUMS),
    ],
)
def test_a_damaged_start_is_made_again(tmp_path, capsys, damage, name):
    start = small(sft_steps=2).start
    folder = prepare_start(start, tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    damage(folder / name)
    assert prepare_start(start, tmp_path) == folder
    assert (folder / "model.safetensors").read_bytes() == whole
    assert "set aside" in capsys.readouterr().err
    assert len(list(folder.parent.glob("*.corrupt-*"))) == 1


def test_a_damaged_reward_model_is_made_again(tmp_path):
    model = RewardModel(task="alignment", bias={}, pairs=64, steps=2)
    folder = prepare_reward_model(model, tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    flip_a_bit(folder / "model.safetensors")
    assert (prepare_reward_model(model, tmp_path) / "model.safetensors").read_bytes() == whole


def test_a_start_under_the_id_of_another_is_not_taken(tmp_path):
    one, other = small(sft_steps=2).start, small(sft_steps=2, sft_seed=1).start
    folder = prepare_start(one, tmp_path)
    shutil.copytree(folder, folder.with_name(other.id))
    made = prepare_start(other, tmp_path)
    assert json.loads((made / "spec.json").read_text())["seed"] == 1


def test_a_start_is_checked_by_a_sweep_too(tmp_path):
    experiments = [small(sft_steps=2, steps=0, trainer="exact", seed=s) for s in (0, 1)]
    (first,) = sweep(experiments[:1], tmp_path, jobs=1, progress=False)
    flip_a_bit(tmp_path / "starts" / experiments[0].start.id / "model.safetensors")
    (second,) = sweep(experiments[1:], tmp_path, jobs=1, progress=False)
    assert second.distribution.equals(first.distribution)


@pytest.fixture
def record(lab, tmp_path):
    """A copy of a record that a test may spoil, in a root with the start it needs."""
    experiment = small(trainer="exact", seed=5)
    whole = run(experiment, lab)
    shutil.copytree(lab / "starts" / experiment.start.id, tmp_path / "starts" / experiment.start.id)
    shutil.copytree(whole.path, tmp_path / whole.path.name)
    return read_record(tmp_path / whole.path.name)


@pytest.mark.parametrize("listed", ["{}", "[]", "null", '{"experiment.json": null}', "nonsense"])
def test_checksums_that_list_nothing_are_not_enough(record, listed):
    (record.path / CHECKSUMS).write_text(listed)
    with pytest.raises(CorruptRecord):
        read_record(record.path)


@pytest.mark.parametrize("name", ["experiment.json", "metrics.jsonl", "distribution.parquet"])
def test_checksums_that_leave_a_file_out_are_not_enough(record, name):
    listed = json.loads((record.path / CHECKSUMS).read_text())
    del listed[name]
    (record.path / CHECKSUMS).write_text(json.dumps(listed))
    with pytest.raises(CorruptRecord, match=name):
        read_record(record.path)


def test_a_record_under_the_id_of_another_run_is_not_taken(record, capsys):
    other = small(trainer="exact", seed=6)
    path = record.path.with_name(other.id)
    shutil.copytree(record.path, path)
    with pytest.raises(CorruptRecord, match="another run"):
        read_record(path)
    assert run(other, path.parent).provenance["seed"] == 6
    assert "set aside" in capsys.readouterr().err


def test_two_that_find_one_corrupt_record_make_it_once(record):
    experiment, root = record.experiment, record.path.parent
    (record.path / CHECKSUMS).write_text("{}")
    found, errors = [], []

    def work():
        try:
            found.extend(sweep([experiment], root, jobs=1, progress=False))
        except Exception as error:
            errors.append(error)

    both = [threading.Thread(target=work) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert errors == []
    assert [r.experiment for r in found] == [experiment] * 2
    assert len(list(root.glob(f"{experiment.id}.corrupt-*"))) == 1


def test_looking_for_records_sets_nothing_aside(record, monkeypatch):
    (record.path / CHECKSUMS).write_text("{}")
    moved = []
    monkeypatch.setattr("companion.rlhf.sweeps.run", lambda e, root: moved.append(e))
    with pytest.raises(CorruptRecord):
        sweep([record.experiment], record.path.parent, jobs=1, progress=False)
    assert moved == [record.experiment]
    assert record.path.exists()  # only the holder of the run's lock moves it


EXPERIMENT = small(steps=5, checkpoint_every=2, eval_every=1, seed=5)


@pytest.fixture
def interrupted(lab, tmp_path, monkeypatch):
    """What a run leaves that was interrupted after its checkpoint, and its root."""
    shutil.copytree(lab / "starts" / EXPERIMENT.start.id, tmp_path / "starts" / EXPERIMENT.start.id)
    write = Monitor.write

    def stop(self, step, *rest):
        write(self, step, *rest)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            run(EXPERIMENT, tmp_path)
    return tmp_path / f"{EXPERIMENT.id}.part"


@pytest.fixture(scope="module")
def whole(lab):
    return run(EXPERIMENT, lab)


def test_a_line_that_a_full_disk_cut_is_dropped(interrupted, whole):
    metrics = interrupted / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-40])
    resumed = run(EXPERIMENT, interrupted.parent)
    assert resumed.provenance["resumed_at"] == 2
    assert resumed.metrics["step"].tolist() == [0, 1, 2, 3, 4, 5]
    assert resumed.distribution.equals(whole.distribution)


def test_measurements_lost_before_a_checkpoint_mean_a_fresh_start(interrupted, whole, capsys):
    metrics = interrupted / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines()[0][:-5])
    resumed = run(EXPERIMENT, interrupted.parent)
    assert resumed.provenance["resumed_at"] is None
    assert resumed.metrics["step"].tolist() == [0, 1, 2, 3, 4, 5]
    assert resumed.distribution.equals(whole.distribution)
    assert "measurements before it are missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (flip_a_bit, "model.safetensors"),
        (cut, "model.safetensors"),
        (flip_a_bit, "optimizer.pt"),
        (os.remove, "trainer_state.json"),
    ],
)
def test_a_damaged_checkpoint_means_a_fresh_start(interrupted, whole, capsys, damage, name):
    damage(interrupted / "trainer" / "checkpoint-2" / name)
    resumed = run(EXPERIMENT, interrupted.parent)
    assert resumed.provenance["resumed_at"] is None
    assert resumed.distribution.equals(whole.distribution)
    assert "not resumed from" in capsys.readouterr().err


def test_an_earlier_whole_checkpoint_is_taken_instead(interrupted, whole):
    first = interrupted / "trainer" / "checkpoint-2"
    later = first.with_name("checkpoint-3")
    shutil.copytree(first, later)
    flip_a_bit(later / "model.safetensors")
    resumed = run(EXPERIMENT, interrupted.parent)
    assert resumed.provenance["resumed_at"] == 2
    assert resumed.distribution.equals(whole.distribution)


@pytest.mark.parametrize("changed", ["source_digest", "versions"])
def test_another_program_does_not_go_on_from_a_checkpoint(
    interrupted, monkeypatch, capsys, changed
):
    from companion.rlhf import training

    other = {"source_digest": "0" * 64, "versions": {"torch": "0.0"}}[changed]
    monkeypatch.setattr(training, changed, lambda: other)
    resumed = run(EXPERIMENT, interrupted.parent)
    assert resumed.provenance["resumed_at"] is None
    assert "another version" in capsys.readouterr().err


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a file of the package in it, which is where the package stands."""
    monkeypatch.delenv("COMPANION_COMMIT", raising=False)
    package = tmp_path / "ours" / "src" / "companion"
    package.mkdir(parents=True)
    (package / "a.py").write_text("1\n")
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    return tmp_path / "ours"


def git(folder, *arguments):
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *name, "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit_all(folder):
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all")
    return git(folder, "rev-parse", "HEAD")


def test_a_changed_tree_is_not_recorded_as_its_commit(checkout):
    head = commit_all(checkout)
    assert provenance._commit() == head
    (checkout / "src" / "companion" / "a.py").write_text("2\n")
    assert provenance._commit() == f"{head}-dirty"
    git(checkout, "checkout", "-q", ".")
    (checkout / "src" / "companion" / "b.py").write_text("new\n")
    assert provenance._commit() == f"{head}-dirty"


def test_the_commit_is_that_of_our_own_repository(checkout, tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("")
    theirs = commit_all(tmp_path / "theirs")
    head = commit_all(checkout)
    assert head != theirs
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs" / ".git"))
    assert provenance._commit() == head


def test_a_package_installed_into_another_checkout_has_no_commit(checkout):
    commit_all(checkout.parent)
    assert provenance._commit() is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_checkout_of_another_user_has_its_commit(checkout):
    head = commit_all(checkout)
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 12345, 12345)
    assert provenance._commit() == head


@pytest.mark.skipif(os.getuid() != 0, reason="the lock is made unreadable for another user")
def test_the_lock_of_another_user_is_one_line(tmp_path):
    experiment = small()
    lock = tmp_path / f".{experiment.id}.lock"
    lock.write_text("")
    lock.chmod(stat.S_IRUSR)
    tmp_path.chmod(0o777)
    script = (
        "import os, sys\n"
        "from companion.rlhf import Experiment, run\n"
        "experiment = Experiment.model_validate_json(sys.argv[1])\n"
        "os.setuid(12345)\n"
        "run(experiment, sys.argv[2])\n"
    )
    for folder in tmp_path.parents:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", script, experiment.model_dump_json(), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CompanionError" in done.stderr.splitlines()[-1], done.stderr[-2000:]
    assert "cannot be locked" in done.stderr.splitlines()[-1]
