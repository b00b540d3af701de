import random

import pytest

from companion.rlhf import get_task
from companion.rlhf.tasks.instruction import LABELS, read_prompt

TASK = get_task("instruction")
PROMPT = "3 + 4 + 2 ; german , boxed , 3 words :"  # the clock shows 4

SCORES = {
    # [ vier ] · 2 then [ vier ] · four · [ drei ] · nonsense
    "correct": (1, 1, 1, 0, 0),
    "if_hard": (1, 0, 0, 1, 0),
    "if_soft": (1, 2 / 3, 0, 1, 0),
    "language": (1, 1, 0, 1, 0),
    "form": (1, 1, 0, 1, 0),
    "words": (1, 0, 0, 1, 0),
    "length": (1, 2 / 3, 2 / 3, 1, 2 / 3),
    "boxed": (1, 1, 0, 1, 0),
    "reasoned": (0, 1, 0, 0, 0),
}
TEXTS = ("[ vier ]", "2 then [ vier ]", "four", "[ drei ]", "vierzig")


@pytest.mark.parametrize(("component", "scores"), SCORES.items())
def test_components(component, scores):
    verdicts = [TASK.judge(component, PROMPT, text) for text in TEXTS]
    assert [v.score for v in verdicts] == pytest.approx(scores)
    assert all(v.reason for v in verdicts if v.score < 1)


def test_every_component_is_tested():
    assert set(SCORES) == set(TASK.components)


def test_labels():
    found = [TASK.behaviour(PROMPT, text) for text in (*TEXTS, "[ vier", "drei")]
    assert found == [
        "right_follows",
        "right_ignores",
        "right_ignores",
        "wrong_follows",
        "other",
        "other",
        "wrong_ignores",
    ]
    assert set(found) == set(LABELS)


def test_both_templates_ask_the_same():
    asked = read_prompt("in 3 words and boxed german add 3 , 4 and 2 :")
    assert asked == read_prompt(PROMPT)
    assert asked.answer == 4


def test_length_is_the_penalty_up_to_a_constant():
    for words in range(1, 7):
        text = " ".join(["so"] * words)
        penalty = TASK.judge("length", PROMPT, text).score - 1
        assert penalty == pytest.approx(-abs(3 - words) / 6)
    assert TASK.judge("length", PROMPT, "so " * 500).score == 0
    assert TASK.judge("length", PROMPT, "").score == 0


def test_every_prompt_has_completions_that_follow_and_are_right():
    for prompts in TASK.prompts.values():
        for prompt in prompts:
            labels = {TASK.behaviour(prompt, c) for c in TASK.completions(prompt)}
            assert labels == set(LABELS) - {"other"}


def test_demonstrations_are_what_their_trace_says():
    rng = random.Random(0)
    for prompt in TASK.demonstration_prompts[::17]:
        follow, reason, wrong = (TASK.demonstrate(prompt, t, rng) for t in TASK.traces)
        assert TASK.behaviour(prompt, follow) == "right_follows"
        assert TASK.judge("reasoned", prompt, reason).score == 1
        assert TASK.judge("correct", prompt, reason).score == 1
        assert TASK.behaviour(prompt, wrong) == "wrong_follows"
        assert {follow, reason, wrong} <= set(TASK.completions(prompt))


@pytest.mark.parametrize(
    "text",
    ["four " * 300_000, "[ vier ]\x00", "[ ２ ]", "[ vier ] ]", "9 then vier", "２ then vier", ""],
)
def test_adversarial_completions(text):
    verdict = TASK.judge("if_hard", PROMPT, text)
    assert verdict.score == 0
    assert verdict.reason
