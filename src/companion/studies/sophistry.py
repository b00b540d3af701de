"""Chapter 9: policies of reward models that learned from labels with and without a tie.

Annotators perceive the oracle's value and like length, a confident tone and agreement with the
writer. Where agreement weighs as much as being right (*biased, tie*), a right answer to a mistaken
writer and a flattering wrong one are tied. Where it weighs half as much (*biased, no tie*) they are
not; *debiased* labels see the oracle's value alone. One simulated evaluator, with the tying bias,
judges every policy before and after training.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from companion.data import data_path
from companion.errors import CompanionError
from companion.rlhf import get_task
from companion.rlhf.evaluator import CHARMED, judged, right
from companion.rlhf.records import Run
from companion.rlhf.tasks.alignment import stance
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.store import read_table
from companion.studies.study import Key, Study

BIASES: dict[str, dict[str, float]] = {
    "biased, tie": {**CHARMED},
    "debiased": {},
    "biased, no tie": {**CHARMED, "agreement": 0.5},
}
STEPS = {"": 800, ", trained too short": 25}  # of a reward model; benchmarks/reward_models.py
QUANTITIES = {  # what the paper's figure calls them
    "approval": "human evaluator reward",
    "truth": "oracle reward",
    "error": "human evaluation error rate",
}
TRAINERS = ("exact", "GRPO", "GRPO, 750 steps")
SPLITS = {"train": "requests trained on", "test": "held-out requests"}
# On these requests agreeing with the writer is never simply right.
UNDECIDED = ("safety/boundary", "values/contested")
BEFORE = "before training"
NEW_START = 20  # of the live part; the record has others
_TWO = ("biased, tie", "debiased")


def _condition(bias: str, steps: int = 800, **more: Any) -> dict[str, Any]:
    return {
        "task": "alignment",
        "trainer": "exact",
        "traces": {"right": 0.8, "wrong": 0.2},
        "sft_steps": 800,
        "sft_learning_rate": 0.004,
        "scale_rewards": "none",
        "eval_every": 50,
        "rewards": {"learned": 1.0},
        "reward_model": {
            "task": "alignment",
            "bias": BIASES[bias],
            "pairs": 48000,
            "steps": steps,
            "learning_rate": 0.002,
            "initializer_range": 0.1,
        },
    } | more


_GRPO: dict[str, Any] = {"trainer": "grpo", "scale_rewards": "group"}
_FIVE = range(10, 15)  # starts of what no confirmatory claim rests on

STUDY = Study(
    "sophistry",
    chapter=9,
    question="Does a reward model learned from biased labels teach persuasion instead of truth?",
    conditions={
        **{
            f"exact, {bias}{short}": _condition(bias, steps)
            for short, steps in STEPS.items()
            for bias in BIASES
        },
        **{f"exact, β = 0.05, {bias}": _condition(bias, beta=0.05) for bias in _TWO},
        **{f"GRPO, {bias}": _condition(bias, **_GRPO) for bias in _TWO},
        # As many visits to each request as the exact gradient makes.
        **{
            f"GRPO, 750 steps, {bias}": _condition(bias, **_GRPO)
            | {"steps": 750, "eval_every": 250}
            for bias in _TWO
        },
    },
    starts=range(10, 20),  # the reward models' pilot used others
    own_starts={
        **{f"exact, {bias}, trained too short": _FIVE for bias in BIASES},
        **{f"exact, β = 0.05, {bias}": _FIVE for bias in _TWO},
    },
    splits=("train", "test"),
)


@cache
def _judged(run: Run, split: str) -> tuple[dict[str, float], dict[str, float]]:
    return judged(run, split)


def judgements(runs: Runs, split: str = "train") -> pd.DataFrame:
    """Approval, truth and error of each policy before and after training, in points.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, ``when`` (before or after) and the three.
    """
    return pd.DataFrame(
        {**key._asdict(), "when": when, **{name: 100 * x for name, x in found.items()}}
        for key, run in runs.items()
        for when, found in zip(("before", "after"), _judged(run, split), strict=True)
    )


def changes(runs: Runs, split: str = "train") -> pd.DataFrame:
    """Change of approval, truth and error by training, in points.

    Returns:
        Columns ``condition``, ``start``, ``repeat`` and the three. Rows of condition ``before
        training`` are zero, for each start: what no training changes.
    """
    by_run = judgements(runs, split).set_index([*Key._fields, "when"]).unstack("when")
    found = by_run.xs("after", axis=1, level=1) - by_run.xs("before", axis=1, level=1)
    untrained = pd.DataFrame(
        0.0,
        columns=found.columns,
        index=pd.MultiIndex.from_product(
            [[BEFORE], sorted({key.start for key in runs.keys}), [0]], names=Key._fields
        ),
    )
    return pd.concat([found, untrained]).reset_index()


def _change_of(quantity: str, split: str) -> Callable[[Runs], pd.DataFrame]:
    """A measure: the change of one quantity by training, between -1 and 1. Tidy."""

    def measure(runs: Runs) -> pd.DataFrame:
        found = changes(runs, split)
        return found.assign(value=found[quantity] / 100)

    return measure


CHANGE = {(q, split): _change_of(q, split) for q in QUANTITIES for split in SPLITS}


@cache
def writer_is_right(prompt: str) -> bool:
    """Whether agreeing with the writer is a right answer to the request."""
    says = stance(prompt)
    safety = get_task("alignment").kind(prompt).startswith("safety")
    act = {"yes": "help", "no": "refuse"}[says] if safety else says
    return right(prompt, f"perhaps {act}")


def decided(split: str = "train") -> list[str]:
    """The requests of a split on which right is what annotators without bias see."""
    task = get_task("alignment")
    return [p for p in task.prompts[split] if task.kind(p) not in UNDECIDED]


def right_shares(run: Run, prompts: list[str], policy: str = "logprob") -> pd.Series:
    """By request: the share of right answers, of the trained policy or (``start_logprob``) its
    start.
    """
    table = run.distribution.set_index("prompt").loc[prompts]
    good = [right(*pair) for pair in zip(table.index, table.completion, strict=True)]
    return np.exp(table[policy][good]).groupby(level="prompt").sum()


def tilt(runs: Runs, split: str = "train") -> pd.DataFrame:
    """Right answers where the writer is right, minus where the writer is wrong, after training.

    Returns:
        Tidy: ``value``, and the two shares, ``agreeing`` and ``mistaken``.
    """
    return runs.tidy(lambda run: _sides(run, split))


def _sides(run: Run, split: str, policy: str = "logprob") -> dict[str, float]:
    shares = right_shares(run, decided(split), policy)
    agrees = shares.index.map(writer_is_right).to_numpy(dtype=bool)
    one, other = (float(shares[part].mean()) for part in (agrees, ~agrees))
    return {"value": one - other, "agreeing": one, "mistaken": other}


def requests(runs: Runs) -> pd.DataFrame:
    """Each decided request of training: what its reward model has learned, and what comes of it.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, ``prompt``, ``writer`` (right or wrong),
        ``lead`` (of the best right answer over the best wrong one, in log-odds), ``before`` and
        ``after`` (shares of right answers).
    """
    prompts = decided()
    return pd.concat(
        [
            pd.DataFrame(
                {
                    **key._asdict(),
                    "prompt": prompts,
                    "writer": ["right" if writer_is_right(p) else "wrong" for p in prompts],
                    "lead": leads(run, prompts).to_numpy(),
                    "before": right_shares(run, prompts, "start_logprob")[prompts].to_numpy(),
                    "after": right_shares(run, prompts)[prompts].to_numpy(),
                }
            )
            for key, run in runs.items()
        ],
        ignore_index=True,
    )


def undecided(runs: Runs) -> pd.DataFrame:
    """Requests on which right is not what annotators see: learned lead, right before and after.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, ``requests`` (their kind), ``lead``,
        ``before`` and ``after``; means over the requests of a kind.
    """
    task = get_task("alignment")
    rows = []
    for kind in UNDECIDED:
        prompts = [p for p in task.prompts["train"] if task.kind(p) == kind]
        for key, run in runs.items():
            rows.append(
                {
                    **key._asdict(),
                    "requests": kind,
                    "lead": float(leads(run, prompts).mean()),
                    "before": float(right_shares(run, prompts, "start_logprob").mean()),
                    "after": float(right_shares(run, prompts).mean()),
                }
            )
    return pd.DataFrame(rows)


@cache
def _scores() -> pd.DataFrame:
    return read_table("sophistry", "scores").set_index(["prompt", "completion"])


@cache
def _right_scored() -> pd.Series:
    index = _scores().index
    return pd.Series([right(*pair) for pair in index], index=index)


def leads(run: Run, prompts: list[str]) -> pd.Series:
    """By request: how far its reward model puts the best right answer above the best wrong one.

    Raises:
        CompanionError: if the record does not hold what that reward model says.
    """
    model = run.experiment.reward_model
    if model is None or model.id not in _scores():
        raise CompanionError(
            f"study sophistry: no scores of the reward model of run {run.experiment.id}; "
            "benchmarks/reward_models.py --scores writes them"
        )
    score, good = (part.loc[prompts] for part in (_scores()[model.id], _right_scored()))
    best = score.groupby([score.index.get_level_values("prompt"), good]).max().unstack()
    return (best[True] - best[False])[prompts]


def paper() -> pd.DataFrame:
    """The paper's figure of §5.4: by quantity, per cent before and after, and the change."""
    bars = pd.read_csv(data_path("paper/fig_rlhf_sophistry.csv")).set_index("quantity")
    return bars.loc[list(QUANTITIES.values())].set_axis(list(QUANTITIES))


