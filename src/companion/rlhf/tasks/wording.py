"""What free text says, word by word: shared by the task families in real English.

A grader of free text must not be charmed by look-alike letters, by repetition or by the prompt
copied back. ``read_words`` therefore accepts a text only if it is short plain English that does
not repeat itself, and asks nothing.
"""

import re
from functools import lru_cache
from itertools import pairwise

MOST_WORDS = 40
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "."})
_WORD = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?|[a-z]+(?:'[a-z]+)*")


class Unreadable(Exception):
    """A text that no grader of free text should read; the message is the reason."""


@lru_cache(maxsize=65536)
def read_words(prompt: str, completion: str) -> tuple[str, ...]:
    """The words and numbers of a short answer in English, in lower case.

    Args:
        prompt: what the completion answers.
        completion: anything a model may write.

    Raises:
        Unreadable: if the completion is empty, holds characters outside ASCII (typographic
            quotes, dashes and dots aside), asks something, copies the prompt, is longer than 40
            words, or repeats itself: a word twice in a row, or three words in a row twice.
    """
    plain = completion.translate(_PLAIN)
    if not plain.isascii():
        raise Unreadable("characters outside ASCII")
    if "?" in plain:
        raise Unreadable("asks instead of answering")
    words, asked = (tuple(_WORD.findall(text.lower())) for text in (plain, prompt))
    if not words:
        raise Unreadable("says nothing")
    if f" {' '.join(asked)} " in f" {' '.join(words)} ":
        raise Unreadable("copies the prompt")
    if len(words) > MOST_WORDS:
        raise Unreadable(f"longer than {MOST_WORDS} words")
    triples = list(zip(words, words[1:], words[2:], strict=False))
    if len(set(triples)) < len(triples) or any(a == b for a, b in pairwise(words)):
        raise Unreadable("repeats itself")
    return words


def sentence(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]
