"""Chapter 4: how far does a small bonus for one of three tied traces move a trained policy?

The weak grader pays three traces the same (honest solving, open and hidden tampering). One of them
gets a bonus. Two endpoints: the favoured trace's share, which has no partner; and the distance to
the run of the same start without a bonus, whose size depends on where that partner, which nothing
holds in place, has ended.
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.curves import LiveCurves
from companion.rlhf.distances import Distance
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.marks import bars
from companion.studies.runs import Runs
from companion.studies.statistics import interval, of_condition
from companion.studies.study import Key, Study
from companion.theory import FiniteMDP, optimal_q, uniform_policy

TIED = ("honest", "open", "hidden")
FAVOURED = "hidden"
FLOOR = "noise floor"
BEFORE = "before training"
NEW_STARTS = (20, 21)  # of the live part; the record has others
# Beside Adam and Llama. The rate of SGD was found on start 30, which no study has: with it the
# reward rises as fast as under Adam; with a rate of 1 the policy leaves the grammar.
OTHERS: dict[str, dict[str, Any]] = {
    "SGD": {"optimizer": "sgd", "learning_rate": 0.3},
    "GPT-2": {"architecture": "gpt2"},
    "GPT-NeoX": {"architecture": "gpt_neox"},
}
_NAMES = {"exact": "exact gradient", "GRPO": "GRPO", "no tie": "no tie (control)"}
_COLOURS = {"exact": "blue", "GRPO": "orange", "no tie": "green"}


def _condition(trainer: str, grader: str, trace: str, bonus: float, **more: Any) -> dict[str, Any]:
    rewards = {grader: 1.0, f"bonus_{trace}": bonus}
    setting = {"task": "deceptive", "trainer": trainer, "scale_rewards": "none"}
    return setting | {"rewards": rewards} | more


def _paid(bonus: float) -> str:
    return f"bonus {bonus:g}" if bonus else "no bonus"


STUDY = Study(
    "cliff",
    chapter=4,
    question="How far does a small bonus for one of three tied traces move a trained policy?",
    conditions={
        "exact, no bonus": _condition("exact", "weak", FAVOURED, 0.0),
        **{
            f"exact, bonus {bonus:g}": _condition("exact", "weak", FAVOURED, bonus)
            for bonus in (0.001, 0.003, 0.01, 0.1)
        },
        "GRPO, no bonus": _condition("grpo", "weak", FAVOURED, 0.0),
        **{
            f"GRPO, bonus {bonus:g}": _condition("grpo", "weak", FAVOURED, bonus)
            for bonus in (0.01, 0.03, 0.1)
        },
        "GRPO, bonus 0.1 for honest": _condition("grpo", "weak", "honest", 0.1),
        "GRPO, bonus 0.1 for open": _condition("grpo", "weak", "open", 0.1),
        # The control: a grader that tells the traces apart.
        "no tie, no bonus": _condition("exact", "strong", FAVOURED, 0.0),
        **{
            f"no tie, bonus {bonus:g}": _condition("exact", "strong", FAVOURED, bonus)
            for bonus in (0.001, 0.1)
        },
        # The smallest bonus again, four times as long.
        "longer, no bonus": _condition("exact", "weak", FAVOURED, 0.0, steps=600, eval_every=50),
        "longer, bonus 0.001": _condition(
            "exact", "weak", FAVOURED, 0.001, steps=600, eval_every=50
        ),
        # The same question to another optimiser and to other architectures.
        **{
            f"{series}, {_paid(bonus)}": _condition("exact", "weak", FAVOURED, bonus, **more)
            for series, more in OTHERS.items()
            for bonus in (0.0, 0.01)
        },
    },
    # Two sampling seeds of GRPO wherever a confirmatory claim needs them.
    starts=range(10),
    repeats={"GRPO, no bonus": 2, "GRPO, bonus 0.1": 2},
    own_starts={
        f"{series}, {_paid(bonus)}": range(5)
        for series in ("GPT-2", "GPT-NeoX")
        for bonus in (0.0, 0.01)
    },
)

# The partner of a condition: the same training without a bonus.
PARTNERS = {
    name: f"{name.split(',')[0]}, no bonus"
    for name in STUDY.conditions
    if not name.endswith("no bonus")
}


def bonus_of(condition: str) -> float:
    """The bonus that a condition pays."""
    return next(w for c, w in STUDY.conditions[condition]["rewards"].items() if "bonus_" in c)


def paid_trace(condition: str) -> str:
    """The trace that a condition pays a bonus for, even if the bonus is zero."""
    names = STUDY.conditions[condition]["rewards"]
    return next(c.removeprefix("bonus_") for c in names if "bonus_" in c)


def moved(runs: Runs) -> pd.DataFrame:
    """Distance of each run with a bonus to its partner, and between repeats without one.

    Returns:
        Tidy: ``value``, and ``upper``, the upper end of the distance's bracket. The condition of
        the distances between repeats of ``GRPO, no bonus`` is ``noise floor``.
    """
    with_bonus = runs.compared(_ends, PARTNERS)
    again = runs.only("GRPO, no bonus").repeated(_ends)
    return pd.concat([with_bonus, again.assign(condition=FLOOR)], ignore_index=True)


def _ends(partner: Run, run: Run) -> dict[str, float]:
    distance: Distance = policy_distance(partner, run)
    return {"value": distance.lower, "upper": distance.upper}


def masses(runs: Runs) -> pd.DataFrame:
    """Probability of each trace after training; the rows ``before training`` are the starts'.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, and one for each label.
    """
    after = runs.tidy(lambda run: run.masses().to_dict())
    before = runs.only("GRPO, no bonus", repeats=[0]).tidy(
        lambda run: run.masses(policy="start").to_dict()
    )
    return pd.concat([after, before.assign(condition=BEFORE)], ignore_index=True)


def paid_share(runs: Runs) -> pd.DataFrame:
    """Probability of the trace that a condition's bonus pays, after training. Tidy."""
    return pd.DataFrame(
        [
            {**key._asdict(), "value": float(run.masses()[paid_trace(key.condition)])}
            for key, run in runs.items()
        ]
    )


