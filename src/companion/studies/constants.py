"""Chapter 14: do trained policies keep to the constants of theory?

Under a KL penalty the optimum depends on bonus and weight through ε/β alone (fact 7), and moves by
no more than fact 6 allows. Does a trained policy, at four weights and four ratios, in four
architectures and four sizes? And does it matter whether a change of the reward adds to it or only
moves it from one reasoning path to another? That second question is asked by readers of the theory.

Everything follows the exact gradient, without division (chapter 11).
"""

from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from companion.results import sharp_6_kl_sequence
from companion.rlhf.distances import distribution_distance, kl_optimum
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.demonstrated import apart, at_rest
from companion.studies.forecasts import Forecast
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

RATIOS = (0.3, 1.0, 3.0, 10.0)  # ε/β
BETAS = (0.05, 0.1, 0.2, 0.4)
ARCHITECTURES = ("gpt2", "gpt_neox", "rwkv")  # beside llama
LLAMA = "llama"
SIZES = {  # beside llama of the tier: hidden size and layers
    "llama 16×1": (16, 1),
    "llama 32×2": (32, 2),
    "llama 128×4": (128, 4),
}
# What sets each of them apart from llama of the tier.
_NETWORKS: dict[str, dict[str, Any]] = {
    **{name: {"architecture": name} for name in ARCHITECTURES},
    **{name: {"hidden_size": hidden, "layers": n} for name, (hidden, n) in SIZES.items()},
}
AT_LENGTH = "llama at length"  # trained to a tolerance of the gradient's norm
_TO_REST = {"steps": 4000, "eval_every": 100, "gradient_tolerance": 1e-3}
COMPARED = (1.0, 3.0)  # ratios at which architectures and sizes stand side by side
LONG = (1.0, 10.0)  # ratios of the runs that are trained at length
FAVOURED = "hidden"
# A change of three rewards: moved from one path to another, or added to all.
CHANGES = {"redistributed": (0, -1, 1), "added": (1, 1, 1)}  # honest, open, hidden
_TRACES = ("honest", "open", "hidden")
OPTIMUM = "optimum of "
AT_REST = 0.01  # a trace's probability that changes by less between two measurements rests
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(beta: float, bonuses: dict[str, float], **more: Any) -> dict[str, Any]:
    setting = {"task": "deceptive", "trainer": "exact", "scale_rewards": "none", "beta": beta}
    paid = {f"bonus_{trace}": bonus for trace, bonus in bonuses.items()}
    return setting | {"rewards": {"weak": 1.0} | paid, "steps": 300, "eval_every": 30} | more


def name_of(beta: float, ratio: float, policy: str = LLAMA) -> str:
    """Name of a condition in which one trace gets a bonus.

    Args:
        policy: an architecture, one of ``SIZES``, or ``AT_LENGTH``.
    """
    return f"{policy}, β = {beta:g}, ε/β = {ratio:g}"


def change_of(beta: float, change: str) -> str:
    """Name of a condition in which the rewards of all three traces change, by β at most."""
    return f"{LLAMA}, β = {beta:g}, {change}"


STUDY = Study(
    "constants",
    chapter=14,
    question="Do trained policies keep to the constants that the theory gives?",
    conditions={
        **{
            name_of(beta, ratio): _condition(beta, {FAVOURED: ratio * beta})
            for beta in BETAS
            for ratio in (0.0, *RATIOS)
        },
        **{
            name_of(0.1, ratio, name): _condition(0.1, {FAVOURED: ratio * 0.1}, **network)
            for name, network in _NETWORKS.items()
            for ratio in (0.0, *COMPARED)
        },
        **{
            name_of(beta, ratio, AT_LENGTH): _condition(beta, {FAVOURED: ratio * beta}, **_TO_REST)
            for beta in (BETAS[0], BETAS[-1])
            for ratio in (0.0, *LONG)
        },
        **{
            change_of(beta, change): _condition(
                beta, {t: s * beta for t, s in zip(_TRACES, signs, strict=True) if s}
            )
            for beta in (0.05, 0.1)
            for change, signs in CHANGES.items()
        },
    },
    starts=range(10),
)

