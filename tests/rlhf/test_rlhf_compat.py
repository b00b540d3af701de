"""What the laboratory reaches into is there, in the pinned versions, and does what it should."""

import inspect
from importlib.metadata import version

import pytest
import torch
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import OfflineModeIsEnabled
from transformers import RwkvConfig, RwkvForCausalLM
from transformers.cache_utils import StaticLayer
from trl import GRPOTrainer, RLOOTrainer
from trl.trainer.utils import RepeatSampler

from companion.rlhf.compat import (
    LayerStates,
    hub_address,
    hub_settings,
    loky,
    replay_orders,
    set_lengths,
)


def gone(package, what):
    return f"{package} {version(package)}: {what} is gone; companion.rlhf.compat rests on it"


@pytest.mark.parametrize("trainer", [GRPOTrainer, RLOOTrainer])
def test_trl_makes_its_sampler_in_a_method_of_one_argument(trainer):
    assert hasattr(trainer, "_get_train_sampler"), gone("trl", "_get_train_sampler")
    found = list(inspect.signature(trainer._get_train_sampler).parameters)
    assert found == ["self", "dataset"], gone("trl", "_get_train_sampler(dataset)")


class Shuffles:
    """As much of a trainer as resuming needs."""

    def _get_train_sampler(self, dataset=None):
        return RepeatSampler(list(range(8)), mini_repeat_count=1, seed=3)


def test_a_resumed_order_is_the_one_after_the_epochs_before_it():
    whole = Shuffles()._get_train_sampler()
    epochs = [list(whole) for _ in range(3)]
    resumed = Shuffles()
    replay_orders(resumed, completions=2 * 8)
    assert list(resumed._get_train_sampler()) == epochs[2]
    assert epochs[2] != epochs[0]


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "ENDPOINT"])
def test_the_hub_keeps_its_settings_as_constants(name):
    assert hasattr(constants, name), gone("huggingface_hub", f"constants.{name}")


def test_the_hub_is_not_asked_while_it_is_set_to_be_left_alone(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert hub_address() == constants.ENDPOINT
    with hub_settings(offline=True):
        assert hub_address() is None
        with pytest.raises(OfflineModeIsEnabled):
            HfApi().whoami(token="none")
    assert hub_address() == constants.ENDPOINT
    with hub_settings(offline=False):
        assert hub_address() == constants.ENDPOINT


def test_the_static_cache_counts_its_tokens_in_a_tensor():
    layer = StaticLayer(4)
    assert hasattr(layer, "cumulative_length"), gone(
        "transformers", "StaticLayer.cumulative_length"
    )
    set_lengths([layer], 3)
    layer.lazy_initialization(*torch.zeros(2, 1, 1, 1, 1))
    assert layer.get_seq_length() == 3


def test_joblib_brings_workers_that_can_be_killed():
    pool = loky.ProcessPoolExecutor
    told = inspect.signature(pool.shutdown).parameters
    assert "kill_workers" in told, gone("joblib", "externals.loky's kill_workers")
    assert {"env", "initializer"} <= set(inspect.signature(pool).parameters), gone("joblib", "env")
    assert issubclass(loky.BrokenProcessPool, Exception)


@pytest.fixture
def rwkv():
    torch.manual_seed(0)
    config = RwkvConfig(
        vocab_size=11, hidden_size=16, num_hidden_layers=2, bos_token_id=None, eos_token_id=0
    )
    return RwkvForCausalLM(config).eval()


def test_rwkv_reads_on_from_a_state_and_keeps_its_gradient(rwkv):
    text = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    whole = rwkv(input_ids=text, use_cache=False).logits
    state = LayerStates.initial(rwkv, 2)
    first = rwkv(input_ids=text[:, :3], state=state, use_cache=False).logits
    twice = LayerStates.joined([state, state], torch.tensor([1, 2]))  # the other order
    second = rwkv(input_ids=text[[1, 0], 3:], state=twice, use_cache=False).logits
    parts = torch.cat([first, second[[1, 0]]], dim=1)
    assert torch.allclose(parts, whole, atol=1e-6)
    weights = list(rwkv.parameters())
    found, wanted = (torch.autograd.grad(x.square().sum(), weights) for x in (parts, whole))
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_rwkv_reads_single_tokens_of_several_rows_wrongly(rwkv):
    """When this fails, recurrent._LEAST and what rests on it can go."""
    state = LayerStates.initial(rwkv, 2)
    token = torch.tensor([[3], [9]])
    assert rwkv(input_ids=token, state=state, use_cache=False).logits.shape == (2, 2, 11)
