"""Policies small enough for a test, in the two kinds that exist: words, and bytes with a chat."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from companion.rlhf.policies import new_policy
from companion.rlhf.tokens import word_tokenizer

MARKS = ("<|im_start|>", "<|im_end|>")
_LINES = (
    "surely yes",
    "perhaps no",
    "def f(x):",
    "return x + 3",
    "I add 3 to x.",
    "user assistant",
)


def word_policy(words: str, seed: int = 0) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A policy over the words of a text, far from uniform."""
    tokenizer = word_tokenizer([words])
    policy = new_policy("llama", 32, 2, tokenizer, seed).eval()
    _sharpen(policy)
    return policy, tokenizer


def chat_folder(folder: Path, *, template: bool = False, pad: bool = False, seed: int = 0) -> Path:
    """A byte-level model that knows ChatML's marks, saved as hubs keep models."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=[*MARKS, "<pad>"], initial_alphabet=alphabet
    )
    backend.train_from_iterator(_LINES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        additional_special_tokens=["<|im_start|>"],
        **({"pad_token": "<pad>"} if pad else {}),
    )
    if template:
        tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return save(folder, tokenizer, seed)


def save(folder: Path, tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> Path:
    """A model with random weights for a tokenizer, in a folder."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=3,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _sharpen(policy: PreTrainedModel) -> None:
    with torch.no_grad():
        for weights in policy.parameters():
            if weights.dim() == 2:
                weights.mul_(8)
