"""What a task is: prompts, traces to imitate, named reward components, behaviour labels.

Everything a reward or a label knows, it reads from the two texts (prompt, completion): the same
functions serve a word-level policy on a laptop and a model of a hub on a cluster.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from companion.errors import CompanionError

SPLITS = ("train", "test", "ood")
MAX_CHARACTERS = 2_000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Verdict:
    """A score in [0, 1] and, where it is not the full score, the reason."""

    score: float
    reason: str = ""


@dataclass(frozen=True)
class Component:
    """A named reward component; ``judge`` is a pure function of (prompt, completion)."""

    name: str
    description: str
    judge: Callable[[str, str], Verdict]


@dataclass(frozen=True)
class Evaluation:
    """A held-out score: the mean of a component over prompts.

    ``stands_for`` names the benchmark whose place it takes; it is an analogue, not that benchmark.
    """

    name: str
    stands_for: str
    prompts: tuple[str, ...]
    component: str


@dataclass(frozen=True)
class Task:
    """A family of prompts with everything needed to train and to measure a policy on it.

    Attributes:
        name: what ``get_task`` and ``Experiment.task`` call it.
        description: one sentence.
        prompts: texts by split: ``train`` is trained on, ``test`` holds other questions in the same
            wording, ``ood`` asks in a wording that reinforcement learning never sees. Neither
            demonstrations nor preferences hold a prompt of ``test`` or ``ood``.
        components: reward components by name.
        labels: the values of ``label``.
        label: behaviour label of (prompt, completion).
        kind: class of a prompt, such as ``safety/boundary``; rewards can be routed by it.
        completions: every completion of the task's grammar for a prompt, as texts.
        demonstration_prompts: prompts the demonstrations are drawn from.
        traces: mass of each kind of trace among the demonstrations (sums to 1).
        demonstrate: one completion of a kind of trace for a prompt.
        evaluations: held-out scores.
        preferences: (size, seed, biases) to triples (prompt, chosen, rejected), if people judge.
        biases: what annotators may be biased by, as ``preferences`` takes it.
        prepare: makes ready, side by side, what judging these (prompt, completion) pairs will
            need, so that judging them one by one is quick; none where it is quick anyway.
        fence: says in words what keeps completions that are run from the rest of the machine.
        version: raised whenever prompts or demonstrations change: runs of before answered other
            prompts, and an experiment's id tells them apart.
    """

    name: str
    description: str
    prompts: Mapping[str, tuple[str, ...]]
    components: Mapping[str, Component]
    labels: tuple[str, ...]
    label: Callable[[str, str], str]
    kind: Callable[[str], str]
    completions: Callable[[str], tuple[str, ...]]
    demonstration_prompts: tuple[str, ...]
    traces: Mapping[str, float]
    demonstrate: Callable[[str, str, random.Random], str]
    evaluations: tuple[Evaluation, ...] = ()
    preferences: Callable[[int, int, Mapping[str, float]], list[tuple[str, str, str]]] | None = None
    biases: tuple[str, ...] = ()
    prepare: Callable[[Sequence[tuple[str, str]]], None] | None = None
    fence: Callable[[], str] | None = None
    version: int = 1

    def component(self, name: str) -> Component:
        """The reward component of that name.

        Raises:
            CompanionError: if the task has none of that name.
        """
        if name not in self.components:
            known = ", ".join(sorted(self.components))
            raise CompanionError(f"rewards: task {self.name!r} has no {name!r}, only {known}")
        return self.components[name]

    def judge(self, name: str, prompt: str, completion: str) -> Verdict:
        """Score one completion by one component; a text no grader should read scores 0."""
        component = self.component(name)
        refusal = screen(completion)
        return Verdict(0.0, refusal) if refusal else component.judge(prompt, completion)

    def judge_all(
        self, name: str, prompts: Sequence[str], completions: Sequence[str]
    ) -> list[Verdict]:
        """``judge`` for a batch of as many prompts as completions."""
        self._make_ready(prompts, completions)
        pairs = zip(prompts, completions, strict=True)
        return [self.judge(name, p, c) for p, c in pairs]

    def behaviours(self, prompts: Sequence[str], completions: Sequence[str]) -> list[str]:
        """``behaviour`` for a batch of as many prompts as completions."""
        self._make_ready(prompts, completions)
        return [self.behaviour(p, c) for p, c in zip(prompts, completions, strict=True)]

    def _make_ready(self, prompts: Sequence[str], completions: Sequence[str]) -> None:
        if self.prepare is not None:
            pairs = zip(prompts, completions, strict=True)
            self.prepare([(p, c) for p, c in pairs if not screen(c)])

    def reward(self, weights: Mapping[str, float], prompt: str, completion: str) -> float:
        """Weighted sum of components."""
        return sum(w * self.judge(k, prompt, completion).score for k, w in weights.items())

    def behaviour(self, prompt: str, completion: str) -> str:
        """Label of a completion; a text no grader should read is ``other``."""
        return "other" if screen(completion) else self.label(prompt, completion)

    def demonstrations(
        self, size: int, seed: int, traces: Mapping[str, float] | None = None
    ) -> list[tuple[str, str]]:
        """Draw (prompt, completion) pairs, prompts in turn, traces by their mass."""
        masses = dict(self.traces if traces is None else traces)
        rng = random.Random(f"{self.name}/{seed}")
        kinds = rng.choices(list(masses), weights=list(masses.values()), k=size)
        prompts = [
            self.demonstration_prompts[i % len(self.demonstration_prompts)] for i in range(size)
        ]
        rng.shuffle(prompts)
        return [(p, self.demonstrate(p, k, rng)) for p, k in zip(prompts, kinds, strict=True)]

    def texts(self) -> list[str]:
        """All prompts and completions: what a word-level vocabulary must cover."""
        prompts = [*self.demonstration_prompts, *(p for s in SPLITS for p in self.prompts[s])]
        return prompts + [c for p in prompts for c in self.completions(p)]


@lru_cache(maxsize=4096)
def screen(completion: str) -> str:
    """The reason not to show a completion to any grader, or an empty string."""
    if len(completion) > MAX_CHARACTERS:
        return f"longer than {MAX_CHARACTERS} characters"
    if _CONTROL.search(completion):
        return "control characters"
    return ""
