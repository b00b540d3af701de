from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file

import companion.rlhf
from companion.rlhf import TIERS, Experiment, get_task
from companion.rlhf.hardware import choose_tier, pick_hardware

CONFIGS = Path(companion.rlhf.__file__).parent / "accelerate"


def test_tiny_stays_on_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_hardware("cpu").arguments() == {
        "use_cpu": True,
        "bf16": False,
        "fp16": False,
        "dataloader_pin_memory": False,
    }


@pytest.mark.parametrize(("real", "precision"), [(True, "bf16"), (False, "fp16")])
def test_auto_uses_bfloat16_only_where_it_is_real(monkeypatch, real, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: real or including_emulation
    )
    hardware = pick_hardware("auto")
    assert hardware.device == "cuda"
    assert [k for k, v in hardware.arguments().items() if v] == [precision, "dataloader_pin_memory"]
    assert hardware.description.startswith("Some GPU")


def test_auto_falls_back_to_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_hardware("auto") == pick_hardware("cpu")
    assert choose_tier("auto") == "tiny"


def test_tier_follows_the_machine_unless_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_tier("auto") == "small"
    assert choose_tier("tiny") == "tiny"


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("task", ["python", "instruction", "alignment"])
def test_every_tier_fits_every_task(tier, task):
    first = next(iter(get_task(task).components))
    experiment = Experiment(task=task, tier=tier, rewards={first: 1.0})
    assert experiment.batch_size % experiment.group_size == 0
    assert experiment.beta == TIERS[tier].beta


@pytest.mark.parametrize(
    ("name", "kind", "section"),
    [("zero3", "DEEPSPEED", "deepspeed_config"), ("fsdp", "FSDP", "fsdp_config")],
)
def test_accelerate_reads_its_configurations(name, kind, section):
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert str(config.distributed_type).endswith(kind)
    assert config.mixed_precision == "bf16"
    assert getattr(config, section)
    assert config.use_cpu is False


def test_zero3_shards_parameters_as_the_paper_does():
    config = load_config_from_file(str(CONFIGS / "zero3.yaml"))
    assert config.deepspeed_config["zero_stage"] == 3
    assert config.deepspeed_config["offload_optimizer_device"] == "cpu"
