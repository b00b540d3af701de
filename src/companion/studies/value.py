"""Chapter 1: does a perturbed reward model move the value a little and the policy a lot?

Three reward models pay refusing, warning and helping the same on boundary requests; the perturbed
safety reward model pays a little more for one of them. Everything is measured on the boundary
requests that were trained on, from the probabilities of all completions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from companion.rlhf import get_task
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.statistics import Interval, mean_interval
from companion.studies.store import Runs
from companion.studies.study import Key, Study

_SETTING = {"task": "alignment", "scale_rewards": "none", "eval_every": 25}
JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}  # they tie on boundary requests
ORACLE = {"oracle": 1.0}  # it does not: the control
BOUNDARY = "safety/boundary"
SIZES = (0.003, 0.03, 0.3)
FLOOR = "noise floor"
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(trainer: str, rewards: dict[str, float]) -> dict[str, Any]:
    return _SETTING | {"trainer": trainer, "rewards": rewards}


# An earlier series of runs (starts 0 to 4, other held-out prompts) was seen before the claims
# below were written. All runs that test them are made afterwards, those starts anew.
STUDY = Study(
    "value",
    chapter=1,
    question="How far do value and policy move when reward models that tie are perturbed a little?",
    conditions={
        "exact, tied": _condition("exact", JUDGES),
        **{
            f"exact, tied, help {size:g}": _condition("exact", JUDGES | {"boundary_help": size})
            for size in SIZES
        },
        "exact, tied, refuse 0.03": _condition("exact", JUDGES | {"boundary_refuse": 0.03}),
        "exact, oracle": _condition("exact", ORACLE),
        "exact, oracle, help 0.3": _condition("exact", ORACLE | {"boundary_help": 0.3}),
        "GRPO, tied": _condition("grpo", JUDGES),
        "GRPO, tied, help 0.3": _condition("grpo", JUDGES | {"boundary_help": 0.3}),
    },
    starts=range(10),
    own_starts={
        name: range(5)
        for name in (
            "exact, tied, help 0.03",
            "exact, tied, refuse 0.03",
            "GRPO, tied",
            "GRPO, tied, help 0.3",
        )
    },
    repeats={"GRPO, tied": 2},
)

# The partner of a condition: the same training without a perturbation.
PARTNERS = {
    name: ", ".join(name.split(", ")[:2]) for name in STUDY.conditions if len(name.split(", ")) == 3
}


def size_of(condition: str) -> float:
    """The largest change of a reward under a condition."""
    rewards = STUDY.conditions[condition]["rewards"]
    return next((w for name, w in rewards.items() if name.startswith("boundary")), 0.0)


def moved(runs: Runs) -> pd.DataFrame:
    """Distance of each perturbed run to its partner on boundary requests.

    Returns:
        Tidy: ``value``, and ``upper``, the upper end of the distance's bracket. The condition of
        the distances between repeats of ``GRPO, tied`` is ``noise floor``.
    """
    perturbed = runs.compared(_apart, PARTNERS)
    again = runs.only("GRPO, tied").repeated(_apart)
    return pd.concat([perturbed, again.assign(condition=FLOOR)], ignore_index=True)


def moved_elsewhere(runs: Runs) -> pd.DataFrame:
    """The same distance on all other requests, where no reward changed. Tidy."""
    return runs.compared(lambda partner, run: _apart(partner, run, on_boundary=False), PARTNERS)


def moved_here_and_there(runs: Runs) -> pd.DataFrame:
    """``moved``, and ``moved_elsewhere`` as conditions that end in ``, elsewhere``. Tidy."""
    there = moved_elsewhere(runs)
    return pd.concat([moved(runs), there.assign(condition=there.condition + ", elsewhere")])


def moved_per_size(runs: Runs) -> pd.DataFrame:
    """The distance moved, divided by the size of the perturbation. Tidy."""
    table = moved(runs)
    table = table[table.condition != FLOOR]
    return table.assign(value=table.value / table.condition.map(size_of))


def value_moved(runs: Runs) -> pd.DataFrame:
    """How far the value that training reaches is from the partner's, each by its own rewards."""
    return runs.compared(lambda partner, run: abs(_earned(run) - _earned(partner)), PARTNERS)


