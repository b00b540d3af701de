"""Policies: made from config, or loaded from a folder."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    RwkvConfig,
)

from companion.errors import CompanionError
from companion.rlhf.tiers import RECURRENT
from companion.rlhf.weights import origin, weights_folder

_HEAD_SIZE = 16
_MAX_POSITIONS = 128


def new_policy(
    architecture: str, hidden_size: int, layers: int, tokenizer: PreTrainedTokenizerBase, seed: int
) -> PreTrainedModel:
    """A policy with random weights drawn from ``seed``."""
    torch.manual_seed(seed)
    config = policy_config(architecture, hidden_size, layers, tokenizer)
    attention = {} if architecture in RECURRENT else {"attn_implementation": "sdpa"}
    return AutoModelForCausalLM.from_config(config, **attention)


def policy_config(
    architecture: str, hidden_size: int, layers: int, tokenizer: PreTrainedTokenizerBase
) -> PretrainedConfig:
    """Configuration of a policy or reward model that reads a tokenizer's words."""
    config = _family_config(architecture, hidden_size, layers, len(tokenizer))
    config.pad_token_id = tokenizer.pad_token_id
    config.eos_token_id = tokenizer.eos_token_id
    config.bos_token_id = None
    return config


def _family_config(
    architecture: str, hidden: int, layers: int, vocabulary: int
) -> PretrainedConfig:
    heads = max(1, hidden // _HEAD_SIZE)
    if architecture == "gpt2":
        return GPT2Config(
            vocab_size=vocabulary,
            n_embd=hidden,
            n_layer=layers,
            n_head=heads,
            n_positions=_MAX_POSITIONS,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
        )
    if architecture == "rwkv":
        return RwkvConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            attention_hidden_size=hidden,
            num_hidden_layers=layers,
            context_length=_MAX_POSITIONS,
            tie_word_embeddings=True,
        )
    family = {"llama": LlamaConfig, "gpt_neox": GPTNeoXConfig}[architecture]
    return family(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=4 * hidden if architecture == "gpt_neox" else 2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=_MAX_POSITIONS,
        tie_word_embeddings=True,
    )


def pretrained(
    name: str, progress: bool = False, kind: Any = AutoModelForCausalLM, **config: Any
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, dict[str, str]]:
    """A model of a hub, or of a folder, with its tokenizer and where its weights came from.

    Args:
        name: of the model, or a folder.
        progress: show what is fetched.
        kind: transformers' class that loads it.
        config: fields of its configuration to change.

    Raises:
        CompanionError: if its weights are nowhere in reach, or are not whole, or its tokenizer
            knows no end of a text.
    """
    folder = weights_folder(name, progress)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, found = kind.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **config
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise CompanionError(f"model {name}: {folder} cannot be read: {reason}") from None
    lost = sorted(key for key in found["missing_keys"] if key.startswith(model.base_model_prefix))
    if lost:  # transformers would fill them with random numbers
        raise CompanionError(f"model {name}: {folder} lacks {lost[0]} and {len(lost) - 1} more")
    if tokenizer.eos_token_id is None:
        raise CompanionError(f"model {name}: its tokenizer has no end token (eos_token)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer, origin(folder)


def load(folder: Path, device: str = "cpu") -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """Policy and tokenizer from a folder.

    The policy remembers the folder as its name: GRPO reads its KL reference from there.
    """
    policy = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    torch.nn.Module.to(policy, device)
    return policy, PreTrainedTokenizerFast.from_pretrained(str(folder))
