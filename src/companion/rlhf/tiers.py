"""Sizes at which the same tasks and the same code run: typed presets."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

TierName = Literal["tiny"]


class Scale(BaseModel):
    """Everything that depends on the machine rather than on the question asked.

    ``architecture`` with ``hidden_size`` and ``layers`` describes a policy made from config;
    tokens are words. Batches count completions (reinforcement learning) or demonstrations (SFT).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["llama", "gpt2", "gpt_neox"] = "llama"
    hidden_size: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    sft_steps: int = Field(default=400, ge=1)
    sft_batch_size: int = Field(default=64, ge=1)
    sft_learning_rate: float = Field(default=6e-3, gt=0)
    steps: int = Field(default=150, ge=0)
    batch_size: int = Field(default=128, ge=2)
    group_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0)
    max_new_tokens: int = Field(default=8, ge=1)


TIERS: dict[str, Scale] = {"tiny": Scale()}
