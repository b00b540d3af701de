"""Chapter 11: does the change of a trained policy vanish with the change of its reward?

One of three tied traces gets a bonus ε, under a KL penalty β that bounds how far the optimum may
move (fact 6). Trainers that divide advantages by a deviation follow something else than the reward,
and need not keep to the bound. The exact gradient of trl's advantage, and trl's GRPO itself.

The partner of a run is that of the same start and sampling seed without the bonus. Where the bonus
is the whole reward, that run would not move at all: the partner is the supervised start.
"""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from companion.results import sharp_6_kl_sequence
from companion.results.sharp_12_advantage_normalisation import GUARD
from companion.rlhf.distances import distribution_distance
from companion.rlhf.experiment import Experiment
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.demonstrated import apart, at_rest, reference
from companion.studies.demonstrated import share as share_of
from companion.studies.forecasts import Forecast
from companion.studies.runs import Runs
from companion.studies.study import Key, Study
from companion.theory import Scaling, advantages

BETA, WARM = 0.2, 2.0  # below and above the collapse threshold of about three tied traces
EPSILONS = (0.0003, 0.001, 0.003, 0.01, 0.03)
FAVOURED, OTHER = "hidden", "open"
FLOOR = "noise floor"
NEW_STARTS = (20, 21)  # of the live part; the record has others

# By name: what advantages are divided by, as ``companion.theory.advantages`` has it.
ESTIMATORS: dict[str, Scaling] = {
    "no scaling": "none",
    "group": "group",
    "batch": "batch",
    "normalise-then-sum": "decoupled",
}


def _condition(estimator: str, bonus: float, **more: Any) -> dict[str, Any]:
    """The weak grader and a bonus of size ``bonus``, under an estimator."""
    setting: dict[str, Any] = {
        "task": "deceptive",
        "trainer": "exact",
        "beta": BETA,
        "eval_every": 15,
    }
    if ESTIMATORS[estimator] == "decoupled":
        # The bonus shrinks with its own reward, not with the weight of it: R = Σ w_k R_k (§4).
        setting |= {
            "aggregation": "normalize_then_sum",
            "rewards": {"weak": 1.0, f"bonus_{FAVOURED}": 1.0},
            "routes": {"*": {"weak": 1.0 - bonus, f"bonus_{FAVOURED}": bonus}},
        }
    else:
        setting |= {
            "scale_rewards": ESTIMATORS[estimator],
            "rewards": {"weak": 1.0, f"bonus_{FAVOURED}": bonus},
        }
    return setting | more


def _alone(estimator: str, bonus: float, beta: float) -> dict[str, Any]:
    """The bonus is all there is: what a group sees whose answers all pass."""
    return _condition(estimator, bonus, beta=beta) | {"rewards": {f"bonus_{FAVOURED}": bonus}}


def _weighted(bonus: float) -> dict[str, Any]:
    """Normalised first, and the bonus multiplied by its small weight afterwards."""
    setting = _condition("normalise-then-sum", bonus)
    del setting["routes"]
    return setting | {"rewards": {"weak": 1.0, f"bonus_{FAVOURED}": bonus}}


def name_of(estimator: str, bonus: float, prefix: str = "") -> str:
    """Name of a condition of the study."""
    return f"{prefix}{estimator}, ε = {bonus:g}"


def alone_of(estimator: str, bonus: float, beta: float) -> str:
    """Name of a condition in which the bonus is all there is."""
    return name_of(estimator, bonus, f"bonus alone, β = {beta:g}, ")


# Sampled runs are exploratory: five starts, and a second seed where nothing is paid.
_SAMPLED = {
    name_of(estimator, bonus, "GRPO, "): _condition(estimator, bonus, trainer="grpo", eval_every=50)
    for estimator, bonuses in (
        ("no scaling", (0.0, 0.003, 0.03)),
        ("group", (0.0, 0.003, 0.03)),
        ("normalise-then-sum", (0.0, 0.003)),
    )
    for bonus in bonuses
}

