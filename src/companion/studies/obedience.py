"""Chapter 5, second page: a reward for right answers alone, against following instructions.

Paying for right answers leaves open how to answer, so that ways that obey and ways that do not are
tied. What takes the tie away without paying for obedience is closeness to the start: with a
divergence term one policy is best, which obeys about as often as the start did. That is the control
of the claims about following. (A reward that counts obedience would be no control: it pays for what
is measured. It is here as a remedy, not as a control.)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from companion.data import data_path
from companion.rlhf import get_task
from companion.rlhf.records import Run
from companion.rlhf.tasks.instruction import read_answer, read_prompt
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

# Base policies: demonstrations seen (supervised steps, learning rate) and width. The last has seen
# enough of them to add.
BASES: dict[str, dict[str, Any]] = {
    "short, width 32": {"hidden_size": 32},
    "short, width 64": {"hidden_size": 64},
    "long, width 64": {"hidden_size": 64, "sft_steps": 1500, "sft_learning_rate": 3e-3},
    "longest, width 64": {"hidden_size": 64, "sft_steps": 4000, "sft_learning_rate": 3e-3},
}
ADDER = "longest, width 64"
DRIFTER = "short, width 64"  # obeying costs it nothing
NEW_STARTS = (22, 23)  # of the live part; the record has others
ALONE, HELD, REMEDY, OBEYING = "answers", "answers, held", "answers, a tenth obeying", "obeying"
PAID: dict[str, dict[str, Any]] = {
    ALONE: {"rewards": {"correct": 1.0}},
    HELD: {"rewards": {"correct": 1.0}, "beta": 0.3},
    REMEDY: {"rewards": {"correct": 1.0, "if_hard": 0.1}},
    OBEYING: {"rewards": {"if_hard": 1.0}},
}
MEASURES = {
    "correct": "correctness",
    "if_hard": "strict following",
    "if_soft": "lenient following",
}
ROOM, NO_ROOM = "room for a step", "no room"
OBEYS, IGNORES = "obeying", "ignoring"
_COLUMNS = {"correct": "correctness_acc", "if_hard": "if_hard_acc", "if_soft": "if_soft_acc"}


def name(base: str, paid: str) -> str:
    """The condition of a base policy and what it is paid for."""
    return f"{base}, {paid}"


_NAMES = [
    *(name(base, paid) for paid in (ALONE, REMEDY) for base in BASES),
    *(name(base, HELD) for base in (DRIFTER, ADDER)),
    name(ADDER, OBEYING),
]
_CONFIRMATORY = (name(ADDER, ALONE), name(ADDER, HELD))
# More starts where the page trains new ones. 20 and 21 were its first: 21 learned to add better
# than any of the ten before it and fell outside what these led to expect, so the record takes both.
_LIVE = (name(DRIFTER, ALONE), name(DRIFTER, REMEDY))
_LIVE_STARTS = (*range(10), 20, 21)


def split_name(condition: str) -> tuple[str, str]:
    """Base policy and what is paid, of a condition."""
    base = next(b for b in BASES if condition.startswith(b))
    return base, condition.removeprefix(f"{base}, ")


def _condition(condition: str) -> dict[str, Any]:
    base, paid = split_name(condition)
    return {"task": "instruction", "steps": 80, "eval_every": 20} | BASES[base] | PAID[paid]


STUDY = Study(
    "obedience",
    chapter=5,
    page="b",
    question="Does a policy that is paid for right answers alone still do as it is told?",
    conditions={condition: _condition(condition) for condition in _NAMES},
    # The weight of the divergence term was chosen on one start that is not
    # recorded, so that right answers still become more frequent.
    starts=range(10),
    repeats=dict.fromkeys(_CONFIRMATORY, 2),
    own_starts={name: range(5) for name in _NAMES if name not in _CONFIRMATORY}
    | dict.fromkeys(_LIVE, _LIVE_STARTS),
    splits=("train", "test"),
)


def changed(component: str, split: str = "train") -> Callable[[Runs], pd.DataFrame]:
    """A measure: how far training raises the mean of a reward component, between -1 and 1.

    Args:
        component: of the instruction task.
        split: of its prompts.
    """

    def change(run: Run) -> float:
        return run.expected(component, split) - run.expected(component, split, "start")

    def measure(runs: Runs) -> pd.DataFrame:
        return runs.tidy(change)

    return measure


class Answers(NamedTuple):
    """What the completions of a run's training prompts are, one truth value each."""

    right: np.ndarray
    obeys: np.ndarray  # all constraints met
    stepped: np.ndarray  # an intermediate step is written down
    cramped: np.ndarray  # the length asked for has no room for a step


