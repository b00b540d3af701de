"""Policies and their tokenizers: made from config, or loaded from a folder."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer, models, pre_tokenizers
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
)
from transformers.utils import logging as transformers_logging

from companion.errors import CompanionError
from companion.rlhf.compat import hub_settings
from companion.rlhf.weights import origin, weights_folder

_SPECIAL = ("<pad>", "<eos>", "<unk>")
_HEAD_SIZE = 16
_MAX_POSITIONS = 128


@contextlib.contextmanager
def quiet(offline: bool, threads: int | None) -> Iterator[None]:
    """Print errors only, report nothing to a hub; if asked, read nothing from it, cap threads."""
    before = (torch.get_num_threads(), transformers_logging.get_verbosity())
    bars = (transformers_logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled())
    torch.set_num_threads(threads or before[0])
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        with hub_settings(offline), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        torch.set_num_threads(before[0])
        transformers_logging.set_verbosity(before[1])
        if bars[0]:
            transformers_logging.enable_progress_bar()
        if not bars[1]:
            datasets.enable_progress_bars()


def word_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the words of the texts, separated by single spaces."""
    words = sorted({word for text in texts for word in text.split()})
    vocabulary = {word: i for i, word in enumerate([*_SPECIAL, *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def encode(tokenizer: PreTrainedTokenizerBase, text: str, marks: bool = False) -> list[int]:
    """Token ids of a text.

    Args:
        tokenizer: of the policy.
        text: to encode.
        marks: whether the text holds marks of a chat on purpose.

    Raises:
        CompanionError: if they do not decode to the text: a reward would then read another text
            than the policy wrote.
    """
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if tokenizer.decode(ids, skip_special_tokens=not marks) != text:
        read = tokenizer.decode(ids)
        raise CompanionError(f"tokenizer: text {text!r} decodes to {read!r}; take another model")
    return list(ids)


def prompt_tokens(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """Token ids of a request as its policy reads it, ready for the reply.

    Chat models get their own marks, in the short form without a system text where they know
    ChatML. A model without a chat template gets a line break, which word-level policies lack.
    """
    if tokenizer.convert_tokens_to_ids("<|im_start|>") not in (None, tokenizer.unk_token_id):
        return encode(
            tokenizer, f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n", marks=True
        )
    if tokenizer.chat_template is not None:
        turn = [{"role": "user", "content": prompt}]
        return list(
            tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
        )
    return [*encode(tokenizer, prompt), *tokenizer("\n", add_special_tokens=False)["input_ids"]]


def new_policy(
    architecture: str, hidden_size: int, layers: int, tokenizer: PreTrainedTokenizerBase, seed: int
) -> PreTrainedModel:
    """A policy with random weights drawn from ``seed``."""
    torch.manual_seed(seed)
    config = policy_config(architecture, hidden_size, layers, tokenizer)
    return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")


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


def decode(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """The text of a sampled completion, without its end token; other marks stay visible."""
    ended = len(tokens) > 0 and tokens[-1] == tokenizer.eos_token_id
    return str(tokenizer.decode(list(tokens[:-1] if ended else tokens)))


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