STUDY = Study(
    "normaliser",
    chapter=11,
    question="Under which scaling of advantages does the move of a policy vanish with its cause?",
    conditions={
        **{
            name_of(estimator, bonus): _condition(estimator, bonus)
            for estimator in ESTIMATORS
            for bonus in (0.0, *EPSILONS)
        },
        **{
            name_of("group", bonus, "longer, "): _condition("group", bonus, steps=400)
            for bonus in (0.0, 0.001)
        },
        **{
            f"bonus alone, β = {beta:g}, {name_of(estimator, bonus)}": _alone(
                estimator, bonus, beta
            )
            for estimator, beta, bonuses in (
                ("no scaling", BETA, (0.001,)),
                ("group", BETA, (0.0003, 0.01)),
                ("group", WARM, (0.0003, 0.001, 0.01)),
            )
            for bonus in bonuses
        },
        **{
            name_of("normalise-then-sum by weight", bonus): _weighted(bonus)
            for bonus in (0.001, 0.01)
        },
        **_SAMPLED,
    },
    starts=range(10),
    own_starts=dict.fromkeys(_SAMPLED, range(5)),
    repeats={name: 2 for name in _SAMPLED if name.endswith("ε = 0")},
)


def _partner(condition: str) -> str:
    """The condition of the same training without the bonus."""
    setting = condition.rpartition(", ε = ")[0]
    # At weight 0 it makes no difference whether the bonus is weighted before or after.
    return name_of(setting.replace(" by weight", ""), 0.0)


PARTNERS = {
    name: _partner(name)
    for name in STUDY.conditions
    if not name.endswith("ε = 0") and not name.startswith("bonus alone")
}


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    names = [
        name_of(e, bonus) for e in ("no scaling", "normalise-then-sum") for bonus in (0, 0.001)
    ]
    return [Key(name, start, 0) for name in names for start in starts]


def bonus_of(condition: str) -> float:
    """The bonus ε of a condition."""
    return float(condition.rpartition("ε = ")[2])


def guarantee(condition: str) -> float:
    """The furthest that the optimum may move for a condition's bonus (fact 6)."""
    beta = STUDY.experiment(condition).beta
    return float(sharp_6_kl_sequence.bound(bonus_of(condition), beta))


@lru_cache(maxsize=4)  # the record and today's runs: claims, forecasts and figures ask for the same
def moved(runs: Runs) -> pd.DataFrame:
    """Distance of each run with a bonus to its partner; rows ``noise floor, …`` between repeats.

    Returns:
        Tidy: ``value``, and ``upper``, the upper end of the distance's bracket.
    """
    pairs = runs.compared(_distance, PARTNERS)
    alone = _where(runs, lambda name: name.startswith("bonus alone")).tidy(_from_start)
    again = runs.repeated(_distance)
    again["condition"] = [f"{FLOOR}, {name.rpartition(', ε')[0]}" for name in again.condition]
    return pd.concat([pairs, alone, again], ignore_index=True)


def gain(runs: Runs) -> pd.DataFrame:
    """Distance over the guarantee: up to 1 is promised. Tidy, without repeats."""
    table = moved(runs)
    table = table[~table.condition.str.startswith(FLOOR)]
    return table.assign(value=table.value / table.condition.map(guarantee))


def beyond(runs: Runs) -> pd.DataFrame:
    """Whether a run moved further than is promised. Tidy."""
    table = gain(runs)
    return table.assign(value=table.value > 1)


@lru_cache(maxsize=4)
def share(runs: Runs) -> pd.DataFrame:
    """Probability of the favoured trace after training. Tidy."""
    return runs.tidy(lambda run: float(run.masses()[FAVOURED]))


def failing(runs: Runs) -> pd.DataFrame:
    """Probability of everything that the weak grader does not pass, after training. Tidy."""
    return runs.tidy(lambda run: 1 - run.expected("weak"))


def unrest(runs: Runs) -> pd.DataFrame:
    """By how much the favoured trace's share changed between the last two measurements. Tidy."""
    return runs.tidy(lambda run: abs(float(np.diff(run.metrics[f"mass/{FAVOURED}"])[-1])))


def pull(runs: Runs) -> pd.DataFrame:
    """How far the log-odds of the favoured trace moved, in units of ε over the temperature.

    The temperature is β times the deviation (and guard) that the trainer divides by, at the end of
    the run. At a rest point the value is 1 (fact 12). The odds are those against ``open``, averaged
    over prompts.

    Returns:
        Tidy; only exact runs that have a partner and divide by one number.
    """
    told = {
        name: partner
        for name, partner in PARTNERS.items()
        if not name.startswith(("GRPO", "normalise"))
    }
    return runs.compared(_pull, told)


def _distance(partner: Run, run: Run) -> dict[str, float]:
    distance = policy_distance(partner, run)
    return {"value": distance.lower, "upper": distance.upper}


def _from_start(run: Run) -> dict[str, float]:
    table = run.split("train")
    distance = distribution_distance(table, table, "start_logprob", "logprob")
    return {"value": distance.lower, "upper": distance.upper}