PARTNERS = {
    name: ", ".join([*name.split(", ")[:2], "ε/β = 0"])
    for name in STUDY.conditions
    if not name.endswith("ε/β = 0")
}


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built: one pair from each new start."""
    paid = name_of(0.2, 1.0)
    return [Key(name, start, 0) for name in (PARTNERS[paid], paid) for start in starts]


@lru_cache(maxsize=4)  # claims and forecasts ask for the same
def moved(runs: Runs) -> pd.DataFrame:
    """Distance of each run to the run of the same start without a change of its reward.

    Returns:
        Tidy; the rows of the condition ``optimum of …`` are the distances between the optima that
        the two aim at, from their own start (fact 6's π ∝ π_ref exp(R/β)).
    """
    trained = runs.compared(lambda a, b: policy_distance(a, b).lower, PARTNERS)
    optima = runs.compared(_between_optima, PARTNERS)
    return pd.concat(
        [trained, optima.assign(condition=OPTIMUM + optima.condition)], ignore_index=True
    )


def gain(runs: Runs) -> pd.DataFrame:
    """Distance over what is promised for the change of the reward: up to 1 is kept. Tidy."""
    table = moved(runs)
    table = table[~table.condition.str.startswith(OPTIMUM)]
    return table.assign(value=table.value / table.condition.map(guarantee))


def guarantee(condition: str) -> float:
    """The furthest that the optimum may move (fact 6)."""
    experiment = STUDY.experiment(condition)
    changes = [experiment.rewards.get(f"bonus_{trace}", 0.0) for trace in _TRACES]
    span = np.ptp([*changes, 0.0])  # completions that are none of the three change by 0
    return float(sharp_6_kl_sequence.bound(span, experiment.beta))


def unrest(runs: Runs) -> pd.DataFrame:
    """By how much a trace's probability still changed between the last two measurements.

    Returns:
        Tidy, the conditions of ``moved`` without those of the optima: of the three traces, of run
        and partner, the largest change. Two runs give a distance of rest points only if both rest.
    """
    return runs.compared(lambda *both: max(map(_last_change, both)), PARTNERS)


def _last_change(run: Run) -> float:
    last = run.metrics[[f"mass/{trace}" for trace in _TRACES]].to_numpy()[-2:]
    return float(np.abs(np.diff(last, axis=0)).max())


def _between_optima(partner: Run, run: Run) -> float:
    aims = [
        kl_optimum(r.split("train"), "deceptive", r.experiment.rewards, r.experiment.beta)
        for r in (partner, run)
    ]
    return distribution_distance(*aims).lower


CLAIMS = (
    *(
        Claim(
            f"optimum-{beta:g}-{ratio:g}",
            f"At β = {beta:g} and ε/β = {ratio:g} the policy moves as far as its optimum.",
            moved,
            of=name_of(beta, ratio),
            against=OPTIMUM + name_of(beta, ratio),
            sign=0,
            margin=0.05,
            confirmatory=True,
        )
        for beta in BETAS
        for ratio in RATIOS
    ),
    *(
        Claim(
            f"collapse-{ratio:g}",
            f"At ε/β = {ratio:g} the move is the same at the smallest β and at the largest.",
            moved,
            of=name_of(BETAS[0], ratio),
            against=name_of(BETAS[-1], ratio),
            sign=0,
            margin=0.05,
            confirmatory=True,
        )
        for ratio in RATIOS
    ),
    *(
        Claim(
            f"{id}-{ratio:g}",
            f"In {name} the move at ε/β = {ratio:g} is that in {llama}.",
            moved,
            of=name_of(0.1, ratio, name),
            against=name_of(0.1, ratio),
            sign=0,
            margin=0.05,
            confirmatory=True,
        )
        for id, name, llama in (
            *((name, name, LLAMA) for name in ARCHITECTURES),
            *((f"size-{n}", name, "llama of the tier's size") for name, (n, _) in SIZES.items()),
        )
        for ratio in COMPARED
    ),
    *(
        Claim(
            f"at-length-{beta:g}-{ratio:g}",
            f"At β = {beta:g} and ε/β = {ratio:g}, trained to a tolerance of the gradient, "
            "the policy moves as far as its optimum.",
            moved,
            of=name_of(beta, ratio, AT_LENGTH),
            against=OPTIMUM + name_of(beta, ratio, AT_LENGTH),
            sign=0,
            margin=0.02,
            confirmatory=True,
        )
        for beta in (BETAS[0], BETAS[-1])
        for ratio in LONG
    ),
    *(
        Claim(
            f"redistributed-{beta:g}",
            f"At β = {beta:g} moving reward between paths moves the policy further than adding it.",
            moved,
            of=change_of(beta, "redistributed"),
            against=change_of(beta, "added"),
            sign=+1,
            confirmatory=True,
        )
        for beta in (0.05, 0.1)
    ),
)


def expected(condition: str) -> float:
    """``moved`` in the bandit of the demonstrations."""
    return apart(_settled(condition), _settled(PARTNERS[condition]))


@cache
def _settled(condition: str) -> np.ndarray:
    return at_rest(STUDY.experiment(condition))


_FROM = "the KL optimum (fact 6) of a bandit with the masses of the demonstrations"

FORECASTS = tuple(
    Forecast(
        f"moved: {name}",
        "distance",
        moved,
        name,
        partial(expected, name),
        0.02 if name.endswith(("0.3", "added")) else 0.05,  # where little moves
        _FROM,
    )
    for name in PARTNERS
)
