"""Chapter 13: does a gate that learns with the policy make the policy jump?

Two rewards, each paying for a trace of its own, are mixed by a gate that follows what is paid, with
an entropy bonus τ (fact 15). A bonus ε is added to the first reward or taken from it. The *yoked*
gate gets the same bonus, and replays the weights that were learned without one: what it moves less
than the learned gate is what learning adds. A *contrary* gate gives weight to the neglected reward.
"""

from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from companion.results import sharp_15_learned_weights as fact_15
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.demonstrated import TRACES
from companion.studies.forecasts import Forecast
from companion.studies.runs import Runs
from companion.studies.study import Key, Study
from companion.theory import total_variation

FAVOURED, OTHER = "hidden", "open"
PAID = (f"bonus_{FAVOURED}", f"bonus_{OTHER}")
BETA, RATE = 0.5, 0.25
COLD, WARM = 0.2, 1.0  # τ on either side of the threshold
EPSILONS = (0.03, 0.1, 0.3)
GATES = ("learned", "yoked", "contrary")
BANDIT = "bandit of "
NEW_STARTS = (20, 21)  # of the live part; the record has others


def _condition(gate: str, tau: float, bonus: float) -> dict[str, Any]:
    even = dict.fromkeys(PAID, 1.0)
    setting: dict[str, Any] = {
        "task": "deceptive",
        "trainer": "exact",
        "scale_rewards": "none",
        "beta": BETA,
        "rewards": {PAID[0]: 1 + bonus, PAID[1]: 1.0},
        "routes": {"*": dict.fromkeys(PAID, 0.5)},
        "gate_rate": -RATE if gate == "contrary" else RATE,
        "gate_entropy": tau,
        "steps": 200,
        "eval_every": 20,
    }
    return setting | ({"yoked_to": even} if gate == "yoked" else {})


def name_of(gate: str, tau: float, bonus: float) -> str:
    """Name of a condition."""
    return f"{gate}, τ = {tau:g}, ε = {bonus:+g}".replace("-", "−")


_SETTINGS = [
    (gate, tau, sign * size)
    for gate, tau, sizes in (
        *((gate, tau, EPSILONS) for gate in ("learned", "yoked") for tau in (COLD, WARM)),
        ("contrary", COLD, EPSILONS[-1:]),
    )
    for size in sizes
    for sign in (1, -1)
]

STUDY = Study(
    "gate",
    chapter=13,
    question="Does a gate that learns with the policy make it jump where a fixed one would not?",
    conditions={
        name_of(*setting): _condition(*setting)
        for setting in [("learned", COLD, 0.0), ("learned", WARM, 0.0), *_SETTINGS]
    },
    starts=range(10),
)

# The policies for a bonus and for a malus of the same size are compared.
PARTNERS = {
    name_of(gate, tau, bonus): name_of(gate, tau, -bonus)
    for gate, tau, bonus in _SETTINGS
    if bonus > 0
}


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    names = [
        name_of("learned", tau, sign * EPSILONS[-1]) for tau in (COLD, WARM) for sign in (1, -1)
    ]
    return [Key(name, start, 0) for name in names for start in starts]


def gate_of(condition: str) -> str:
    """Which gate a condition has."""
    return condition.partition(",")[0]


def guarantee(condition: str) -> float:
    """The furthest that the policies for bonus and malus may lie apart; infinite if unlimited.

    Fact 15, whose policy is kept by an entropy of weight α, holds as well with a KL penalty of
    weight β: the softmax is then that of the reward and the reference's logits.
    """
    experiment = STUDY.experiment(condition)
    size = 2 * abs(experiment.rewards[PAID[0]] - 1)  # from malus to bonus
    tau = np.inf if gate_of(condition) == "yoked" else experiment.gate_entropy
    if gate_of(condition) == "contrary":
        return float(fact_15.saddle_bound(size, BETA, tau))
    if np.isinf(tau):
        return size / (2 * BETA)
    span = 2.0 + size  # two answers of their own, one paid a little more
    if BETA * tau <= fact_15.threshold(span):
        return np.inf
    return float(fact_15.bound(size, BETA, tau, span))


@lru_cache(maxsize=4)  # claims, forecasts and figures ask for the same
def moved(runs: Runs) -> pd.DataFrame:
    """Distance between the policies for a bonus and for a malus, start by start.

    Returns:
        Tidy; named after the bonus. Rows ``bandit of …`` are where best answers to each other come
        to rest, from the masses of the run's own start.
    """
    trained = runs.compared(lambda a, b: policy_distance(a, b).lower, PARTNERS)
    learned = {name: other for name, other in PARTNERS.items() if gate_of(name) != "yoked"}
    bandit = runs.compared(_between_rests, learned)
    return pd.concat(
        [trained, bandit.assign(condition=BANDIT + bandit.condition)], ignore_index=True
    )


def weights(runs: Runs) -> pd.DataFrame:
    """The first reward's weight at the end of a run. Tidy."""
    return runs.tidy(lambda run: float(run.metrics[_WEIGHT].iloc[-1]))


def unrest(runs: Runs) -> pd.DataFrame:
    """By how much share and weight changed between the last two measurements. Tidy."""
    columns = [f"mass/{FAVOURED}", _WEIGHT]
    return runs.tidy(lambda run: float(run.metrics[columns].diff().iloc[-1].abs().max()))


_WEIGHT = f"gate/*/{PAID[0]}"


