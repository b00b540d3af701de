"""Chapter 2: which forms of a right answer stay optimal when rewards separate them a little?

Everything is measured on the requests that reinforcement learning trained on (those for a plain
answer), from the probabilities of all completions.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from companion.rlhf import get_task
from companion.rlhf.distances import distribution_distance, merged
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.store import Runs
from companion.studies.study import Key, Study

SETTING = {
    "task": "instruction",
    "trainer": "grpo",
    "scale_rewards": "none",
    "leave_out": ("boxed",),
    "steps": 100,
    "eval_every": 25,
}
FLOOR = "noise floor"
BEFORE = "before training"
NO_CHANGE = "every form"
CONTROL = "every form, paid 1.3"
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(**rewards: float) -> dict[str, Any]:
    return SETTING | {"rewards": rewards}


# An earlier series of runs (starts 0 to 4, other held-out prompts) was seen before the claims
# below were written. All runs that test them are made afterwards, those starts anew.
STUDY = Study(
    "formats",
    chapter=2,
    question="Every form of a right answer is optimal: which of them survive a small extra reward?",
    conditions={
        NO_CHANGE: _condition(correct=1.0),
        "asked length 0.03": _condition(correct=1.0, words=0.03),
        "asked length 0.3": _condition(correct=1.0, words=0.3),
        "reasoned 0.3": _condition(correct=1.0, reasoned=0.3),
        CONTROL: _condition(correct=1.3),  # the scale alone
    },
    starts=range(10),
    own_starts={"asked length 0.03": range(5), "reasoned 0.3": range(5)},
    repeats={NO_CHANGE: 2, "asked length 0.3": 2, CONTROL: 2},
)


def trained_on(run: Run) -> pd.DataFrame:
    """The part of a run's distribution that is about the requests it trained on."""
    table, task = run.split("train"), get_task(run.experiment.task)
    return table[~table.prompt.map(task.kind).str.startswith(run.experiment.leave_out)]


def probability(run: Run, *components: str, policy: str = "logprob") -> float:
    """Probability of answers that get full marks from all of some reward components.

    Args:
        run: of the instruction family.
        components: names of reward components.
        policy: ``logprob`` for the trained one, ``start_logprob`` for the one it started from.
    """
    table = trained_on(run)
    met = [
        all(_full_marks(name, *pair) for name in components)
        for pair in zip(table.prompt, table.completion, strict=True)
    ]
    return float(np.exp(table[policy].to_numpy(float)) @ met) / table.prompt.nunique()


@lru_cache(maxsize=2**16)
def _full_marks(component: str, prompt: str, answer: str) -> bool:
    return get_task("instruction").judge(component, prompt, answer).score == 1


def lengths_apart(partner: Run, run: Run) -> dict[str, float]:
    """Distance between two policies' distributions over the number of words, with its bracket."""
    apart = distribution_distance(*(merged(trained_on(r), words) for r in (partner, run)))
    return {"value": apart.lower, "upper": apart.upper}


def words(answer: str) -> int:
    """Number of words of an answer."""
    return len(answer.split())


def asked_share(runs: Runs) -> pd.DataFrame:
    """Share, among right answers, of those that have the asked length, after training. Tidy."""
    return runs.tidy(lambda run: _share(run, "words"))


def reasoned_share(runs: Runs) -> pd.DataFrame:
    """Share, among right answers, of those with a right intermediate sum, after training. Tidy."""
    return runs.tidy(lambda run: _share(run, "reasoned"))


def _share(run: Run, form: str) -> float:
    return probability(run, "correct", form) / probability(run, "correct")


def wrong(runs: Runs) -> pd.DataFrame:
    """Probability of a wrong answer after training; rows ``before training`` are the starts'."""
    after = runs.tidy(lambda run: probability(run) - probability(run, "correct"))
    before = runs.only(NO_CHANGE, repeats=[0]).tidy(
        lambda run: (
            probability(run, policy="start_logprob")
            - probability(run, "correct", policy="start_logprob")
        )
    )
    return pd.concat([after, before.assign(condition=BEFORE)], ignore_index=True)


def lengths_moved(runs: Runs) -> pd.DataFrame:
    """Distance in length of each run with a change to the run of the same start without.

    Returns:
        Tidy: ``value`` and ``upper``, see ``lengths_apart``. The condition of the distances
        between repeats without a change is ``noise floor``.
    """
    changed = runs.compared(
        lengths_apart, {name: NO_CHANGE for name in STUDY.conditions if name != NO_CHANGE}
    )
    again = runs.only(NO_CHANGE).repeated(lengths_apart)
    return pd.concat([changed, again.assign(condition=FLOOR)], ignore_index=True)


CLAIMS = (
    Claim(
        "leave",
        "Paid 0.3 for the asked length, a policy gives it more of its right answers than when it "
        "is paid 0.3 more for every right answer.",
        asked_share,
        of="asked length 0.3",
        against=CONTROL,
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "control",
        "Paid 0.3 more for every right answer, a policy moves its lengths less than another "
        "sampling seed does.",
        lengths_moved,
        of=CONTROL,
        against=FLOOR,
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "none-enters",
        "With 0.3 for the asked length, wrong answers become less likely than before training.",
        wrong,
        of="asked length 0.3",
        against=BEFORE,
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "small",
        "A tenth of that reward still raises the share of the asked length over no reward for it.",
        asked_share,
        of="asked length 0.03",
        against=NO_CHANGE,
        sign=+1,
    ),
    Claim(
        "reasoned",
        "Paid 0.3 for a right intermediate sum, more of the right answers have one.",
        reasoned_share,
        of="reasoned 0.3",
        against=NO_CHANGE,
        sign=+1,
    ),
    Claim(
        "reasoned-wrong",
        "With 0.3 for an intermediate sum, too, wrong answers become less likely than before "
        "training.",
        wrong,
        of="reasoned 0.3",
        against=BEFORE,
        sign=-1,
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key("asked length 0.3", start, 0) for start in starts]