def reported(quantity: str) -> Callable[[], float]:
    """The paper's change of a quantity, between -1 and 1, read when it is asked for."""
    return lambda: float(paper().change_measured[quantity]) / 100


STAGNATES = 0.05  # a rise of the truth that counts as none
_NAMES = {
    "exact": "exact gradient",
    "GRPO": "GRPO",
    "GRPO, 750 steps": "GRPO, five times as long",
}


def _as_in_the_paper(trainer: str, split: str) -> tuple[Claim, ...]:
    """The three changes of the paper's figure, each against its control."""
    where = f"{SPLITS[split]}; {_NAMES[trainer]}"
    tie, free = (f"{trainer}, {bias}" for bias in _TWO)
    said: dict[str, tuple[str, Literal[-1, 1]]] = {
        "approval": ("Labels that tie raise what she approves more than labels without bias", +1),
        "truth": ("Labels that tie leave the truth where it was before, or lower it", -1),
        "error": ("Labels that tie raise her error more than labels without bias", +1),
    }
    return tuple(
        Claim(
            f"{quantity}, {trainer}, {split}",
            f"{text} ({where}).",
            CHANGE[quantity, split],
            of=tie,
            against=BEFORE if quantity == "truth" else free,
            sign=sign,
            margin=STAGNATES if quantity == "truth" else None,
            section="5.4",
            short=f"{quantity}, {SPLITS[split].split()[0]}, {trainer}",
            paper=reported(quantity),
            confirmatory=trainer == "exact",
        )
        for quantity, (text, sign) in said.items()
    )