def paid_trace_wins(runs: Runs) -> pd.DataFrame:
    """Whether the trace that a condition pays holds more than half of the probability. Tidy."""
    shares = paid_share(runs)
    return shares.assign(value=shares.value > 0.5)


def honest(runs: Runs) -> pd.DataFrame:
    """Probability of solving honestly, before and after training. Tidy."""
    return masses(runs).rename(columns={"honest": "value"})


CLAIMS = (
    Claim(
        "small-bonus",
        "A bonus of 0.001 moves a policy whose traces tie further than one whose traces do not.",
        moved,
        of="exact, bonus 0.001",
        against="no tie, bonus 0.001",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "large-bonus",
        "A bonus of 0.1 moves a policy whose traces tie further than one whose traces do not.",
        moved,
        of="exact, bonus 0.1",
        against="no tie, bonus 0.1",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "no-slope",
        "A bonus ten times smaller moves the policy as far, within a tenth of all probability.",
        moved,
        of="exact, bonus 0.01",
        against="exact, bonus 0.1",
        sign=0,
        margin=0.1,
        confirmatory=True,
    ),
    Claim(
        "share",
        "In time the smallest bonus brings its trace more than no bonus does.",
        paid_share,
        of="longer, bonus 0.001",
        against="longer, no bonus",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "sampled",
        "Sampled, a bonus of 0.1 moves a policy further than another sampling seed does.",
        moved,
        of="GRPO, bonus 0.1",
        against=FLOOR,
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "winner",
        "Sampled, the trace that is paid a bonus of 0.1 takes more than half.",
        paid_trace_wins,
        of="GRPO, bonus 0.1",
        against="GRPO, no bonus",
        sign=+1,
        outcome="share",
        confirmatory=True,
    ),
    Claim(
        "honesty",
        "Without any bonus sampled training loses honest solving, which is as optimal.",
        honest,
        of="GRPO, no bonus",
        against=BEFORE,
        sign=-1,
    ),
    Claim(
        "sgd",
        "With plain SGD, which rescales no gradient, a bonus of 0.01 brings its trace as well.",
        paid_share,
        of="SGD, bonus 0.01",
        against="SGD, no bonus",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "optimiser",
        "Adam and SGD give the trace that is paid 0.01 the same share, within a twentieth.",
        paid_share,
        of="SGD, bonus 0.01",
        against="exact, bonus 0.01",
        sign=0,
        margin=0.05,
        confirmatory=True,
    ),
    Claim(
        "partner",
        "The same bonus moves the policy further with SGD than with Adam.",
        moved,
        of="SGD, bonus 0.01",
        against="exact, bonus 0.01",
        sign=+1,
    ),
    *(
        Claim(
            architecture.lower(),
            f"A bonus of 0.01 brings its trace in the architecture {architecture} too.",
            paid_share,
            of=f"{architecture}, bonus 0.01",
            against=f"{architecture}, no bonus",
            sign=+1,
        )
        for architecture in ("GPT-2", "GPT-NeoX")
    ),
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    conditions = ("exact, no bonus", "exact, bonus 0.1", "GRPO, no bonus", "GRPO, bonus 0.1")
    return [Key(condition, start, 0) for condition in conditions for start in starts]


def optimisers(runs: Runs) -> pd.DataFrame:
    """What a bonus of 0.01 does by optimiser and architecture, as a page shows it: a row each."""
    shares, distances = paid_share(runs), moved(runs)
    rows = {"exact": ("Adam", "Llama"), "SGD": ("SGD", "Llama")}
    rows |= {name: ("Adam", name) for name in ("GPT-2", "GPT-NeoX")}
    return pd.DataFrame(
        {
            "optimiser": optimiser,
            "architecture": architecture,
            "share without a bonus": f"{interval(shares, f'{series}, no bonus'):.2f}",
            "with a bonus of 0.01": f"{interval(shares, f'{series}, bonus 0.01'):.2f}",
            "distance between them": f"{interval(distances, f'{series}, bonus 0.01'):.2f}",
        }
        for series, (optimiser, architecture) in rows.items()
    )


def bandit(rewards: list[Any]) -> FiniteMDP:
    """A bandit: one state, each action ends the episode."""
    return FiniteMDP(np.ones((1, len(rewards), 1)), np.array([rewards]), discount=0.0)


@figure("cliff-value-and-policy", rests_on=("prop_2_4", "prop_2_9", "prop_2_10", "lemma_c_1"))
def value_and_policy(answers: int = 4) -> Drawing:
    """The optimum of a bandit whose answers tie, against the bonus for one of them."""
    bonuses = np.linspace(-0.02, 0.02, 401)
    optima = [optimal_q(bandit([1 + bonus] + [1.0] * (answers - 1))) for bonus in bonuses]
    table = pd.DataFrame(
        {
            "bonus": bonuses,
            "value": [q.max() for q in optima],
            "favoured": [uniform_policy(q, atol=1e-12)[0, 0] for q in optima],
        }
    )
    tie = table[np.isclose(table.bonus, 0)]
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4))
        left.plot(table.bonus, table.value, color=COLOURS["blue"])
        left.set(title="What the policy is worth", xlabel="bonus ε", ylabel="optimal value")
        left.set_ylim(0.98, 1.04)
        for side in (table[table.bonus < -1e-9], table[table.bonus > 1e-9]):
            right.plot(side.bonus, side.favoured, color=COLOURS["orange"])
        right.plot(tie.bonus, tie.favoured, "o", color=COLOURS["orange"])
        right.set(title="What it does", xlabel="bonus ε", ylabel="share of the favoured answer")
        right.set_ylim(-0.05, 1.05)
        for ax in (left, right):
            ax.set_xticks([-0.02, -0.01, 0, 0.01, 0.02])
        plt.close(fig)
    steepest = np.abs(np.diff(table.value) / np.diff(table.bonus)).max()
    return Drawing(
        fig,
        title="The value is continuous, the policy is not",
        caption=f"One of {answers} equally good answers gets a bonus ε. The optimal value (left) "
        f"never changes faster than the reward does: its steepest slope is {steepest:.3g}. The "
        f"share of the favoured answer in the optimal policy (right) is "
        f"{table.favoured.iloc[0]:.0f}, then {tie.favoured.item():.2f} at the tie, then "
        f"{table.favoured.iloc[-1]:.0f}, with nothing in between.",
        alt="Left, a continuous curve of optimal value against bonus, flat and then rising. Right, "
        "a step: the share of the favoured answer is zero for a negative bonus, a quarter at the "
        "tie and one for a positive bonus.",
        data=table,
    )


