"""Instructions in real English: a question with one answer, and one constraint on how to give it.

A prompt asks for a fact or a small sum and says in which form to answer; a completion is any text::

    What is the capital of France? Use no capital letters.   →   the capital of france is paris.

The answer is read from the words alone, so under ``correct`` obeying and disobeying earn the same:
that is the tie of the paper's §5.2, and the constraint is what breaks it. In one kind of prompt the
constraint is a number of words, and ``length`` is the paper's §5.3.

The constraints and what satisfies them follow IFEval (Zhou et al. 2023, arXiv:2311.07911): lower
case, capitals, quotation, end phrase, no commas, title, number of words. The checkers are ours:
those of the package if-verifiable 0.1.2 need a language detector, nltk and datasets, and ask of a
text in lower case or capitals that it be detected as English besides.
"""

import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from companion.rlhf.tasks.base import Component, Task, Verdict
from companion.rlhf.tasks.wording import Unreadable, read_words, sentence

LABELS = ("follows", "ignores", "wrong", "other")

_ENDING = "I am sure."
_ENDING_WORDS = " i am sure"
_SAID = re.compile(r"\b(?:is|it's|called)(?: an?)? (\S+)$")
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen", "twenty"),
)
_TENS = {"thirty": "30", "forty": "40", "fifty": "50"}
_DIGITS: Mapping[str, str] = {word: str(n) for n, word in enumerate(_NUMBERS)} | _TENS
_UNDECIDED = frozenset({"not", "or", "nor", "never", "neither", "maybe", "perhaps"})

# topic: the question, the same in other words, the answer as a full sentence
_TOPICS: Mapping[str, tuple[str, str, str]] = {
    "capital": (
        "What is the capital of {s}?",
        "Name the capital of {s}.",
        "the capital of {s} is {a}",
    ),
    "color": ("What color is {s}?", "Tell me the color of {s}.", "the color of {s} is {a}"),
    "young": (
        "What is a young {s} called?",
        "Tell me what a young {s} is called.",
        "a young {s} is called {a}",
    ),
    "opposite": (
        "What is the opposite of {s}?",
        "Give the opposite of {s}.",
        "the opposite of {s} is {a}",
    ),
    "sum": ("What is {s}?", "Calculate {s}.", "the value of {s} is {a}"),
}
# kind: the constraint, the same in other words
_ASKED: Mapping[str, tuple[str, str]] = {
    "lower": ("Use no capital letters.", "Write in lowercase only."),
    "upper": ("Use only capital letters.", "Write in uppercase only."),
    "quotes": (
        "Wrap your whole answer in double quotes.",
        "Put double quotes around what you say.",
    ),
    "ending": (
        f'End your answer with the phrase "{_ENDING}"',
        f'Make these your last words: "{_ENDING}"',
    ),
    "commas": ("Do not use any commas.", "Write without commas."),
    "brackets": (
        "Put your whole answer in double angle brackets, such as <<answer>>.",
        "Start with << and stop with >>.",
    ),
    "words": ("Use at most {n} words.", "Say it in {n} words or fewer."),
    "length": ("Use exactly {n} words.", "Say it in {n} words, no more and no fewer."),
}
KINDS = tuple(_ASKED)
_COUNTED = ("words", "length")


@dataclass(frozen=True)
class Question:
    """What a prompt asks.

    Attributes:
        topic: such as ``capital``.
        subject: what the question is about.
        answers: the right answer, then other words for it.
        errors: two wrong answers that demonstrations use.
        kind: of constraint, one of ``KINDS``.
        words: the number of words that a counted constraint names, else 0.
    """

    topic: str
    subject: str
    answers: tuple[str, ...]
    errors: tuple[str, ...]
    kind: str
    words: int = 0


@dataclass(frozen=True)
class Answer:
    """What a completion says: the answer it gives, and its number of words."""

    value: str
    words: int


@lru_cache(maxsize=1)
def _facts() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    with Path(__file__).with_name("facts.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            (row["topic"], row["subject"], tuple(row["answers"].split("|")))
            for row in csv.DictReader(file)
        )


@lru_cache(maxsize=16)
def _vocabulary(topic: str) -> frozenset[str]:
    return frozenset(
        word.lower() for known, _, answers in _facts() if known == topic for word in answers
    )


def read_prompt(prompt: str) -> Question:
    """The question in a prompt of the family."""
    if prompt not in _QUESTIONS:
        raise ValueError(f"prompt is none of the family: {prompt!r}")
    return _QUESTIONS[prompt]