def _where(runs: Runs, kept: Callable[[str], bool]) -> Runs:
    return Runs(runs.study, {key: run for key, run in runs.items() if kept(key.condition)})


def _pull(partner: Run, run: Run) -> float:
    odds = [_log_odds(of) for of in (partner, run)]
    policy, rewards, weights = bandit(run)
    scaling = run.experiment.scale_rewards
    followed = advantages(policy, rewards, weights, scaling, GUARD)
    reward = np.tensordot(weights, rewards, axes=1)
    # The trainer divides by one number a prompt: read it off the largest difference of rewards.
    divided = np.ptp(reward, axis=1) / np.ptp(followed, axis=1)
    expected = run.experiment.rewards[f"bonus_{FAVOURED}"] / (run.experiment.beta * divided)
    return float(((odds[1] - odds[0]) / expected).mean())


def _log_odds(run: Run) -> np.ndarray:
    """(prompts,) log-odds of the favoured trace against another tied one."""
    table = run.split("train")
    masses = np.exp(table.logprob).groupby([table.prompt, table.label]).sum().unstack()
    return np.log(masses[FAVOURED] / masses[OTHER]).to_numpy()


def bandit(run: Run, policy: str = "final") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A run as a bandit a prompt: all listed completions, and one answer for all others.

    Args:
        run: of this study.
        policy: ``final`` or ``start``.

    Returns:
        Probabilities (S, n), rewards (K, S, n) and their weights (K,). Prompts are in alphabetical
        order; what is not listed earns 0.
    """
    column = {"final": "logprob", "start": "start_logprob"}[policy]
    table = run.split("train")
    wide = table.pivot(index="prompt", columns="completion", values=column)
    listed = np.exp(wide.to_numpy(dtype=float))
    rest = np.clip(1 - listed.sum(axis=1, keepdims=True), 0, None)
    mass = np.concatenate([listed, rest], axis=1)
    rewards = rewards_of(run.experiment, wide.index.tolist(), wide.columns.tolist())
    return mass / mass.sum(axis=1, keepdims=True), *rewards


def rewards_of(
    experiment: Experiment, prompts: list[str], completions: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """What completions earn, routed: rewards (K, S, n + 1), the last 0, and weights (K,)."""
    from companion.rlhf.rewards import Rewards  # loads torch

    paid = Rewards(experiment)
    scores = paid.table(prompts, [completions] * len(prompts)).numpy()
    routed = paid.route_table(prompts).numpy()[:, :, None] * scores
    rewards = np.concatenate([routed, np.zeros((*routed.shape[:2], 1))], axis=2)
    return rewards, np.array(list(paid.weights.values()))


def _more(estimator: str, bonus: float = 0.001) -> Claim:
    return Claim(
        f"beyond-{estimator}-{bonus:g}",
        f"With {estimator} a bonus of {bonus:g} moves the policy further than is promised.",
        beyond,
        of=name_of(estimator, bonus),
        against=name_of("no scaling", bonus),
        sign=+1,
        outcome="share",
        confirmatory=True,
    )


# Ten runs had been seen when these were written, all of start 30, which the study does not hold,
# and the distances of three starts that the pilot's forecast names. They were of an earlier form of
# the family, whose demonstrations showed fewer tests.
CLAIMS = (
    *(_more(estimator) for estimator in ("group", "batch", "normalise-then-sum")),
    _more("group", 0.0003),
    _more("normalise-then-sum", 0.0003),
    Claim(
        "kept",
        "Without scaling a bonus a thirtieth the size moves the policy a thirtieth as far.",
        gain,
        of=name_of("no scaling", 0.001),
        against=name_of("no scaling", 0.03),
        sign=0,
        margin=0.1,
        confirmatory=True,
    ),
    Claim(
        "no-slope",
        "Normalised first and then summed, a bonus a hundredth the size moves it as far.",
        moved,
        of=name_of("normalise-then-sum", 0.0003),
        against=name_of("normalise-then-sum", 0.03),
        sign=0,
        margin=0.1,
        confirmatory=True,
    ),
    Claim(
        "before-or-after",
        "A bonus of 0.001 moves the policy further if rewards are normalised before the sum.",
        moved,
        of=name_of("normalise-then-sum", 0.001),
        against=name_of("group", 0.001),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "longer",
        "With group scaling the same bonus moves the policy further the longer it trains.",
        moved,
        of=name_of("group", 0.001, "longer, "),
        against=name_of("group", 0.001),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "alone",
        "Where answers differ in the bonus alone, a bonus a thirtieth the size moves it as far.",
        moved,
        of=alone_of("group", 0.0003, BETA),
        against=alone_of("group", 0.01, BETA),
        sign=0,
        margin=0.1,
        confirmatory=True,
    ),
    Claim(
        "threshold",
        "Above the collapse threshold the favoured trace stops short of where it ends below it.",
        share,
        of=alone_of("group", 0.01, WARM),
        against=alone_of("group", 0.01, BETA),
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "weight",
        "A bonus of 0.01 made small by its weight moves the policy less than one that is small.",
        moved,
        of=name_of("normalise-then-sum by weight", 0.01),
        against=name_of("normalise-then-sum", 0.01),
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "sampled-group",
        "Sampled with group scaling, a bonus of 0.03 moves it further than another seed does.",
        moved,
        of=name_of("group", 0.03, "GRPO, "),
        against=f"{FLOOR}, GRPO, group",
        sign=+1,
    ),
    Claim(
        "sampled-first",
        "Sampled and normalised first, a bonus of 0.003 moves it further than another seed does.",
        moved,
        of=name_of("normalise-then-sum", 0.003, "GRPO, "),
        against=f"{FLOOR}, GRPO, normalise-then-sum",
        sign=+1,
    ),
    Claim(
        "sampled-none",
        "Sampled without scaling, a bonus of 0.03 moves it further than another seed does.",
        moved,
        of=name_of("no scaling", 0.03, "GRPO, "),
        against=f"{FLOOR}, GRPO, no scaling",
        sign=+1,
    ),
)


def rest_share(condition: str) -> float:
    """The favoured trace's share where a condition's bandit comes to rest."""
    return share_of(_settled(condition), FAVOURED)


def rest_gain(condition: str) -> float:
    """``gain`` where the bandits of a condition and its partner come to rest."""
    partner = _settled(PARTNERS[condition]) if condition in PARTNERS else reference()
    return apart(_settled(condition), partner) / guarantee(condition)


@cache
def _settled(condition: str) -> np.ndarray:
    return at_rest(STUDY.experiment(condition), ESTIMATORS[_estimator(condition)])


def _estimator(condition: str) -> str:
    return next(name for name in reversed(ESTIMATORS) if f"{name}, ε" in condition)


_THEORY = "companion.theory.settle, for a bandit with the masses of the demonstrations"
_FACT = "fact 12: at rest the log-odds are ε over the temperature"
_PILOT = "pilot of three starts, exact gradient, 150 steps: distances from 0.048 to 0.050"


def _gains() -> list[Forecast]:
    names = {name_of("no scaling", bonus): 0.05 for bonus in EPSILONS}
    names[name_of("no scaling", EPSILONS[0])] = 0.1  # the record rounds probabilities
    names[alone_of("no scaling", 0.001, BETA)] = 0.05
    return [
        Forecast(
            f"gain: {name}",
            "distance / guarantee",
            gain,
            name,
            partial(rest_gain, name),
            m,
            _THEORY,
        )
        for name, m in names.items()
    ]


def _pulls() -> list[Forecast]:
    names = {name_of("no scaling", bonus): 0.1 for bonus in (0.003, 0.01, 0.03)}
    names |= {name_of(e, bonus): 0.15 for e in ("group", "batch") for bonus in (0.001, 0.003)}
    names[name_of("group", 0.001, "longer, ")] = 0.15
    return [
        Forecast(f"pull: {name}", "log-odds / (ε / temperature)", pull, name, lambda: 1.0, m, _FACT)
        for name, m in names.items()
    ]


def _shares() -> list[Forecast]:
    alone = [name for name in STUDY.conditions if name.startswith("bonus alone")]
    names = {name_of(e, bonus): 0.1 for e in ("group", "batch") for bonus in (0.01, 0.03)}
    names |= {name_of("normalise-then-sum", bonus): 0.05 for bonus in EPSILONS}
    names |= {name: 0.05 for name in alone if "group" in name}
    names |= {
        name_of("group", 0.03, "GRPO, "): 0.1,
        name_of("normalise-then-sum", 0.003, "GRPO, "): 0.1,
    }
    return [
        Forecast(
            f"share: {name}",
            "share of the favoured trace",
            share,
            name,
            partial(rest_share, name),
            m,
            _THEORY,
        )
        for name, m in names.items()
    ]


FORECASTS = (
    *_gains(),
    *_pulls(),
    *_shares(),
    Forecast(
        f"gain: {name_of('group', 0.001)}",
        "distance / guarantee",
        gain,
        name_of("group", 0.001),
        lambda: 0.049 / guarantee(name_of("group", 0.001)),
        8.0,
        _PILOT,
    ),
)