def answers(run: Run) -> Answers:
    """The completions of ``run.split("train")``, in its order."""
    table, task = run.split("train"), get_task("instruction")
    right, obeys = (
        np.array([v.score == 1 for v in task.judge_all(c, table.prompt, table.completion)])
        for c in ("correct", "if_hard")
    )
    given = [read_answer(completion) for completion in table.completion]
    asked = [read_prompt(prompt) for prompt in table.prompt]
    return Answers(
        right,
        obeys,
        np.array([answer is not None and answer.step is not None for answer in given]),
        # A bare answer has one word, a box two more, a step two more.
        np.array([q.words < (3 if q.form == "boxed" else 1) + 2 for q in asked]),
    )


def _mass(run: Run, policy: str) -> np.ndarray:
    """(completions,) probability of each completion of the training prompts."""
    column = {"start": "start_logprob", "final": "logprob"}[policy]
    return np.exp(run.split("train")[column].to_numpy(float))


def arithmetic(runs: Runs) -> pd.DataFrame:
    """Share of right answers among some answers of the starts, on training prompts.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, ``with step``, ``without``; and among answers
        that have no room for a step: ``obeying`` and ``ignoring``.
    """

    def shares(run: Run) -> dict[str, float]:
        of, mass = answers(run), _mass(run, "start")

        def right_among(some: np.ndarray) -> float:
            return float(mass[some & of.right].sum() / mass[some].sum())

        return {
            "with step": right_among(of.stepped),
            "without": right_among(~of.stepped),
            OBEYS: right_among(of.cramped & of.obeys),
            IGNORES: right_among(of.cramped & ~of.obeys),
        }

    return runs.only(*(name(base, ALONE) for base in BASES), repeats=[0]).tidy(shares)


def price(runs: Runs) -> pd.DataFrame:
    """``arithmetic`` where there is no room for a step: right answers of the starts.

    Returns:
        Tidy; conditions are those of the runs with ``, obeying`` or ``, ignoring`` after them.
    """
    return _long(arithmetic(runs), (OBEYS, IGNORES))


def lost_by_room(runs: Runs) -> pd.DataFrame:
    """How far training raises strict following where a step has room, and where it has none.

    Returns:
        Tidy; conditions are those of the runs with ``, room for a step`` or ``, no room`` after
        them; on training prompts.
    """

    def change(run: Run) -> dict[str, float]:
        of = answers(run)
        moved = (_mass(run, "final") - _mass(run, "start")) * of.obeys
        prompts = run.split("train").prompt
        parts = {ROOM: ~of.cramped, NO_ROOM: of.cramped}
        return {
            where: float(moved[asked].sum() / prompts[asked].nunique())
            for where, asked in parts.items()
        }

    alone = runs.only(*(name(base, ALONE) for base in BASES))
    return _long(alone.tidy(change), (ROOM, NO_ROOM))


