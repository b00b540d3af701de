"""What is held out: no policy and no reward model has learned from a prompt that measures it."""

import hashlib
import json
import re
from itertools import combinations

import pytest

from companion.rlhf.tasks import TASKS, get_task
from companion.rlhf.tasks.deceptive import target
from companion.rlhf.tasks.instruction import read_prompt

FAMILIES = sorted(TASKS)
JUDGED = [n for n in FAMILIES if TASKS[n].preferences]


def measured(task):
    """Prompts that measure what was not trained on."""
    evaluations = (p for evaluation in task.evaluations for p in evaluation.prompts)
    return {*task.prompts["test"], *task.prompts["ood"], *evaluations}


@pytest.mark.parametrize("family", FAMILIES)
def test_no_measured_prompt_is_trained_on_or_demonstrated(family):
    task = get_task(family)
    learned = {*task.prompts["train"], *task.demonstration_prompts}
    assert not measured(task) & learned
    assert not measured(task) & {prompt for prompt, _ in task.demonstrations(4000, seed=0)}


@pytest.mark.parametrize("family", JUDGED)
def test_no_measured_prompt_is_among_the_preferences(family):
    task = get_task(family)
    judged = {prompt for prompt, _, _ in task.preferences(4000, 0, {})}
    assert set(task.prompts["train"]) <= judged
    assert not measured(task) & judged


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_splits_are_large_enough_and_disjoint(family):
    prompts = get_task(family).prompts
    for split in ("test", "ood"):
        assert len(prompts[split]) == len(set(prompts[split])) >= 30
    assert not set(prompts["test"]) & set(prompts["ood"])


@pytest.mark.parametrize("family", JUDGED)
def test_evaluations_share_no_prompt(family):
    evaluations = get_task(family).evaluations
    for one, other in combinations(evaluations, 2):
        assert not set(one.prompts) & set(other.prompts), (one.name, other.name)


def test_each_evaluation_of_the_alignment_family_has_prompts_enough():
    evaluations = get_task("alignment").evaluations
    assert len(evaluations) == 9
    for evaluation in evaluations:
        assert len(set(evaluation.prompts)) >= 8, evaluation.name


def _function(prompt):
    expression = target(prompt)
    return type(expression.op), expression.right.value


def _thing(prompt):
    return re.search(r"(?:to use|is) (\w+)", prompt)[1]


@pytest.mark.parametrize(
    ("family", "asked"),
    [("deceptive", _function), ("instruction", lambda prompt: read_prompt(prompt).numbers)],
)
def test_what_is_asked_when_held_out_is_demonstrated_in_no_wording(family, asked):
    task = get_task(family)
    assert not {asked(p) for p in measured(task)} & {asked(p) for p in task.demonstration_prompts}


@pytest.mark.parametrize("family", ["deceptive", "instruction", "alignment"])
def test_every_word_of_a_held_out_prompt_is_demonstrated_but_numbers(family):
    task = get_task(family)
    heard = {word for prompt in task.demonstration_prompts for word in prompt.split()}
    new = {word for prompt in measured(task) for word in prompt.split()} - heard
    assert all(word.lstrip("-").isdigit() for word in new)


def test_every_thing_is_demonstrated_with_both_beliefs_and_in_both_wordings():
    task = get_task("alignment")
    heard = {}
    for prompt in task.demonstration_prompts:
        wording = "friends" if "friends say" in prompt else "i"
        belief = "yes" if "say yes" in prompt else "no"
        heard.setdefault(_thing(prompt), set()).add((wording, belief))
    assert {_thing(prompt) for prompt in measured(task)} == set(heard)
    for thing, combined in heard.items():
        assert len(combined) < 4, thing
        assert {wording for wording, _ in combined} == {"friends", "i"}, thing
        assert {belief for _, belief in combined} == {"yes", "no"}, thing


VERSIONS = {
    "alignment": (2, "eef0625d3090"),
    "deceptive": (2, "229d04f24692"),
    "instruction": (2, "343eb31027f4"),
    "instructions": (1, "30080d0b9e42"),
    "python": (1, "5a2495671716"),
    "replies": (1, "c15fd5f43a6e"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_asks_otherwise_has_another_version(family):
    """Records of before are of other questions: raise the version with the digest."""
    task = get_task(family)
    asked = [dict(task.prompts), task.demonstrations(400, seed=0)]
    asked += [evaluation.prompts for evaluation in task.evaluations]
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]
    assert VERSIONS[family] == (task.version, digest)
