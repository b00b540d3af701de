"""What survives: kills, dead nodes, several processes, wrong machines."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml
from small_runs import SIZES, small

from companion.errors import CompanionError
from companion.rlhf import Experiment, read_record, run, sweep
from companion.rlhf.policies import new_policy, pretrained
from companion.rlhf.tokens import word_tokenizer
from companion.rlhf.workers import on_ray

GRID = {
    "base": {"task": "deceptive", "trainer": "exact", **SIZES},
    "grid": {
        "rewards": [{"weak": 1.0, "bonus_hidden": e} for e in (0.0, 0.1, 0.2)],
        "seed": [0, 1, 2, 3],
    },
}


def experiments():
    grid = GRID["grid"]
    return [
        Experiment(**GRID["base"], rewards=r, seed=s) for r in grid["rewards"] for s in grid["seed"]
    ]


def stamps(root):
    return {p.parent.name: p.stat().st_mtime_ns for p in root.glob("*/checksums.json")}


def command(root, file):
    return [sys.executable, "-m", "companion.cli", "sweep", str(file), "--root", str(root)]


@pytest.mark.slow
def test_killed_sweep_resumes_and_repeats_nothing(tmp_path):
    file, root = tmp_path / "grid.yaml", tmp_path / "runs"
    file.write_text(yaml.safe_dump(GRID))
    sweeping = subprocess.Popen([*command(root, file), "--jobs", "2"], start_new_session=True)
    while len(stamps(root)) < 3:
        assert sweeping.poll() is None
        time.sleep(0.05)
    os.killpg(sweeping.pid, signal.SIGKILL)
    sweeping.wait()
    before = stamps(root)
    assert 3 <= len(before) < 12
    done = subprocess.run(
        [*command(root, file), "--jobs", "1"], capture_output=True, text=True, check=True
    )
    after = stamps(root)
    assert set(after) == {e.id for e in experiments()}
    assert {name: after[name] for name in before} == before
    *lines, last = done.stdout.splitlines()
    new = [e.id for e in experiments() if e.id not in before]
    assert [line.split()[0] for line in lines] == new
    assert last == f"runs that were in {root} already: {len(before)}"
    assert not list(root.glob("*.part"))


@pytest.mark.slow
def test_ray_sweep_survives_the_death_of_a_node(tmp_path, monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")  # a busy machine starves them otherwise
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "num_gpus": 1, "include_dashboard": False},
    )
    second = cluster.add_node(num_cpus=1)  # the GPU is one in name alone
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        cluster.wait_for_nodes()
        assert len(ray.nodes()) == 2

        def note_the_gpus():
            (tmp_path / "gpus").write_text(str(ray.get_gpu_ids()))

        on_ray([note_the_gpus], "job", gpus=1, progress=False)
        assert (tmp_path / "gpus").read_text() != "[]"

        def kill_half_way():
            while len(stamps(tmp_path)) < 3:
                time.sleep(0.05)
            cluster.remove_node(second, allow_graceful=False)

        killer = threading.Thread(target=kill_half_way)
        killer.start()
        records = sweep(experiments(), tmp_path, backend="ray", progress=False)
        killer.join()
        patience = time.monotonic() + 60  # the head notices by missing heartbeats
        while sum(node["Alive"] for node in ray.nodes()) > 1 and time.monotonic() < patience:
            time.sleep(0.5)
        assert sum(node["Alive"] for node in ray.nodes()) == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert [r.experiment for r in records] == experiments()
    assert set(stamps(tmp_path)) == {e.id for e in experiments()}


def test_ray_without_a_cluster_is_one_line(tmp_path, monkeypatch):
    import ray

    def nothing_runs(**_):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", nothing_runs)  # the test above may have one running beside
    with pytest.raises(CompanionError, match="no Ray cluster found"):
        sweep([small()], tmp_path, backend="ray", progress=False)


TWO_PROCESSES = """
import sys
from pathlib import Path
import torch.distributed as group
from companion.rlhf import Experiment, run
record = run(Experiment.model_validate_json(sys.argv[1]), sys.argv[2])
told = f"{group.get_world_size()} {group.get_backend()} {record.path.name}"
Path(f"world-{group.get_rank()}").write_text(told)  # two processes may print into one line
"""


@pytest.mark.slow
def test_two_processes_train_one_record(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    experiment = small()
    launched = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launched, str(script), experiment.model_dump_json(), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    worlds = [(tmp_path / f"world-{rank}").read_text() for rank in (0, 1)]
    assert worlds == [f"2 gloo {experiment.id}"] * 2
    record = read_record(tmp_path / "runs" / experiment.id)
    assert record.metrics["step"].tolist() == [0, 3]
    assert record.provenance["processes"] == 2


@pytest.mark.parametrize(
    ("trainer", "every"),
    [("grpo", 2), ("grpo", 3), ("rloo", 3)],  # two steps are an epoch
)
def test_interrupted_run_ends_where_a_run_in_one_piece_ends(
    lab, tmp_path, monkeypatch, trainer, every
):
    from companion.rlhf.training import Monitor

    experiment = small(
        trainer=trainer, beta=0.1, steps=every + 2, checkpoint_every=every, eval_every=1, seed=5
    )
    whole = run(experiment, lab)
    shutil.copytree(lab / "starts" / experiment.start.id, tmp_path / "starts" / experiment.start.id)
    write = Monitor.write

    def interrupted(self, step, *rest):
        write(self, step, *rest)
        if step == every + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(experiment, tmp_path)
    part = tmp_path / f"{experiment.id}.part"
    assert [p.name for p in part.glob("trainer/checkpoint-*")] == [f"checkpoint-{every}"]
    (part / "trainer" / f"checkpoint-{every + 1}").mkdir()  # killed while writing it
    steps = []
    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "write", lambda m, s, *r: (steps.append(s), write(m, s, *r)))
        resumed = run(experiment, tmp_path)
    assert steps == [every + 1, every + 2]
    assert resumed.provenance["resumed_at"] == every
    assert resumed.distribution.equals(whole.distribution)
    measured = [column for column in whole.metrics if column != "seconds"]
    assert resumed.metrics[measured].equals(whole.metrics[measured])


def test_unwritable_root_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CompanionError, match="cannot be made"):
        run(small(), tmp_path / "file" / "runs")


@pytest.mark.parametrize("offline", [True, False])
def test_hub_model_without_a_hub_names_the_tiers_that_work(tmp_path, monkeypatch, capfd, offline):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(CompanionError, match="tiny, which downloads nothing") as caught:
        run(Experiment(task="deceptive", tier="large", rewards={"weak": 1.0}), tmp_path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_pretrained_folder_is_a_model_too(lab, tmp_path):
    from companion.rlhf import get_task

    tokenizer = word_tokenizer(get_task("deceptive").texts())
    policy = new_policy("llama", 32, 1, tokenizer, seed=4)
    policy.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    again, words, found = pretrained(str(tmp_path))
    assert len(found["sha256"]) == 64
    assert again.num_parameters() == policy.num_parameters()
    assert words.decode(words("solve ; return x + 3")["input_ids"]) == "solve ; return x + 3"
    record = run(small(model=str(tmp_path), trainer="exact"), lab)
    assert record.experiment.start.model == str(tmp_path)


def test_missing_vllm_and_parallel_exact_are_one_line(lab, monkeypatch):
    with pytest.raises(CompanionError, match="vllm: not installed"):
        run(small(vllm=True), lab)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(CompanionError, match="one process"):
        run(small(trainer="exact"), lab)
