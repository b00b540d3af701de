"""A study: one question put to trained models, under conditions that have names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment

_FIRST_REPEAT = 100  # sampling seed of repeat 1


class Key(NamedTuple):
    """Which run of a study: its condition, its supervised start, its sampling seed in the start."""

    condition: str
    start: int
    repeat: int


@dataclass(frozen=True)
class Study:
    """A question, and everything that has to be trained to answer it.

    ::

        STUDY = Study(
            "cliff",
            chapter=4,
            question="How far does a small bonus for one of several tied traces move a policy?",
            conditions={"no bonus": {...}, "bonus 0.1": {...}},
            starts=range(10),
            repeats=2,
        )

    Attributes:
        name: of the module that holds it, and of its folder below ``data/studies``.
        chapter: number of the chapter that asks.
        question: one sentence.
        conditions: by name, the fields of an ``Experiment`` without its seeds.
        starts: numbers of the supervised starts (``sft_seed``).
        own_starts: starts of the conditions that have others, by condition: exploratory ones may
            have fewer.
        repeats: sampling seeds a start: one number for all conditions, or by condition (those not
            named get one). Repeat 0 samples with the number of its start, repeat k with 99 + k.
        splits: prompts whose distributions the record keeps.
        pairs: (condition, partner) whose trained policies are compared by samples, start by start;
            repeats of a condition are compared with its repeat 0 besides. For policies whose
            completions cannot all be listed.
        page: letter of that chapter's page that shows it, if not the first: ``b``.
    """

    name: str
    chapter: int
    question: str
    conditions: Mapping[str, Mapping[str, Any]]
    starts: Sequence[int] = range(5)
    repeats: int | Mapping[str, int] = 1
    splits: tuple[str, ...] = ("train",)
    pairs: tuple[tuple[str, str], ...] = ()
    own_starts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    page: str = ""

    def __post_init__(self) -> None:
        repeats = {} if isinstance(self.repeats, int) else self.repeats
        for what, named in (("repeats", repeats), ("starts", self.own_starts)):
            for condition in set(named) - set(self.conditions):
                raise CompanionError(f"study {self.name}: {what} of unknown {condition!r}")

    def experiment(self, condition: str, start: int = 0, repeat: int = 0) -> Experiment:
        """What is run under a condition, from a start, with a sampling seed.

        Raises:
            CompanionError: if there is no such condition, or its fields do not fit together.
        """
        if condition not in self.conditions:
            known = "; ".join(self.conditions)
            raise CompanionError(f"study {self.name}: no condition {condition!r}, only {known}")
        seed = _FIRST_REPEAT - 1 + repeat if repeat else start
        try:
            return Experiment(**self.conditions[condition], sft_seed=start, seed=seed)
        except CompanionError as error:
            raise CompanionError(f"study {self.name}, {condition!r}: {error}") from None

    def starts_of(self, condition: str) -> Sequence[int]:
        """Numbers of the supervised starts of a condition."""
        return self.own_starts.get(condition, self.starts)

    def repeats_of(self, condition: str) -> int:
        """Number of sampling seeds a start under a condition."""
        if isinstance(self.repeats, int):
            return self.repeats
        return self.repeats.get(condition, 1)

    def experiments(self) -> dict[Key, Experiment]:
        """Every run the study asks for: conditions × starts × repeats, in this order."""
        return dict(self._plan)

    def key_of(self, experiment: Experiment) -> Key:
        """The run of this study that an experiment is.

        Raises:
            CompanionError: if no condition asks for it.
        """
        try:
            return self._keys[experiment.id]
        except KeyError:
            raise CompanionError(
                f"study {self.name}: no condition asks for run {experiment.id} "
                f"({experiment.task}, {experiment.trainer}, rewards {experiment.rewards}, "
                f"start {experiment.sft_seed}, seed {experiment.seed})"
            ) from None

    @cached_property
    def _plan(self) -> dict[Key, Experiment]:
        keys = [
            Key(condition, start, repeat)
            for condition in self.conditions
            for start in self.starts_of(condition)
            for repeat in range(self.repeats_of(condition))
        ]
        return {key: self.experiment(*key) for key in keys}

    @cached_property
    def _keys(self) -> dict[str, Key]:
        keys: dict[str, Key] = {}
        for key, experiment in self._plan.items():
            other = keys.setdefault(experiment.id, key)
            if other != key:
                raise CompanionError(
                    f"study {self.name}: {tuple(other)} and {tuple(key)} are one experiment"
                )
        return keys