def _long(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """A tidy table whose condition also says which column a value is from."""
    parts = table.melt(["condition", "start", "repeat"], list(columns), "part")
    return parts.assign(condition=parts.condition + ", " + parts.part).drop(columns="part")


def paper_changes() -> pd.DataFrame:
    """Change over reasoning training in the paper's table (§5.2): models × components, shares."""
    table = pd.read_csv(data_path("paper/table_instruction_following.csv")).set_index("model")
    scores = table[list(_COLUMNS.values())].set_axis(list(_COLUMNS), axis=1) / 100
    return scores[table.stage != "base"] - scores[table.stage == "base"]


def paper_change(component: str) -> Callable[[], float]:
    """What the paper reports (§5.2) for a claim: the mean change over its models.

    Args:
        component: ``correct``, ``if_hard`` or ``if_soft``.
    """

    def change() -> float:
        return float(paper_changes()[component].mean())

    return change


correctness, correctness_unseen = changed("correct"), changed("correct", "test")
strict, strict_unseen = changed("if_hard"), changed("if_hard", "test")
lenient, lenient_unseen = changed("if_soft"), changed("if_soft", "test")


def _following(id: str, text: str, measure: Callable[[Runs], pd.DataFrame], short: str) -> Claim:
    """A claim that paying the base that can add for right answers alone lowers its following."""
    component = "if_hard" if "strict" in id else "if_soft"
    return Claim(
        id,
        text,
        measure,
        of=name(ADDER, ALONE),
        against=name(ADDER, HELD),
        sign=-1,
        section="5.2",
        short=short,
        paper=paper_change(component),
        confirmatory=True,
    )


# What raises correctness is that it is paid for; the control pays for obeying instead.
CLAIMS = (
    Claim(
        "correct",
        "Paid for right answers, a policy that can add answers better, more than if it is paid for "
        "obeying (prompts trained on).",
        correctness,
        of=name(ADDER, ALONE),
        against=name(ADDER, OBEYING),
        sign=+1,
        section="5.2",
        short="correctness, trained on",
        paper=paper_change("correct"),
    ),
    Claim(
        "correct-unseen",
        "Paid for right answers, a policy that can add answers better, more than if it is paid for "
        "obeying (held-out sums).",
        correctness_unseen,
        of=name(ADDER, ALONE),
        against=name(ADDER, OBEYING),
        sign=+1,
        section="5.2",
        short="correctness, held-out sums",
        paper=paper_change("correct"),
    ),
    _following(
        "strict",
        "And it follows instructions less by the strict count than if the same training is held "
        "near its start (prompts trained on).",
        strict,
        "strict following, trained on",
    ),
    _following(
        "strict-unseen",
        "And it follows instructions less by the strict count than if the same training is held "
        "near its start (held-out sums).",
        strict_unseen,
        "strict following, held-out sums",
    ),
    _following(
        "lenient",
        "And less by the lenient count (prompts trained on).",
        lenient,
        "lenient following, trained on",
    ),
    _following(
        "lenient-unseen",
        "And less by the lenient count (held-out sums).",
        lenient_unseen,
        "lenient following, held-out sums",
    ),
    Claim(
        "price",
        "Before that training, where the length leaves no room for an intermediate step, answers "
        "that obey are right less often than those that do not.",
        price,
        of=f"{name(ADDER, ALONE)}, {OBEYS}",
        against=f"{name(ADDER, ALONE)}, {IGNORES}",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "room",
        "Following is lost more where obeying leaves no room for a step than where it does.",
        lost_by_room,
        of=f"{name(ADDER, ALONE)}, {NO_ROOM}",
        against=f"{name(ADDER, ALONE)}, {ROOM}",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "drift",
        "A policy to which obeying costs nothing follows less too, than if the same training is "
        "held near its start (prompts trained on).",
        strict,
        of=name(DRIFTER, ALONE),
        against=name(DRIFTER, HELD),
        sign=-1,
    ),
    Claim(
        "drift-unseen",
        "A policy to which obeying costs nothing follows less too, than if the same training is "
        "held near its start (held-out sums).",
        strict_unseen,
        of=name(DRIFTER, ALONE),
        against=name(DRIFTER, HELD),
        sign=-1,
    ),
    Claim(
        "remedy",
        "A tenth of the strict count, paid besides, keeps more following than right answers alone.",
        strict,
        of=name(ADDER, REMEDY),
        against=name(ADDER, ALONE),
        sign=+1,
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the page trains while it is built: of a base whose demonstrations are few."""
    return [Key(name(DRIFTER, paid), start, 0) for paid in (ALONE, REMEDY) for start in starts]


def before_and_after(runs: Runs, split: str = "train") -> pd.DataFrame:
    """Means of correctness, strict and lenient following, at the start and after training.

    Returns:
        A row a run: ``condition``, ``start``, ``repeat``, and such columns as ``correct before``
        and ``correct after``.
    """

    def scores(run: Run) -> dict[str, float]:
        return {
            f"{component} {when}": run.expected(component, split, policy)
            for component in MEASURES
            for when, policy in (("before", "start"), ("after", "final"))
        }

    return runs.tidy(scores)
