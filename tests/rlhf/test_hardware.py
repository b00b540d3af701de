import pytest
import torch

from companion.rlhf.hardware import choose_tier, pick_hardware


@pytest.fixture
def gpu(monkeypatch):
    """A machine whose GPU claims bfloat16 and emulates it, as a T4 does."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "T4")
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )


def test_emulated_bfloat16_is_not_taken(gpu):
    hardware = pick_hardware("auto")
    assert (hardware.device, hardware.precision) == ("cuda", "float16")
    assert pick_hardware("cpu").device == "cpu"


def test_tier_follows_the_machine_unless_asked_for(gpu):
    assert choose_tier("auto") == "colab"
    assert choose_tier("tiny") == "tiny"


def test_without_a_gpu_the_smallest_tier(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_tier("auto") == "tiny"
    assert pick_hardware("auto").precision == "float32"
