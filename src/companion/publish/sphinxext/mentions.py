"""Where prose speaks of a numbered result, a chapter or a word of the glossary."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_KINDS = {
    "prop": "proposition",
    "lemm": "lemma",
    "theo": "theorem",
    "thm": "theorem",
    "rema": "remark",
    "fact": "fact",
    "chap": "chapter",
}
_DOTTED = r"(?:\d+|[A-Z])\.\d+"
_RESULT = rf"""(?P<result>(?:propositions?|props?\b\.?|lemmas?|theorems?|thms?\b\.?|remarks?)
    \s+{_DOTTED})"""
_PLAIN = r"(?P<plain>(?:facts?|chapters?)\s+\d+)"
_END = r"(?![\w-]|\.\d)"
_NUMBERED = re.compile(rf"(?<![\w-])(?:{_RESULT}|{_PLAIN}){_END}", re.VERBOSE | re.IGNORECASE)
_PLURAL = re.compile(r"s\.?\s", re.IGNORECASE)
_BETWEEN = r"(?:,?\s+(?:and|or|to)\s+|,\s+|–)"
_NEXT = {
    "result": re.compile(rf"{_BETWEEN}(?P<number>{_DOTTED}){_END}"),
    "plain": re.compile(rf"{_BETWEEN}(?P<number>\d+){_END}"),
}


@dataclass(frozen=True)
class Mention:
    """A stretch of a text and what it speaks of.

    Attributes:
        start: index of the first character.
        end: index after the last one.
        name: ``proposition-2-9``, ``lemma-c-1``, ``fact-6``, ``chapter-4``, ``term-tie``.
    """

    start: int
    end: int
    name: str


def name_of(kind: str, number: str) -> str:
    """The anchor of a numbered thing.

    >>> name_of("Prop.", "2.9"), name_of("Lemma", "C.1")
    ('proposition-2-9', 'lemma-c-1')
    """
    lower = kind.lower()
    (canonical,) = (full for start, full in _KINDS.items() if lower.startswith(start))
    return f"{canonical}-{number.lower().replace('.', '-')}"


def numbered(text: str) -> Iterator[Mention]:
    """The results, facts and chapters that ``text`` names by their numbers.

    After a plural each further number is a mention of its own; of a range, both ends are.

    >>> [m.name for m in numbered("Propositions 2.9 and 2.10, chapters 2 to 4, Lemma C.1")]
    ['proposition-2-9', 'proposition-2-10', 'chapter-2', 'chapter-4', 'lemma-c-1']
    """
    for found in _NUMBERED.finditer(text):
        kind, number = found.group().split()
        yield Mention(found.start(), found.end(), name_of(kind, number))
        follows = _NEXT[found.lastgroup or ""]
        end = found.end()
        while _PLURAL.search(found.group()) and (also := follows.match(text, end)):
            end = also.end()
            yield Mention(also.start("number"), end, name_of(kind, also["number"]))


class Glossary:
    """Finds the words of the glossary in a text, singular and plural, in either case.

    Args:
        names: the name of the anchor of each word.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = {term.lower(): name for term, name in names.items()}
        longest_first = sorted(self._names, key=len, reverse=True)
        words = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in longest_first)
        self._words = re.compile(rf"(?<![\w-])({words or '(?!)'})s?(?![\w-])", re.IGNORECASE)

    def find(self, text: str) -> Iterator[Mention]:
        """Every use of a word in ``text``."""
        for found in self._words.finditer(text):
            term = " ".join(found[1].lower().split())
            yield Mention(found.start(), found.end(), self._names[term])