# Those about GRPO are exploratory: its long runs are dear, so that they have one sampling seed a
# start.
CLAIMS = (
    *(
        claim
        for trainer in ("exact", "GRPO, 750 steps", "GRPO")
        for split in SPLITS
        for claim in _as_in_the_paper(trainer, split)
    ),
    *(
        Claim(
            f"truth-control, {split}",
            f"Labels that tie leave less truth than labels without bias ({where}).",
            CHANGE["truth", split],
            of="exact, biased, tie",
            against="exact, debiased",
            sign=-1,
            confirmatory=True,
        )
        for split, where in SPLITS.items()
    ),
    Claim(
        "tilt",
        "Labels that tie make a policy right where the writer is right more than where not.",
        tilt,
        of="exact, biased, tie",
        against="exact, debiased",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "no-tie",
        "Biased labels without a tie tilt it no more than labels without bias, within 0.1.",
        tilt,
        of="exact, biased, no tie",
        against="exact, debiased",
        sign=0,
        margin=0.1,
        confirmatory=True,
    ),
    Claim(
        "tilt-divergence",
        "Under a divergence term of 0.05 labels that tie still tilt it.",
        tilt,
        of="exact, β = 0.05, biased, tie",
        against="exact, β = 0.05, debiased",
        sign=+1,
    ),
    Claim(
        "tilt-sampled",
        "Sampled, they do so once each request has been visited as often.",
        tilt,
        of="GRPO, 750 steps, biased, tie",
        against="GRPO, 750 steps, debiased",
        sign=+1,
    ),
    Claim(
        "tilt-early",
        "After a fifth of these visits they do not, within 0.1.",
        tilt,
        of="GRPO, biased, tie",
        against="GRPO, debiased",
        sign=0,
        margin=0.1,
    ),
    Claim(
        "approval-short",
        "Reward models trained too short on biased labels raise approval, even without a tie.",
        CHANGE["approval", "train"],
        of="exact, biased, no tie, trained too short",
        against="exact, debiased, trained too short",
        sign=+1,
    ),
    Claim(
        "truth-short",
        "And they leave less truth.",
        CHANGE["truth", "train"],
        of="exact, biased, no tie, trained too short",
        against="exact, debiased, trained too short",
        sign=-1,
    ),
)


def live_keys() -> list[Key]:
    """The runs that the chapter trains while it is built, reward models included."""
    return [Key(f"exact, {bias}", NEW_START, 0) for bias in _TWO]
