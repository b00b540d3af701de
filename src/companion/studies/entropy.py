"""Chapter 8: what a Kullback-Leibler or an entropy term makes of the cliff, and its price.

Three families of tasks have ties. One of the tied answers gets a bonus ε, and the policy is held to
its start by a divergence term of weight β. The optimum of that objective is known in closed form
(``kl_optimum``), so every trained policy is measured against its own optimum.
"""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from companion.rlhf import get_task, kl_optimum
from companion.rlhf.distances import distribution_distance
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

# Of each family: the component that pays the bonus, and the kind of prompts that have a tie.
FAVOURED = {"deceptive": "bonus_hidden", "alignment": "boundary_help", "instruction": "boxed"}
TIED = {"deceptive": "", "alignment": "safety/boundary", "instruction": "plain"}
FLOOR = "noise floor"
LIVE = ("deceptive, exact, β = 0.1", "alignment, exact, β = 0.3")
NEW_START = 20  # of the live part; the record has others
_JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}


def _exact(task: str, rewards: dict[str, float], beta: float, **more: Any) -> dict[str, Any]:
    setting = {"task": task, "trainer": "exact", "scale_rewards": "none", "eval_every": 50}
    return setting | {"rewards": rewards, "beta": beta} | more


def _deceptive(grader: str, beta: float, bonus: float) -> dict[str, Any]:
    rewards = {grader: 1.0, "bonus_hidden": bonus}
    return _exact("deceptive", rewards, beta, steps=75, eval_every=25)


def _instruction(beta: float, bonus: float) -> dict[str, Any]:
    rewards = {"correct": 1.0, "boxed": bonus}
    return _exact("instruction", rewards, beta, leave_out=("boxed",))


def _alignment(beta: float, bonus: float) -> dict[str, Any]:
    return _exact("alignment", _JUDGES | {"boundary_help": bonus}, beta)


def _grpo(bonus: float, **more: Any) -> dict[str, Any]:
    rewards = {"weak": 1.0, "bonus_hidden": bonus}
    setting = {"task": "deceptive", "trainer": "grpo", "scale_rewards": "none", "eval_every": 50}
    return setting | {"rewards": rewards} | more


# What no confirmatory claim rests on, families of conditions whole: the instruction family, and
# trl's entropy bonus, a mean over tokens (without it the runs are chapter 4's).
_INSTRUCTION = {
    f"instruction, exact, β = {beta:g}, bonus {bonus:g}": _instruction(beta, bonus)
    for beta, bonuses in {0.03: (0.0, 0.1, 0.3), 0.1: (0.0, 0.3, 1.0)}.items()
    for bonus in bonuses
}
_ENTROPY = {
    f"deceptive, GRPO, entropy {weight:g}, bonus {bonus:g}": _grpo(
        bonus, entropy_coef=weight, eval_every=50 if weight else 10
    )
    for weight, bonuses in {0.0: (0.0, 0.1), 0.1: (0.0, 0.1), 1.0: (0.0,)}.items()
    for bonus in bonuses
}

STUDY = Study(
    "entropy",
    chapter=8,
    page="b",
    question="How does the cliff's height depend on bonus and temperature, and what does it cost?",
    conditions={
        **{
            f"deceptive, exact, β = {beta:g}, bonus {bonus:g}": _deceptive("weak", beta, bonus)
            for beta, bonuses in {
                0.03: (0.0, 0.03, 0.3),
                0.1: (0.0, 0.1, 0.3),
                0.3: (0.0, 0.03, 0.3),
            }.items()
            for bonus in bonuses
        },
        # The control: a grader under which nothing is tied.
        **{
            f"deceptive, no tie, exact, β = 0.1, bonus {bonus:g}": _deceptive("strong", 0.1, bonus)
            for bonus in (0.0, 0.1)
        },
        **_INSTRUCTION,
        **{
            f"alignment, exact, β = {beta:g}, bonus {bonus:g}": _alignment(beta, bonus)
            for beta, bonuses in {0.03: (0.0, 0.03, 0.3), 0.3: (0.0, 0.3)}.items()
            for bonus in bonuses
        },
        **{
            f"deceptive, GRPO, β = 0.1, bonus {bonus:g}": _grpo(bonus, beta=0.1)
            for bonus in (0.0, 0.1, 0.3)
        },
        **_ENTROPY,
    },
    starts=range(10),
    own_starts=dict.fromkeys(
        (
            "deceptive, exact, β = 0.1, bonus 0.3",
            "deceptive, exact, β = 0.3, bonus 0.03",
            "alignment, exact, β = 0.03, bonus 0.03",
            "alignment, exact, β = 0.03, bonus 0.3",
            "deceptive, GRPO, β = 0.1, bonus 0.3",
            *_INSTRUCTION,
            *_ENTROPY,
        ),
        range(5),
    ),
    repeats={"deceptive, GRPO, β = 0.1, bonus 0": 2, "deceptive, GRPO, β = 0.1, bonus 0.1": 2},
)