@lru_cache(maxsize=65536)
def read_answer(prompt: str, completion: str) -> Answer:
    """The one answer that a completion gives, whatever its form.

    Every word that could answer a question of the topic counts, save those of the question itself;
    where there is none, the last word, if the completion says that the answer ``is`` it.

    Raises:
        Unreadable: if the completion gives no answer, several, or an undecided one.
    """
    question, words = read_prompt(prompt), read_words(prompt, completion)
    if any(word in _UNDECIDED or word.endswith("n't") for word in words):
        raise Unreadable("undecided")
    asked = set(question.subject.lower().split())
    if question.topic == "sum":
        given = {w for word in words if _is_number(w := _DIGITS.get(word, word))} - asked
    else:
        given = (set(words) & _vocabulary(question.topic)) - asked
    if not given:
        said = _SAID.search(" ".join(words).removesuffix(_ENDING_WORDS))
        given = {said[1]} - set(re.findall(r"\w+", prompt.lower())) if said else set()
    if given and given <= {answer.lower() for answer in question.answers}:
        return Answer(question.answers[0], len(words))
    if len(given) != 1:
        raise Unreadable("gives several answers" if given else "gives no answer")
    return Answer(given.pop(), len(words))


def _is_number(word: str) -> bool:
    return word[-1].isdigit()


def _shares(kind: str, text: str, count: int, target: int) -> float:
    """How far a text goes to meet a constraint: 1 exactly if it meets it."""
    letters = [c for c in text if c.isalpha()]
    match kind:
        case "lower":
            return sum(c.islower() for c in letters) / max(1, len(letters))
        case "upper":
            return sum(c.isupper() for c in letters) / max(1, len(letters))
        case "quotes":
            return (text.startswith('"') + (len(text) > 1 and text.endswith('"'))) / 2
        case "ending":
            ending, lower = _ENDING.lower(), text.strip('"').lower()
            return 1.0 if lower.endswith(ending) else 0.5 * (ending.rstrip(".") in lower)
        case "commas":
            return 1 / (1 + text.count(","))
        case "brackets":
            whole = re.fullmatch(r"<<[^<>\n]+>>", text)
            return 1.0 if whole else (text.startswith("<<") + text.endswith(">>")) / 4
        case "words":
            return min(1.0, target / count)
    return max(0.0, 1 - abs(target - count) / max(target, 1))


def _judged(judge: Callable[[Question, Answer, str], Verdict]) -> Callable[[str, str], Verdict]:
    """A judge that gives nothing to a completion without an answer."""

    def guarded(prompt: str, completion: str) -> Verdict:
        try:
            answer = read_answer(prompt, completion)
        except Unreadable as reason:
            return Verdict(0.0, str(reason))
        return judge(read_prompt(prompt), answer, completion.strip())

    return guarded


def _correct(question: Question, answer: Answer, text: str) -> Verdict:
    right = answer.value == question.answers[0]
    return Verdict(float(right), "" if right else f"{answer.value} is wrong")


def _soft(question: Question, answer: Answer, text: str) -> Verdict:
    share = _shares(question.kind, text, answer.words, question.words)
    return Verdict(share, "" if share == 1 else f"misses the constraint: {question.kind}")


def _follows(question: Question, answer: Answer, text: str) -> Verdict:
    soft = _soft(question, answer, text)
    return Verdict(float(soft.score == 1), soft.reason)


def _length(question: Question, answer: Answer, text: str) -> Verdict:
    if question.kind != "length":
        return Verdict(0.0, "the prompt names no length")
    off = abs(question.words - answer.words)
    share = _shares("length", text, answer.words, question.words)
    return Verdict(share, f"{off} words off" if off else "")


def _brief(question: Question, answer: Answer, text: str) -> Verdict:
    return Verdict(1 / answer.words, f"{answer.words} words" if answer.words > 1 else "")


_correct_judge, _follows_judge = _judged(_correct), _judged(_follows)


def label(prompt: str, completion: str) -> str:
    """``follows`` or ``ignores`` the constraint with the right answer; ``wrong``; ``other``."""
    try:
        read_answer(prompt, completion)
    except Unreadable:
        return "other"
    if not _correct_judge(prompt, completion).score:
        return "wrong"
    return "follows" if _follows_judge(prompt, completion).score else "ignores"


def _bonus(behaviour: str) -> Component:
    def judge(prompt: str, completion: str) -> Verdict:
        found = label(prompt, completion)
        return Verdict(float(found == behaviour), "" if found == behaviour else f"it is {found}")

    return Component(f"bonus_{behaviour}", f"1 where the behaviour is {behaviour}", judge)


def _bodies(topic: str, subject: str, answer: str) -> dict[str, str]:
    """The plain ways to give an answer, shortest first, without capital and full stop."""
    said = f"a {answer}" if topic == "young" else answer
    full = _TOPICS[topic][2].format(s=subject, a=said)
    return {
        "bare": said,
        "short": f"it is {said}",
        "answer": f"the answer is {said}",
        "full": full,
        "long": f"I can tell you that {full}",
    }