@figure("cliff-live", rests_on=("prop_2_10",), family="deceptive")
def live(curves: LiveCurves) -> Drawing:
    """How the favoured trace's probability moved in the runs trained just now."""
    count = curves.data.run.nunique()
    return Drawing(
        curves.drawn(),
        title="The policy leaves, step by step",
        caption=f"Probability of {FAVOURED} tampering in the {count} runs that were trained while "
        f"this page was built, from {len(NEW_STARTS)} starts that the record does not hold; "
        "averaged over the training prompts and computed exactly. Each thin line is a run, each "
        "colour a condition.",
        alt=curves.alt,
        data=curves.data,
    )


@figure("cliff-trained", rests_on=("prop_2_10",), family="deceptive")
def trained(recorded: Runs, today: Runs, jump: float) -> Drawing:
    """Share of the favoured trace, and distance to the partner, against the bonus.

    Args:
        recorded: the study's runs.
        today: those trained just now; at another tier they are drawn all the same.
        jump: how far the optimal policy moves.
    """
    parts = {
        "favoured share": [paid_share(runs) for runs in (recorded, today)],
        "distance": [moved(runs) for runs in (recorded, today)],
    }
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5), sharex=True)
        left.axhline(1, color=COLOURS["ink"], lw=2)
        right.axhline(jump, color=COLOURS["ink"], lw=2)
        right.text(0.0009, jump + 0.02, "optimal policy")
        for ax, (old, new) in zip((left, right), parts.values(), strict=True):
            for series in _NAMES:
                _against_bonus(ax, series, old, new)
        floor = interval(parts["distance"][0], FLOOR)
        right.axhspan(*floor.ends, color=COLOURS["faint"], alpha=0.35, lw=0)
        right.text(0.0009, floor.value, FLOOR, color=COLOURS["faint"], va="center")
        left.legend(loc="center")
        left.set(xscale="log", ylim=(-0.04, 1.04), title="Share of the favoured trace")
        left.set_ylabel("probability after training")
        right.set(ylim=(-0.04, 1.04), title="Distance from the run without a bonus")
        right.set_ylabel("total variation")
        for ax in (left, right):
            ax.set_xlabel("bonus ε for one of the tied traces")
        plt.close(fig)
    widest = (parts["distance"][0].upper - parts["distance"][0].value).max()
    starts = len({key.start for key in recorded.keys})
    table = pd.concat(
        part.assign(measure=measure, run=run)
        for measure, pair in parts.items()
        for part, run in zip(pair, ("recorded", "live"), strict=True)
    )
    return Drawing(
        fig,
        title="A trained language model on the cliff",
        caption=f"One of {len(TIED)} equally rewarded traces gets a bonus ε. Left: its probability "
        "after training. Right: the distance to the run of the same start without a bonus, which "
        "itself ends anywhere, so that this number depends on the partner. Dots are the "
        f"{starts} recorded starts, lines their mean, bars Student t intervals (95 %); crosses "
        "are other starts, trained while this page was built. Black: the optimal policy of "
        "Proposition 2.10. Grey: distance between two GRPO runs without any bonus that differ in "
        "the sampling seed alone (interval of the mean). Green: the exact gradient under the "
        "strong grader, where the traces are not tied. Completions outside the list could add at "
        f"most {widest:.2g}.",
        alt=_in_words(parts["favoured share"][0], parts["distance"][0]),
        data=table,
    )


