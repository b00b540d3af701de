"""What the laboratory takes from other libraries beyond what they promise, all in one place.

``tests/rlhf/test_rlhf_compat.py`` holds each against the pinned versions.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from joblib.externals import loky as loky  # whose workers can be killed; joblib brings it along

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel
    from transformers.cache_utils import StaticLayer
    from trl import GRPOTrainer, RLOOTrainer


@contextlib.contextmanager
def hub_settings(offline: bool) -> Iterator[None]:
    """Report nothing to a model hub and, if asked, read nothing from it.

    The hub's client reads its environment once, when it is imported; later its constants decide.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE or offline
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY = before


def hub_address() -> str | None:
    """Address of the model hub; ``None`` where its client is set to ask nobody."""
    from huggingface_hub import constants

    return None if constants.HF_HUB_OFFLINE else str(constants.ENDPOINT)


def replay_orders(trainer: "GRPOTrainer | RLOOTrainer", completions: int) -> None:
    """Make a resumed run of trl see the prompts in the order of a run in one piece.

    transformers restores everything else, but trl's sampler begins its shuffles anew: draw those of
    the epochs that came before ``completions``.
    """
    make = trainer._get_train_sampler

    def replayed(dataset: Any = None) -> Any:
        sampler: Any = make(dataset)
        for _ in range(completions // len(sampler)):
            next(iter(sampler))
        return sampler

    trainer._get_train_sampler = replayed  # type: ignore[method-assign]


def set_lengths(layers: Iterable["StaticLayer"], length: int) -> None:
    """Tell the layers of transformers' static cache how many tokens they hold."""
    for layer in layers:
        layer.cumulative_length.fill_(length)


class LayerStates:
    """One of the five states of transformers' RWKV, in all layers.

    It reads and assigns ``state[:, :, layer]`` of a tensor, and no gradient survives that what it
    has read is written over. Here a layer's state is replaced instead.

    Args:
        layers: for each layer, (rows, hidden).
    """

    def __init__(self, layers: "Iterable[torch.Tensor]") -> None:
        self.layers = list(layers)

    def __getitem__(self, index: tuple[slice, slice, int]) -> "torch.Tensor":
        return self.layers[index[-1]]

    def __setitem__(self, index: tuple[slice, slice, int], value: "torch.Tensor") -> None:
        self.layers[index[-1]] = value

    @classmethod
    def initial(cls, policy: "PreTrainedModel", rows: int) -> "list[LayerStates]":
        """The state before anything is read."""
        import torch

        config = policy.config
        nothing = torch.zeros(rows, config.hidden_size, device=policy.device)
        values = [nothing, nothing, nothing, nothing, nothing - 1e30]  # the last is a maximum
        return [cls([value] * config.num_hidden_layers) for value in values]

    @classmethod
    def joined(
        cls, parts: "Sequence[list[LayerStates]]", rows: "torch.Tensor"
    ) -> "list[LayerStates]":
        """States of several readings, one below the other, and of these some rows."""
        import torch

        return [
            cls(torch.cat(layer)[rows] for layer in zip(*(p.layers for p in part), strict=True))
            for part in zip(*parts, strict=True)
        ]