def _forms(question: Question, answer: str) -> list[str]:
    """Ways to give an answer, some that meet the constraint and some that do not."""
    bodies = _bodies(question.topic, question.subject, answer)
    if question.kind in _COUNTED:
        return [f"{sentence(body)}." for body in bodies.values()]
    spoken = [bodies[name] for name in ("short", "answer", "full")]
    plain = [f"{sentence(body)}." for body in spoken]
    match question.kind:
        case "lower":
            return plain + [text.lower() for text in plain]
        case "upper":
            return plain + [text.upper() for text in plain]
        case "quotes":
            return plain + [f'"{text}"' for text in plain]
        case "ending":
            return plain + [f"{text} {_ENDING}" for text in plain]
        case "commas":
            return plain + [f"Well, {body}." for body in spoken]
    return plain + [f"<<{sentence(body)}>>" for body in spoken]


@lru_cache(maxsize=1024)
def completions(prompt: str) -> tuple[str, ...]:
    """Everything demonstrations can hold: right and two wrong answers, in each form."""
    question = read_prompt(prompt)
    answers = (question.answers[0], *question.errors)
    return tuple(text for answer in answers for text in _forms(question, answer))


def demonstrate(prompt: str, trace: str, rng: random.Random) -> str:
    """One of the listed completions whose label is the trace."""
    return rng.choice([text for text in completions(prompt) if label(prompt, text) == trace])


def _errors(
    topic: str, subject: str, answers: tuple[str, ...], rng: random.Random
) -> tuple[str, ...]:
    """Two wrong answers to a question: near sums, or answers to other questions of the topic."""
    if topic == "sum":
        right = int(answers[0])
        return tuple(str(right + step) for step in rng.sample((-1, 1, 2, 10), 2))
    firsts = sorted({first for known, _, (first, *_) in _facts() if known == topic})
    return tuple(rng.sample([word for word in firsts if word not in (subject, *answers)], 2))


def _ask(question: Question, wording: int) -> str:
    ask = _TOPICS[question.topic][wording].format(s=question.subject)
    number = _NUMBERS[question.words]
    return f"{ask} {_ASKED[question.kind][wording].format(n=number)}"


def _family() -> tuple[dict[str, tuple[str, ...]], dict[str, Question]]:
    """Prompts by split, and the question in each: two constraints a question, 2 : 1 : 1 splits."""
    rng = random.Random("instructions")
    facts = list(_facts())
    rng.shuffle(facts)
    facts.sort(key=lambda fact: list(_TOPICS).index(fact[0]))
    splits: dict[str, list[str]] = {"train": [], "test": [], "ood": []}
    used: Counter[tuple[str, str]] = Counter()
    asked = {}
    for i, (topic, subject, answers) in enumerate(facts):
        errors = _errors(topic, subject, answers, rng)
        counts = [len(body.split()) for body in _bodies(topic, subject, answers[0]).values()]
        targets = {"words": counts[1], "length": rng.choice(counts[1:])}
        # a sum's constraint names no number, which might be read as the answer
        kinds = [kind for kind in KINDS if topic != "sum" or kind not in _COUNTED]
        split = ("train", "train", "test", "ood")[i % 4]
        rng.shuffle(kinds)
        for kind in sorted(kinds, key=lambda kind: used[split, kind])[:2]:
            used[split, kind] += 1
            question = Question(topic, subject, answers, errors, kind, targets.get(kind, 0))
            prompt = _ask(question, int(split == "ood"))
            asked[prompt] = question
            splits[split].append(prompt)
    return {name: tuple(prompts) for name, prompts in splits.items()}, asked


_COMPONENTS = (
    Component("correct", "the answer is right, whatever its form", _correct_judge),
    Component("follows", "the constraint is met, and an answer given (hard)", _follows_judge),
    Component("soft", "how far the constraint is met, by an answer (soft)", _judged(_soft)),
    _bonus("follows"),
    _bonus("ignores"),
    Component(
        "length",
        "1 - |n_gold - n| / n_gold in words, not below 0, where the prompt names n_gold",
        _judged(_length),
    ),
    Component(
        "brief", "one over the number of words of an answer, right or wrong", _judged(_brief)
    ),
)
_SPLITS, _QUESTIONS = _family()

TASK = Task(
    name="instructions",
    description="Questions with one answer in English, each under one verifiable constraint.",
    prompts=_SPLITS,
    components={c.name: c for c in _COMPONENTS},
    labels=LABELS,
    label=label,
    kind=lambda prompt: read_prompt(prompt).kind,
    completions=completions,
    demonstration_prompts=_SPLITS["train"],
    traces={"follows": 0.45, "ignores": 0.45, "wrong": 0.10},
    demonstrate=demonstrate,
)
