"""Optimisers of the trainers that are not trl's."""

import torch
from transformers import PreTrainedModel

from companion.rlhf.experiment import Experiment

_MAX_GRADIENT = 1.0  # trl's default clipping


def optimizer_of(experiment: Experiment, policy: PreTrainedModel) -> torch.optim.Optimizer:
    """The experiment's optimiser at its constant learning rate."""
    if experiment.optimizer == "sgd":
        return torch.optim.SGD(policy.parameters(), lr=experiment.learning_rate)
    betas = (0.9, experiment.adam_beta2)
    fused = policy.device.type == "cuda" or experiment.model is not None
    return torch.optim.Adam(
        policy.parameters(), lr=experiment.learning_rate, betas=betas, fused=fused
    )


def descend(policy: PreTrainedModel, optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One clipped gradient step."""
    differentiate(policy, loss)
    step(optimizer)


def differentiate(policy: PreTrainedModel, loss: torch.Tensor) -> torch.Tensor:
    """Clip the gradient of a loss.

    Returns:
        (), its norm over all weights before it was clipped, on the policy's device: whoever does
        not read it does not wait for it.
    """
    loss.backward()
    return torch.nn.utils.clip_grad_norm_(policy.parameters(), _MAX_GRADIENT)


def step(optimizer: torch.optim.Optimizer) -> None:
    """Follow the gradient, whose memory is free again afterwards."""
    optimizer.step()
    optimizer.zero_grad()