def _against_bonus(ax: Axes, series: str, old: pd.DataFrame, new: pd.DataFrame) -> None:
    """Dots, mean and interval of a series over its bonuses, and crosses for new runs."""
    names = [c for c in PARTNERS if c.startswith(f"{series}, ") and paid_trace(c) == FAVOURED]
    bonuses = [bonus_of(name) for name in names]
    groups = [of_condition(old, name) for name in names]
    bars(ax, bonuses, groups, _COLOURS[series], capsize=5, label=_NAMES[series])
    colour = COLOURS[_COLOURS[series]]
    for name, bonus in zip(names, bonuses, strict=True):
        ax.plot(*_at(old, name, bonus), "o", color=colour, ms=5, alpha=0.45)
        ax.plot(*_at(new, name, bonus * 1.12), "x", color=colour, ms=9, mew=2)


def _at(table: pd.DataFrame, condition: str, bonus: float) -> tuple[list[float], list[float]]:
    values = table[table.condition == condition].value.tolist()
    return [bonus] * len(values), values


def _in_words(shares: pd.DataFrame, distances: pd.DataFrame) -> str:
    smallest, largest = "exact, bonus 0.001", "exact, bonus 0.1"
    share = [interval(shares, name).value for name in (smallest, largest)]
    far = [interval(distances, name).value for name in (smallest, largest)]
    control = interval(distances, "no tie, bonus 0.1").value
    return (
        "Left, the share of the favoured trace against the bonus on a logarithmic axis: the exact "
        f"gradient climbs from {share[0]:.2f} to {share[1]:.2f}, GRPO as high, the control without "
        f"a tie stays near zero. Right, the distance: the exact gradient climbs from {far[0]:.2f} "
        f"to {far[1]:.2f} and then stays flat, the control stays at {control:.1g}."
    )
