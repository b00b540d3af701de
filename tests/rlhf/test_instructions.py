import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.rlhf import get_task
from companion.rlhf.tasks.instructions import KINDS, LABELS, demonstrate, read_prompt

TASK = get_task("instructions")
PROMPTS = [prompt for split in TASK.prompts.values() for prompt in split]


def prompt_of(kind, topic="capital"):
    """A training prompt of a kind of constraint."""
    found = (p for p in TASK.prompts["train"] if TASK.kind(p) == kind)
    return next(p for p in found if read_prompt(p).topic == topic)


def fill(kind, text):
    """A prompt of a kind, and a text with its answer, an error and its subject filled in."""
    prompt = prompt_of(kind)
    asked = read_prompt(prompt)
    return prompt, text.format(a=asked.answers[0], e=asked.errors[0], s=asked.subject)


CASES = [
    # kind of constraint, completion, label, soft
    ("lower", "It is {a}.", "ignores", None),
    ("lower", "I'd say {a}", "ignores", None),
    ("upper", "IT IS", "other", 0),
    ("quotes", '"It is {a}."', "follows", 1),
    ("quotes", '"The capital of {s} is {a}."', "follows", 1),
    ("quotes", ' "{a}" \n', "follows", 1),
    ("quotes", '"It is {a}.', "ignores", 0.5),
    ("quotes", "“It is {a}.”", "ignores", 0),
    ("quotes", '"', "other", 0),
    ("quotes", '"It is {e}."', "wrong", 1),
    ("ending", "{a}. I am sure.", "follows", 1),
    ("ending", '"{a}. i am sure."', "follows", 1),
    ("ending", "{a}, I am sure", "ignores", 0.5),
    ("ending", "I am sure. It is {a}.", "ignores", 0.5),
    ("ending", "I am sure.", "other", 0),
    ("ending", "It is {a}.", "ignores", 0),
    ("commas", "It is {a}.", "follows", 1),
    ("commas", "Well, it is {a}.", "ignores", 0.5),
    ("commas", "Well, yes, it is {a}.", "ignores", 1 / 3),
    ("commas", "Well， it is {a}.", "other", 0),
    ("brackets", "<<{a}>>", "follows", 1),
    ("brackets", "<<>> {a}", "ignores", 0.25),
    ("brackets", "It is <<{a}>>", "ignores", 0.25),
    ("brackets", "<<{a}>> <<{a}>>", "other", 0),
    ("words", "{a}.", "follows", 1),
    ("words", "It is {a}.", "follows", 1),
    ("words", "The capital of {s} is {a}.", "ignores", 0.5),
    ("words", "The-capital-of-{s}-is-{a}", "ignores", 0.5),
    ("words", "It is {a} or {e}.", "other", 0),
    ("words", "It is {a} {e}.", "other", 0),
    ("words", "It isn't {a}.", "other", 0),
    ("words", "{s}", "other", 0),
    ("words", "It is Atlantis.", "wrong", 1),
    ("ending", "It is called an Atlantis. I am sure.", "wrong", 1),
    ("commas", "Atlantis", "other", 0),
    ("commas", "It is the capital", "other", 0),
    ("words", "{a}?", "other", 0),
]


@pytest.mark.parametrize(("kind", "text", "label", "soft"), CASES)
def test_labels_and_soft_scores(kind, text, label, soft):
    prompt, completion = fill(kind, text)
    assert TASK.behaviour(prompt, completion) == label
    verdict = TASK.judge("soft", prompt, completion)
    assert verdict.reason or verdict.score == 1
    if soft is not None:
        assert verdict.score == pytest.approx(soft)


def test_case_is_judged_by_every_letter():
    for kind, change in (("lower", str.lower), ("upper", str.upper)):
        prompt, text = fill(kind, "The capital of {s} is {a}.")
        assert TASK.behaviour(prompt, change(text)) == "follows"
        almost = change(text[:-2]) + text[-2:].swapcase() if kind == "lower" else text.upper()[:-2]
        almost += "" if kind == "lower" else text[-2:]
        assert TASK.behaviour(prompt, almost) == "ignores"
        assert 0.9 < TASK.judge("soft", prompt, almost).score < 1


def test_sums_are_read_in_digits_and_in_words():
    prompt = next(p for p in PROMPTS if read_prompt(p).subject == "7 plus 5")
    for text in (
        "It is 12.",
        "twelve",
        "7 plus 5 is 12",
        "Seven plus five makes twelve.",
        "7+5=12",
    ):
        assert TASK.judge("correct", prompt, text).score == 1, text
    for text in ("11", "It is -12.", "12.5", "1 2", "7 plus 5", "11 12 13", "١٢", "１２", "120"):
        assert TASK.judge("correct", prompt, text).score == 0, text


def test_length_falls_with_each_word_off():
    prompt, full = fill("length", "The capital of {s} is {a}.")
    wanted = read_prompt(prompt).words
    for text in ("{a}.", "It is {a}.", "The answer is {a}.", full):
        text = fill("length", text)[1]
        off = abs(len(text.split()) - wanted)
        verdict = TASK.judge("length", prompt, text)
        assert verdict.score == pytest.approx(max(0, 1 - off / wanted))
        assert (verdict.score == 1) == (TASK.behaviour(prompt, text) == "follows")
    assert TASK.judge("length", prompt, " ".join("abcdefghij"[:wanted])).score == 0
    assert TASK.judge("length", *fill("words", "{a}.")).score == 0


def test_brief_prefers_fewer_words():
    texts = ("{a}.", "It is {a}.", "The capital of {s} is {a}.")
    scores = [TASK.judge("brief", *fill("lower", text)).score for text in texts]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1


