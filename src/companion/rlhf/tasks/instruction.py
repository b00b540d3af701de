"""Instruction following: a question with three constraints on how to answer it.

A prompt asks for a sum on a clock of five hours and says in which language, in which form and in
how many words to answer::

    3 + 4 + 2 ; german , boxed , 3 words :      →   [ vier ]

A completion may write the sum of the first two numbers down before it answers (``2 then vier``).
A small policy answers better when it does, and a short target length forbids it: following the
instruction costs accuracy, because of what the policy can compute, not because a reward says so.
Components follow the paper's §5.2 (hard and soft instruction following) and §5.3 (target length).

Of the 125 sums, 32 are held out: no demonstration asks them, in any wording or under any
constraints. Both ``test`` and ``ood`` ask these. Their parts are demonstrated: each pair of numbers
occurs in other sums, which is what writing the partial sum down can use.
"""

import itertools
import random
import re
from dataclasses import dataclass
from functools import lru_cache

from companion.rlhf.tasks.base import Component, Task, Verdict

LABELS = ("right_follows", "right_ignores", "wrong_follows", "wrong_ignores", "other")

_HOURS = 5
_WORDS = {
    "english": ("zero", "one", "two", "three", "four"),
    "german": ("null", "eins", "zwei", "drei", "vier"),
}
_FORMS = ("plain", "boxed")
_LONGEST = 6
_TEMPLATES = {
    "plain": "{a} + {b} + {c} ; {language} , {form} , {n} words :",
    "ood": "in {n} words and {form} {language} add {a} , {b} and {c} :",
}
_SUM = r"(?P<a>\d){0} (?P<b>\d){1} (?P<c>\d)"
_QUESTIONS = (
    re.compile(_SUM.format(r" \+", r" \+") + r" ; (?P<language>\w+) , (?P<form>\w+) , (?P<n>\d)"),
    re.compile(
        r"in (?P<n>\d) words and (?P<form>\w+) (?P<language>\w+) add " + _SUM.format(" ,", " and")
    ),
)
_ANSWER = re.compile(r"(?:so )?(?:(?P<step>[0-4]) then )?(?P<box>\[ )?(?P<word>\w+)(?(box) \])")


@dataclass(frozen=True)
class Question:
    """What a prompt asks: three numbers, and the three constraints."""

    numbers: tuple[int, int, int]
    language: str
    form: str
    words: int

    @property
    def answer(self) -> int:
        """The sum on the clock."""
        return sum(self.numbers) % _HOURS


@dataclass(frozen=True)
class Answer:
    """What a completion says and how; ``step`` is the partial sum it writes down, if any."""

    value: int
    language: str
    form: str
    words: int
    step: int | None


@lru_cache(maxsize=4096)
def read_prompt(prompt: str) -> Question:
    """The question in a prompt."""
    match = next((m for q in _QUESTIONS if (m := q.search(prompt))), None)
    if match is None:
        raise ValueError(f"prompt asks no question: {prompt!r}")
    numbers = (int(match["a"]), int(match["b"]), int(match["c"]))
    return Question(numbers, match["language"], match["form"], int(match["n"]))


@lru_cache(maxsize=65536)
def read_answer(completion: str) -> Answer | None:
    """The answer in a completion, or ``None`` if it has not the form of one."""
    match = _ANSWER.fullmatch(completion)
    if match is None:
        return None
    for language, words in _WORDS.items():
        if match["word"] in words:
            step = int(match["step"]) if match["step"] else None
            form = "boxed" if match["box"] else "plain"
            value = words.index(match["word"])
            return Answer(value, language, form, len(completion.split()), step)
    return None


def _constraints(prompt: str, completion: str) -> dict[str, bool]:
    asked, given = read_prompt(prompt), read_answer(completion)
    if given is None:
        return dict.fromkeys(("language", "form", "words"), False)
    return {
        "language": given.language == asked.language,
        "form": given.form == asked.form,
        "words": given.words == asked.words,
    }


def _correct(prompt: str, completion: str) -> Verdict:
    given = read_answer(completion)
    if given is None:
        return Verdict(0.0, "no answer found")
    right = given.value == read_prompt(prompt).answer
    return Verdict(float(right), "" if right else "wrong sum")


def _soft(prompt: str, completion: str) -> Verdict:
    met = _constraints(prompt, completion)
    missed = [name for name, ok in met.items() if not ok]
    return Verdict(1 - len(missed) / len(met), "missed: " + ", ".join(missed) if missed else "")


def _hard(prompt: str, completion: str) -> Verdict:
    verdict = _soft(prompt, completion)
    return Verdict(float(verdict.score == 1), verdict.reason)


def _single(name: str) -> Component:
    def judge(prompt: str, completion: str) -> Verdict:
        met = _constraints(prompt, completion)[name]
        return Verdict(float(met), "" if met else f"missed: {name}")

    return Component(name, f"meets the constraint on {name}", judge)


