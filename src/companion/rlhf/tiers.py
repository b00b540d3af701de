"""Sizes at which the same tasks and the same code run: typed presets.

``tiny``: a laptop's CPU, policies made from config, live in every build of the book.
``small``: SmolLM2-135M-Instruct, on a laptop in minutes, on a GPU in seconds a run.
``large``: a model of a hub on one large GPU; name another with ``model``.
``cluster``: ``accelerate launch`` with a configuration from ``rlhf/accelerate``.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

RECURRENT = ("rwkv",)  # architectures, by the name that transformers gives a family
SMOLLM2 = "HuggingFaceTB/SmolLM2-135M-Instruct"  # Apache-2.0


class Scale(BaseModel):
    """Everything that depends on the machine rather than on the question asked.

    Attributes:
        model: name on a model hub or folder of a pretrained model; ``None`` makes one from config
            with ``architecture``, ``hidden_size`` and ``layers``, whose tokens are words.
        architecture: a transformer, or rwkv, a recurrent network, which is trained ``exact`` only.
        accelerator: ``auto`` takes a CUDA device if there is one.
        sft_steps, sft_batch_size, sft_learning_rate: the supervised start; demonstrations a step.
        steps, batch_size, group_size: reinforcement learning; completions a step and a prompt.
        learning_rate, adam_beta2, max_new_tokens: of reinforcement learning.
        beta: weight of KL(policy ‖ start).
        measured_prompts: prompts of each split that the policy is measured on, at equal steps
            (0: all).
        samples: completions of each of them that are drawn, labelled and kept.
        checkpoint_every: steps between checkpoints that an interrupted run resumes from (0: none).
        vllm: generate with vLLM.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    architecture: Literal["llama", "gpt2", "gpt_neox", "rwkv"] = "llama"
    hidden_size: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    accelerator: Literal["cpu", "auto"] = "cpu"
    sft_steps: int = Field(default=400, ge=1)
    sft_batch_size: int = Field(default=64, ge=1)
    sft_learning_rate: float = Field(default=6e-3, gt=0)
    steps: int = Field(default=150, ge=0)
    batch_size: int = Field(default=128, ge=2)
    group_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0)
    adam_beta2: float = Field(default=0.999, gt=0, lt=1)
    max_new_tokens: int = Field(default=8, ge=1)
    beta: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    measured_prompts: int = Field(default=0, ge=0)
    samples: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=0, ge=0)
    vllm: bool = False


TIERS: dict[str, Scale] = {
    "tiny": Scale(),
    "small": Scale(
        model=SMOLLM2,
        accelerator="auto",
        sft_steps=60,
        sft_batch_size=12,
        sft_learning_rate=5e-5,
        steps=20,
        batch_size=32,
        group_size=8,
        learning_rate=5e-6,
        max_new_tokens=32,
        measured_prompts=8,
        samples=8,
    ),
    "large": Scale(
        model="Qwen/Qwen2.5-7B-Instruct",
        accelerator="auto",
        sft_steps=60,
        sft_batch_size=12,
        sft_learning_rate=1e-5,
        steps=40,
        batch_size=64,
        group_size=8,
        learning_rate=2e-6,
        max_new_tokens=32,
        measured_prompts=32,
        samples=16,
    ),
    # The paper's Appendix D where it speaks of the text policy: 8 samples a prompt, temperature 1,
    # KL weight 0.001 (estimator k3), learning rate 1e-6, Adam (0.9, 0.95), bfloat16, ZeRO stage 3,
    # base model of 72B parameters. Our tasks have fewer prompts than its rollout of 128: a step
    # takes 16 prompts.
    "cluster": Scale(
        model="Qwen/Qwen2.5-72B-Instruct",
        accelerator="auto",
        sft_steps=80,
        sft_batch_size=16,
        sft_learning_rate=1e-5,
        steps=150,
        batch_size=128,
        group_size=8,
        learning_rate=1e-6,
        adam_beta2=0.95,
        max_new_tokens=24,
        beta=0.001,
        checkpoint_every=25,
        vllm=True,
    ),
}
