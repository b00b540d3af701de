"""Runs of a study whose distributions a test knows, in place of trained ones."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import pandas as pd

from companion.rlhf import get_task
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import Run
from companion.studies.study import Key, Study

TASK = get_task("deceptive")
PROMPTS = TASK.prompts["train"][:2]


@dataclass(frozen=True, eq=False)
class KnownRun(Run):
    """A run that a study asks for; a test names the study, adds metrics and a distribution."""

    study: ClassVar[Study]
    key: Key

    @cached_property
    def experiment(self) -> Experiment:
        return self.study.experiment(*self.key)

    @property
    def provenance(self):
        return {}

    @property
    def samples(self):
        return pd.DataFrame(columns=["split"])


def listed():
    """Every program for two training prompts, with its label."""
    table = pd.DataFrame(
        [
            ("train", prompt, completion, TASK.behaviour(prompt, completion))
            for prompt in PROMPTS
            for completion in TASK.completions(prompt)
        ],
        columns=["split", "prompt", "completion", "label"],
    )
    return table[table.label != "other"].reset_index(drop=True)