def without_bonus(condition: str) -> str:
    """The partner of a condition: the same training without a bonus."""
    return f"{condition.rpartition(' ')[0]} 0"


PARTNERS = {name: without_bonus(name) for name in STUDY.conditions if name != without_bonus(name)}
WITH_DIVERGENCE = tuple(name for name in STUDY.conditions if "β" in name)


def optimum_of(condition: str) -> str:
    """Name of the rows of ``moved`` that say how far the optima of a condition move."""
    return f"optimum, {condition}"


def ratio(condition: str) -> float:
    """Bonus over temperature, ε/β, of a condition with a divergence term."""
    setting = STUDY.conditions[condition]
    return setting["rewards"][FAVOURED[setting["task"]]] / setting["beta"]


@cache
def optimum(run: Run) -> pd.DataFrame:
    """The policy that a run's objective aims at, on the training prompts with a tie."""
    e = run.experiment
    return kl_optimum(trained(run), e.task, e.rewards, e.beta)


@cache
def trained(run: Run) -> pd.DataFrame:
    """The policy that a run arrived at, on the training prompts with a tie."""
    table, task = run.split("train"), get_task(run.experiment.task)
    kind = TIED[run.experiment.task]
    tied = table.prompt.map({p: task.kind(p).startswith(kind) for p in table.prompt.unique()})
    return table[tied].reset_index(drop=True)


def moved(runs: Runs) -> pd.DataFrame:
    """Distance of each run to its partner without a bonus, on prompts with a tie.

    Returns:
        Tidy: ``value``, and ``upper``, the upper end of the distance's bracket. Rows of condition
        ``optimum, …`` hold the distance between the optima of run and partner; those of condition
        ``noise floor`` that between repeats without a bonus under GRPO.
    """
    by_run = runs.compared(_ends, PARTNERS)
    part = _with_divergence(runs)
    aims = part.compared(_between_optima, PARTNERS)
    again = runs.only("deceptive, GRPO, β = 0.1, bonus 0").repeated(_ends)
    aims["condition"] = aims.condition.map(optimum_of)
    return pd.concat([by_run, aims, again.assign(condition=FLOOR)], ignore_index=True)


def _with_divergence(runs: Runs) -> Runs:
    return runs.only(*WITH_DIVERGENCE)