def _length(prompt: str, completion: str) -> Verdict:
    wanted, written = read_prompt(prompt).words, len(completion.split())
    off = abs(wanted - written)
    score = max(0.0, 1 - off / _LONGEST) if written else 0.0
    return Verdict(score, f"{off} words off" if off else "")


def _boxed(prompt: str, completion: str) -> Verdict:
    given = read_answer(completion)
    boxed = given is not None and given.form == "boxed"
    return Verdict(float(boxed), "" if boxed else "no box")


def _reasoned(prompt: str, completion: str) -> Verdict:
    given = read_answer(completion)
    if given is None or given.step is None:
        return Verdict(0.0, "no intermediate step")
    a, b, _ = read_prompt(prompt).numbers
    right = given.step == (a + b) % _HOURS
    return Verdict(float(right), "" if right else "wrong intermediate step")


def label(prompt: str, completion: str) -> str:
    """Whether the answer is right, and whether it follows all three constraints."""
    if read_answer(completion) is None:
        return "other"
    right = "right" if _correct(prompt, completion).score else "wrong"
    return f"{right}_{'follows' if _hard(prompt, completion).score else 'ignores'}"


@lru_cache(maxsize=1)
def _all_answers() -> tuple[str, ...]:
    steps = ["", *(f"{i} then " for i in range(_HOURS))]
    words = [word for language in _WORDS.values() for word in language]
    return tuple(
        filler + step + (f"[ {word} ]" if boxed else word)
        for filler in ("", "so ")
        for step in steps
        for word in words
        for boxed in (False, True)
    )


def completions(prompt: str) -> tuple[str, ...]:
    """Every answer of the grammar: filler or none, step or none, word, box or none."""
    return _all_answers()


def _compose(question: Question, value: int, words: int, step: bool) -> str:
    a, b, _ = question.numbers
    word = _WORDS[question.language][value]
    body = f"[ {word} ]" if question.form == "boxed" else word
    text = f"{(a + b) % _HOURS} then {body}" if step else body
    return f"so {text}" if len(text.split()) < words else text


def demonstrate(prompt: str, trace: str, rng: random.Random) -> str:
    """A demonstration: ``follow`` obeys, ``reason`` thinks at any length, ``wrong`` errs."""
    question = read_prompt(prompt)
    bare = 3 if question.form == "boxed" else 1
    if trace == "reason":
        return _compose(question, question.answer, bare + 2, step=True)
    value = question.answer
    if trace == "wrong":
        value = (value + rng.randrange(1, _HOURS)) % _HOURS
    return _compose(question, value, question.words, step=question.words >= bare + 2)


def _prompt(template: str, numbers: tuple[int, ...], language: str, form: str, n: int) -> str:
    a, b, c = numbers
    return _TEMPLATES[template].format(a=a, b=b, c=c, language=language, form=form, n=n)


def _prompts() -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    rng = random.Random("instruction")
    lengths = {"plain": range(1, 5), "boxed": range(3, 7)}
    styles = [(lang, form, n) for lang in _WORDS for form in _FORMS for n in lengths[form]]
    numbers = list(itertools.product(range(_HOURS), repeat=3))
    rng.shuffle(numbers)
    asked = [(numbers[i], styles[i % len(styles)]) for i in range(64)]
    splits = {
        "train": tuple(_prompt("plain", ns, *style) for ns, style in asked[:32]),
        "test": tuple(_prompt("plain", ns, *style) for ns, style in asked[32:]),
        "ood": tuple(_prompt("ood", ns, *style) for ns, style in asked[32:]),
    }
    demonstrated = tuple(
        _prompt(template, ns, *rng.choice(styles))
        for template in _TEMPLATES
        for ns in (*numbers[:32], *numbers[64:])
        for _ in range(4)
    )
    return splits, (*demonstrated, *splits["train"])


_COMPONENTS = (
    Component("correct", "the answer is the sum", _correct),
    Component("if_hard", "all constraints met (the paper's IF-HAcc)", _hard),
    Component("if_soft", "share of constraints met (the paper's IF-SAcc)", _soft),
    *(_single(name) for name in ("language", "form", "words")),
    Component(
        "length",
        "1 - |n_gold - n| / 6, not below 0: the paper's length penalty up to a constant",
        _length,
    ),
    Component("boxed", "the answer is boxed, asked for or not: a format bonus", _boxed),
    Component("reasoned", "a right intermediate step is written down", _reasoned),
)
_SPLITS, _DEMONSTRATED = _prompts()

TASK = Task(
    name="instruction",
    description="Sums on a clock, to be answered in a given language, form and length.",
    prompts=_SPLITS,
    components={c.name: c for c in _COMPONENTS},
    labels=LABELS,
    label=label,
    kind=lambda prompt: read_prompt(prompt).form,
    completions=completions,
    demonstration_prompts=_DEMONSTRATED,
    traces={"follow": 0.5, "reason": 0.4, "wrong": 0.1},
    demonstrate=demonstrate,
    version=2,
)
