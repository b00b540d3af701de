import pytest
import torch

from companion.rlhf.hardware import choose_tier


@pytest.mark.parametrize(("has_gpu", "tier"), [(True, "small"), (False, "tiny")])
def test_tier_follows_the_machine_unless_asked_for(monkeypatch, has_gpu, tier):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert choose_tier("auto") == tier
    assert choose_tier("large") == "large"