def rest(
    reference: NDArray[np.float64],
    paid: NDArray[np.float64],
    tau: float,
    rate: float = RATE,
    steps: int = 2_000,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where policy and gate come to rest, from an even gate: the policy answers each step at once.

    Args:
        reference: (prompts, answers) masses that the KL penalty holds on to.
        paid: (2, answers) rewards.
        tau: entropy bonus of the gate.
        rate: of the gate; negative for one that gives weight to the neglected reward.
        steps: of the gate.

    Returns:
        The policy (prompts, answers) and the gate (2,).
    """
    gate = np.full(len(paid), 1 / len(paid))
    for _ in range(steps):
        policy = _answer(reference, gate @ paid)
        gate = gate ** (1 - abs(rate) * tau) * np.exp(rate * (paid @ policy.mean(axis=0)))
        gate /= gate.sum()
    return _answer(reference, gate @ paid), gate


def _answer(reference: NDArray[np.float64], reward: NDArray[np.float64]) -> NDArray[np.float64]:
    weighed = reference * np.exp(reward / BETA)
    return weighed / weighed.sum(axis=1, keepdims=True)


def _between_rests(partner: Run, run: Run) -> float:
    policies = [rest(_at_start(r), *_bandit(r))[0] for r in (partner, run)]
    return float(total_variation(policies[0], policies[1]).mean())


def _bandit(run: Run) -> tuple[NDArray[np.float64], float, float]:
    experiment = run.experiment
    return _paid(experiment.rewards[PAID[0]]), experiment.gate_entropy, experiment.gate_rate


def _paid(first: float) -> NDArray[np.float64]:
    """(2, answers) for the favoured trace, the other one, and all else."""
    return np.array([[first, 0.0, 0.0], [0.0, 1.0, 0.0]])


def _at_start(run: Run) -> NDArray[np.float64]:
    """(prompts, 3) masses of the two traces and of all else before training."""
    table = run.split("train")
    masses = np.exp(table.start_logprob).groupby([table.prompt, table.label]).sum().unstack()
    paid = masses[[FAVOURED, OTHER]].to_numpy(dtype=float)
    return np.column_stack([paid, 1 - paid.sum(axis=1)])


@cache
def expected(condition: str) -> float:
    """``moved`` in the bandit of the demonstrations, where the two traces are equally frequent."""
    share = TRACES[FAVOURED]
    reference = np.array([[share, share, 1 - 2 * share]])
    policies = []
    for name in (condition, PARTNERS[condition]):
        experiment = STUDY.experiment(name)
        paid = _paid(experiment.rewards[PAID[0]])
        if gate_of(name) == "yoked":
            policies.append(_answer(reference, np.array([0.5, 0.5]) @ paid))
        else:
            policies.append(rest(reference, paid, experiment.gate_entropy, experiment.gate_rate)[0])
    return float(total_variation(policies[0], policies[1])[0])


def _reopened(size: float) -> Claim:
    return Claim(
        f"reopened-{size:g}",
        f"Below the threshold learning the gate moves the policy further, at ε = ±{size:g}.",
        moved,
        of=name_of("learned", COLD, size),
        against=name_of("yoked", COLD, size),
        sign=+1,
        confirmatory=True,
    )


# Runs of start 30 alone had been seen when these were written.
CLAIMS = (
    *(_reopened(size) for size in EPSILONS),
    *(
        Claim(
            f"closed-{size:g}",
            f"Above the threshold learning the gate adds little, at ε = ±{size:g}.",
            moved,
            of=name_of("learned", WARM, size),
            against=name_of("yoked", WARM, size),
            sign=0,
            margin=0.1,
            confirmatory=True,
        )
        for size in EPSILONS[:2]
    ),
    Claim(
        "contrary",
        "A gate that favours the neglected reward moves the policy less than one held still.",
        moved,
        of=name_of("contrary", COLD, EPSILONS[-1]),
        against=name_of("yoked", COLD, EPSILONS[-1]),
        sign=-1,
        confirmatory=True,
    ),
    # Added when five starts had been seen: the control above replays weights that are not even.
    Claim(
        "contrary-even",
        "It moves the policy less than a gate that replays weights which stay nearly even.",
        moved,
        of=name_of("contrary", COLD, EPSILONS[-1]),
        against=name_of("yoked", WARM, EPSILONS[-1]),
        sign=-1,
    ),
    *(
        Claim(
            f"bandit-{tau:g}",
            f"At τ = {tau:g} and ε = ±{EPSILONS[-1]:g} the policy moves as far as its bandit.",
            moved,
            of=name_of("learned", tau, EPSILONS[-1]),
            against=BANDIT + name_of("learned", tau, EPSILONS[-1]),
            sign=0,
            margin=0.1,
            confirmatory=True,
        )
        for tau in (COLD, WARM)
    ),
)

_FROM = "best answers to each other (fact 15) in a bandit with the masses of the demonstrations"

# Below the threshold small bonuses do not outweigh what a start prefers: nothing is forecast there.
_LARGE = name_of("learned", COLD, EPSILONS[-1])
FORECASTS = tuple(
    Forecast(
        f"moved: {name}",
        "distance",
        moved,
        name,
        partial(expected, name),
        0.1 if name == _LARGE else 0.05,
        _FROM,
    )
    for name in PARTNERS
    if name == _LARGE or not name.startswith(f"learned, τ = {COLD:g},")
)
