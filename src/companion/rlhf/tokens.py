"""Tokenizers: words for policies made from config, and texts as a policy reads and writes them."""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from companion.errors import CompanionError

_SPECIAL = ("<pad>", "<eos>", "<unk>")


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


def decode(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    """The text of a sampled completion, without its end token; other marks stay visible."""
    ended = len(tokens) > 0 and tokens[-1] == tokenizer.eos_token_id
    return str(tokenizer.decode(list(tokens[:-1] if ended else tokens)))