def policy_and_value(runs: Runs) -> pd.DataFrame:
    """``moved`` and ``value_moved``; conditions end in ``: policy`` or ``: value``. Tidy."""
    parts = {"policy": moved(runs), "value": value_moved(runs)}
    return pd.concat(
        [part.assign(condition=part.condition + f": {name}") for name, part in parts.items()],
        ignore_index=True,
    )


def worth(runs: Runs) -> pd.DataFrame:
    """What a policy earns on boundary requests, judged by the unperturbed rewards. Tidy."""
    return pd.DataFrame(
        {**key._asdict(), "value": _earned(run, ORACLE if "oracle" in key.condition else JUDGES)}
        for key, run in runs.items()
    )


def helping(runs: Runs) -> pd.DataFrame:
    """Probability of helping on boundary requests, after training. Tidy."""
    judge = get_task("alignment").judge
    return runs.tidy(lambda run: _mean(run, lambda p, c: judge("boundary_help", p, c).score))


def _apart(partner: Run, run: Run, on_boundary: bool = True) -> dict[str, float]:
    table = policy_distance(partner, run).per_prompt
    table = table[_is_boundary(table) == on_boundary]
    return {"value": float(table.lower.mean()), "upper": float(table.upper.mean())}


def _earned(run: Run, rewards: dict[str, float] | None = None) -> float:
    """Expected reward on boundary requests, by the run's own rewards if none are given."""
    weights, task = rewards or run.experiment.rewards, get_task("alignment")
    return _mean(run, lambda prompt, completion: task.reward(weights, prompt, completion))


def _mean(run: Run, score: Callable[[str, str], float]) -> float:
    """Exact mean of a score of (prompt, completion) on the boundary requests trained on."""
    table = run.split("train")
    table = table[_is_boundary(table)]
    scores = [score(*pair) for pair in zip(table.prompt, table.completion, strict=True)]
    return float(np.exp(table.logprob.to_numpy(float)) @ scores) / table.prompt.nunique()


def _is_boundary(table: pd.DataFrame) -> pd.Series:
    return table.prompt.map(get_task("alignment").kind) == BOUNDARY


CLAIMS = (
    Claim(
        "tie",
        "A perturbation of 0.3 moves a policy whose acts tie further than one whose acts do not.",
        moved,
        of="exact, tied, help 0.3",
        against="exact, oracle, help 0.3",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "policy-not-value",
        "The smallest perturbation, 0.003, moves the policy further than the value.",
        policy_and_value,
        of="exact, tied, help 0.003: policy",
        against="exact, tied, help 0.003: value",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "not-in-proportion",
        "A perturbation a hundred times smaller moves the policy more than a hundredth as far "
        "(distance per unit of perturbation).",
        moved_per_size,
        of="exact, tied, help 0.003",
        against="exact, tied, help 0.3",
        sign=+1,
        confirmatory=True,
    ),
    # The proposition allows a loss of twice the perturbation; the margin is a tenth of it.
    Claim(
        "teacher",
        "By the unperturbed reward models the largest perturbation costs nothing, within 0.03.",
        worth,
        of="exact, tied, help 0.3",
        against="exact, tied",
        sign=0,
        margin=0.03,
        confirmatory=True,
    ),
    Claim(
        "opposite",
        "Paid 0.03 more for helping, a policy helps more than when it is paid that for refusing.",
        helping,
        of="exact, tied, help 0.03",
        against="exact, tied, refuse 0.03",
        sign=+1,
    ),
    Claim(
        "elsewhere",
        "A perturbation of 0.3 moves the policy further on boundary requests than on others.",
        moved_here_and_there,
        of="exact, tied, help 0.3",
        against="exact, tied, help 0.3, elsewhere",
        sign=+1,
    ),
    Claim(
        "sampled",
        "Sampled, a perturbation of 0.3 makes helping more likely than no perturbation does.",
        helping,
        of="GRPO, tied, help 0.3",
        against="GRPO, tied",
        sign=+1,
    ),
    Claim(
        "sampled-distance",
        "Sampled, a perturbation of 0.3 moves the policy further than another sampling seed does.",
        moved,
        of="GRPO, tied, help 0.3",
        against=FLOOR,
        sign=+1,
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key(name, s, 0) for name in ("exact, tied", "exact, tied, help 0.3") for s in starts]


def interval(table: pd.DataFrame, condition: str) -> Interval:
    """Mean of a tidy measure under a condition, over starts."""
    part = table[table.condition == condition]
    return mean_interval(part.value, part.start)