def optima(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``moved`` that are about optima, under their conditions' own names."""
    mark = optimum_of("")
    rows = table[table.condition.str.startswith(mark)]
    return rows.assign(condition=rows.condition.str.removeprefix(mark))


def _ends(partner: Run, run: Run) -> dict[str, float]:
    distance = distribution_distance(trained(partner), trained(run))
    return {"value": distance.lower, "upper": distance.upper}


def _between_optima(partner: Run, run: Run) -> float:
    return distribution_distance(optimum(partner), optimum(run)).lower


def residual(runs: Runs) -> pd.DataFrame:
    """Distance of each policy trained under a divergence term to its own optimum. Tidy.

    Zero where training has arrived.
    """
    return _with_divergence(runs).tidy(
        lambda run: distribution_distance(optimum(run), trained(run)).lower
    )


def worth(runs: Runs) -> pd.DataFrame:
    """What the policies trained without a bonus earn on the prompts they were trained on.

    Returns:
        Tidy: ``value``, the expected reward; ``entropy`` over completions in nats; ``listed``, the
        mass of the completions that the task knows. Averages over prompts.
    """
    plain = sorted(set(PARTNERS.values()) | {"deceptive, GRPO, entropy 1, bonus 0"})
    return runs.only(*plain).tidy(lambda run: worth_of(run, own_prompts(run)))


def own_prompts(run: Run) -> pd.DataFrame:
    """The policy that a run arrived at, on every prompt it was trained on."""
    table = run.split("train")
    return table[table.prompt.isin(run.experiment.prompts)].reset_index(drop=True)


def worth_of(run: Run, table: pd.DataFrame) -> dict[str, float]:
    """Expected reward, entropy in nats and mass of a policy's table under a run's rewards."""
    task, rewards = get_task(run.experiment.task), run.experiment.rewards
    pairs = zip(table.prompt, table.completion, strict=True)
    score = np.array([task.reward(rewards, *pair) for pair in pairs])
    mass = np.exp(table.logprob.to_numpy())
    sums = {"value": mass @ score, "entropy": -(mass @ table.logprob), "listed": mass.sum()}
    return {name: float(total) / table.prompt.nunique() for name, total in sums.items()}


CLAIMS = (
    Claim(
        "one-curve",
        "At ε = β a policy ten times colder moves as far, within 0.05.",
        moved,
        of="deceptive, exact, β = 0.03, bonus 0.03",
        against="deceptive, exact, β = 0.3, bonus 0.3",
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "lands",
        "In the deceptive task the trained policy moves as far as its optimum does, within 0.05.",
        moved,
        of="deceptive, exact, β = 0.1, bonus 0.1",
        against=optimum_of("deceptive, exact, β = 0.1, bonus 0.1"),
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "lands-alignment",
        "So it does in the alignment task.",
        moved,
        of="alignment, exact, β = 0.3, bonus 0.3",
        against=optimum_of("alignment, exact, β = 0.3, bonus 0.3"),
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    # The instruction family does not arrive in the time that it is given: see ``residual``.
    Claim(
        "lands-instruction",
        "And in the instruction task, where the start hardly ever writes what gets the bonus.",
        moved,
        of="instruction, exact, β = 0.1, bonus 1",
        against=optimum_of("instruction, exact, β = 0.1, bonus 1"),
        sign=0,
        margin=0.05,
    ),
    Claim(
        "one-curve-instruction",
        "There, too, a policy colder by a factor of 3.3 moves as far at the same ε/β, within 0.05.",
        moved,
        of="instruction, exact, β = 0.03, bonus 0.3",
        against="instruction, exact, β = 0.1, bonus 1",
        sign=0,
        margin=0.05,
    ),
    Claim(
        "cold-instruction",
        "There training ends further from the optimum the colder it is.",
        residual,
        of="instruction, exact, β = 0.03, bonus 0.3",
        against="instruction, exact, β = 0.1, bonus 1",
        sign=+1,
    ),
    Claim(
        "warmth",
        "A bonus of 0.3 moves a policy ten times warmer less.",
        moved,
        of="deceptive, exact, β = 0.3, bonus 0.3",
        against="deceptive, exact, β = 0.03, bonus 0.3",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "tie",
        "The same bonus at the same temperature moves a policy further if its traces tie.",
        moved,
        of="deceptive, exact, β = 0.1, bonus 0.1",
        against="deceptive, no tie, exact, β = 0.1, bonus 0.1",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "sampled",
        "Sampled, a bonus as large as β moves a policy further than another sampling seed does.",
        moved,
        of="deceptive, GRPO, β = 0.1, bonus 0.1",
        against=FLOOR,
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "sampled-lands",
        "And as far as its optimum moves, within 0.05.",
        moved,
        of="deceptive, GRPO, β = 0.1, bonus 0.1",
        against=optimum_of("deceptive, GRPO, β = 0.1, bonus 0.1"),
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "sampled-larger",
        "Sampled, a larger bonus moves it further.",
        moved,
        of="deceptive, GRPO, β = 0.1, bonus 0.3",
        against="deceptive, GRPO, β = 0.1, bonus 0.1",
        sign=+1,
    ),
    Claim(
        "price",
        "Without any bonus a policy ten times warmer earns less.",
        worth,
        of="alignment, exact, β = 0.3, bonus 0",
        against="alignment, exact, β = 0.03, bonus 0",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "entropy",
        "Sampled with an entropy bonus of 0.1 a policy moves less than without one.",
        moved,
        of="deceptive, GRPO, entropy 0.1, bonus 0.1",
        against="deceptive, GRPO, entropy 0, bonus 0.1",
        sign=-1,
    ),
    Claim(
        "entropy-price",
        "And it earns less.",
        worth,
        of="deceptive, GRPO, entropy 0.1, bonus 0",
        against="deceptive, GRPO, entropy 0, bonus 0",
        sign=-1,
    ),
)


def live_keys() -> list[Key]:
    """The runs that the chapter trains while it is built: two pairs, from a new start."""
    bonuses = {LIVE[0]: 0.1, LIVE[1]: 0.3}
    return [
        Key(f"{name}, bonus {bonus:g}", NEW_START, 0)
        for name, paid in bonuses.items()
        for bonus in (0.0, paid)
    ]