def test_splits_are_large_and_share_no_question():
    sizes = {name: len(set(prompts)) for name, prompts in TASK.prompts.items()}
    assert sizes["train"] >= 60
    assert min(sizes["test"], sizes["ood"]) >= 30
    assert sum(sizes.values()) == len(set(PROMPTS))
    asked = {
        split: {(read_prompt(p).topic, read_prompt(p).subject) for p in prompts}
        for split, prompts in TASK.prompts.items()
    }
    assert not asked["train"] & asked["test"]
    assert not asked["train"] & asked["ood"]
    assert not asked["test"] & asked["ood"]
    assert set(TASK.demonstration_prompts) == set(TASK.prompts["train"])


def test_ood_words_are_others():
    trained = {(p.split(". ")[-1].split("? ")[-1]) for p in TASK.prompts["train"]}
    assert not any(p.endswith(tuple(trained)) for p in TASK.prompts["ood"])


def test_every_kind_is_in_every_split():
    for prompts in TASK.prompts.values():
        counts = Counter(map(TASK.kind, prompts))
        assert set(counts) == set(KINDS)
        assert min(counts.values()) >= 5


def test_listed_completions_are_few_short_and_of_every_label():
    for prompt in PROMPTS:
        listed = TASK.completions(prompt)
        assert len(set(listed)) == len(listed) <= 40
        assert {TASK.behaviour(prompt, text) for text in listed} == set(LABELS) - {"other"}
        for text in listed:
            assert len(text.split()) <= 16
            assert text == " ".join(text.split())


def test_demonstrations_are_listed_and_what_their_trace_says():
    rng = random.Random(0)
    for prompt in TASK.demonstration_prompts:
        for trace in TASK.traces:
            text = demonstrate(prompt, trace, rng)
            assert text in TASK.completions(prompt)
            assert TASK.behaviour(prompt, text) == trace
    shares = Counter(TASK.behaviour(*pair) for pair in TASK.demonstrations(4000, 0))
    for trace, share in TASK.traces.items():
        assert shares[trace] / 4000 == pytest.approx(share, abs=0.03)


def test_the_tie_and_what_breaks_it():
    for prompt in PROMPTS:
        for text in TASK.completions(prompt):
            found = TASK.behaviour(prompt, text)
            score = {name: TASK.judge(name, prompt, text).score for name in TASK.components}
            assert score["correct"] == float(found in ("follows", "ignores"))
            assert score["bonus_follows"] == float(found == "follows")
            assert score["bonus_ignores"] == float(found == "ignores")
            assert score["follows"] == float(score["soft"] == 1)
            if found in ("follows", "ignores"):
                assert score["follows"] == float(found == "follows")


def test_no_prompt_holds_its_answer():
    for prompt in PROMPTS:
        assert TASK.behaviour(prompt, prompt) == "other"
        for text in (prompt.replace("?", ".").replace("?", ""), prompt.split("? ")[-1]):
            assert TASK.behaviour(prompt, text) == "other"
            assert all(TASK.judge(name, prompt, text).score == 0 for name in TASK.components)


def test_an_unknown_prompt_is_an_error_of_one_line():
    with pytest.raises(ValueError, match="none of the family"):
        TASK.judge("correct", "What is love?", "Paris")


LOOKALIKES = str.maketrans("aeiopcAEOPC", "аеіорсАЕОРС")  # Cyrillic
prompts = st.sampled_from(PROMPTS)
pieces = st.sampled_from([*'"<>,.-\n ?', "I am sure.", "<<", ">>", "it is", "\u200b", "not", "，"])


@settings(max_examples=300, deadline=None)
@given(prompts, st.text(max_size=200) | st.lists(pieces, max_size=30).map(" ".join))
def test_text_without_an_answer_earns_nothing(prompt, text):
    assert TASK.behaviour(prompt, text) in LABELS
    scores = {name: TASK.judge(name, prompt, text).score for name in TASK.components}
    assert all(0 <= score <= 1 for score in scores.values())
    if not any(c.isalnum() and c.isascii() for c in text.replace("I am sure", "")):
        assert not any(scores.values())


@settings(max_examples=300, deadline=None)
@given(prompts, st.data())
def test_answers_cannot_be_forged(prompt, data):
    text = data.draw(st.sampled_from(TASK.completions(prompt)))
    forged = data.draw(
        st.sampled_from(
            [
                " ".join([text] * 3),
                f"{text} {prompt}",
                f"{text} Or not.",
                text + " or " + data.draw(st.sampled_from(TASK.completions(prompt))),
                " ".join(read_prompt(prompt).errors) + " " + read_prompt(prompt).answers[0],
                text.translate(LOOKALIKES),
                "\u200b".join(text),
                " ".join(re.sub(r"\d", "x", text)),
                text + "\u0301",
                text + " so" * 100_000,
                text + "\x00",
            ]
        )
    )
    if forged.strip() == text:  # a text without the letters in question
        return
    assert TASK.judge("correct", prompt, forged).score == 0
    assert TASK.judge("follows", prompt, forged).score == 0
    assert TASK.judge("follows", prompt, forged).reason


@settings(max_examples=200, deadline=None)
@given(prompts, st.data(), st.text(" \n\t", max_size=5), st.text(" \n\t", max_size=5))
def test_white_space_around_a_completion_is_nothing(prompt, data, before, after):
    text = data.draw(st.sampled_from(TASK.completions(prompt)))
    for name in TASK.components:
        bare, padded = (TASK.judge(name, prompt, t) for t in (text, before + text + after))
        assert bare == padded
