"""Chapter 1: does a perturbed reward model move the value a little and the policy a lot?

Three reward models pay refusing, warning and helping the same on boundary requests; the perturbed
safety reward model pays a little more for one of them. Everything is measured on the boundary
requests that were trained on, from the probabilities of all completions.
"""

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf import get_task
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.marks import draw_means, draw_runs
from companion.studies.runs import Runs
from companion.studies.statistics import interval
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
    """The same distance on all other requests, where no reward changed.

    Returns:
        Tidy, and a column for each kind of request.
    """

    def apart(partner: Run, run: Run) -> dict[str, float]:
        table = policy_distance(partner, run).per_prompt
        table = table[~_is_boundary(table)]
        by_kind = table.groupby(table.prompt.map(get_task("alignment").kind)).lower.mean()
        return {"value": float(table.lower.mean())} | by_kind.to_dict()

    return runs.compared(apart, PARTNERS)


def moved_here_and_there(runs: Runs) -> pd.DataFrame:
    """``moved``, and ``moved_elsewhere`` as conditions that end in ``, elsewhere``. Tidy."""
    there = moved_elsewhere(runs)[[*Key._fields, "value"]]
    there["condition"] += ", elsewhere"
    return pd.concat([moved(runs), there], ignore_index=True)


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


def _apart(partner: Run, run: Run) -> dict[str, float]:
    table = policy_distance(partner, run).per_prompt
    table = table[_is_boundary(table)]
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
    kind = get_task("alignment").kind
    return table.prompt.isin([p for p in table.prompt.unique() if kind(p) == BOUNDARY])


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


@figure("value-trained", rests_on=("prop_2_4", "prop_2_10"), family="alignment")
def trained(recorded: Runs, today: Runs, bound: Callable[[np.ndarray], np.ndarray]) -> Drawing:
    """How far a perturbation moves value and policy, and what the policy does on boundary requests.

    Args:
        recorded: the study's runs.
        today: those trained just now; at another tier they are drawn all the same.
        bound: the largest move of the value that the proposition allows, by size of the change.
    """
    policy, value, helps = (
        [measure(runs) for runs in (recorded, today)] for measure in (moved, value_moved, helping)
    )
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5))
        _draw_moves(left, policy, value)
        sizes = np.array([0.0015, 0.6])
        left.plot(
            sizes, bound(sizes), color=COLOURS["ink"], lw=1.5, ls="--", label="bound on value"
        )
        _draw_helping(right, helps)
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        plt.close(fig)
    table = pd.concat(
        part.assign(measure=name, run=run)
        for name, pair in {"policy": policy, "value": value, "helps": helps}.items()
        for part, run in zip(pair, ("recorded", "live"), strict=True)
    )
    tied, control = (
        interval(policy[0], f"exact, {judge}, help 0.3") for judge in ("tied", "oracle")
    )
    worth_moved = interval(value[0], "exact, tied, help 0.3")
    return Drawing(
        fig,
        title="A perturbed reward model moves the value a little and the policy a lot",
        caption="The safety reward model pays δ more for helping on boundary requests, or for "
        "refusing. Left: how far that moves the value that training reaches (blue; the proposition "
        "allows the dashed line), and the policy, in total variation (orange; purple for GRPO). "
        "Green: the policy under the oracle, where no acts tie. Grey: GRPO against itself with "
        "another sampling seed (interval of the mean). Right: what the policy then does. Dots are "
        f"runs ({tied.n} starts at the largest δ), lines their mean over starts with Student t "
        "intervals (95 %); crosses are other starts, trained while this page was built. What "
        "completions outside the list could add to a distance is at most "
        f"{(policy[0].upper - policy[0].value).max():.2g}.",
        alt="Left, distance moved against the size of the perturbation, both axes logarithmic. At "
        f"the largest size the policy moves by {tied.value:.2f}, the value by "
        f"{worth_moved.value:.2f}, and without a tie the policy by {control.value:.2f}. Right, the "
        "probability of helping when refusing is paid more, nothing, or helping.",
        data=table,
    )


def _draw_moves(ax: Axes, policy: list[pd.DataFrame], value: list[pd.DataFrame]) -> None:
    """Distances moved against the size of the perturbation; each pair is recorded and of today."""
    floor = interval(policy[0], FLOOR)
    ends = max(floor.low, 5e-4), floor.high
    ax.axhspan(*ends, color=COLOURS["faint"], alpha=0.25, lw=0, label="GRPO's noise floor")
    tied = [f"exact, tied, help {size:g}" for size in SIZES]
    series = (
        (policy, tied, "orange", "policy, exact gradient"),
        (policy, ["exact, oracle, help 0.3"], "green", "policy, no tie"),
        (policy, ["GRPO, tied, help 0.3"], "purple", "policy, GRPO"),
        (value, tied, "blue", "value"),
    )
    for (old, new), names, colour, label in series:
        shift = 1.2 if label == "policy, GRPO" else 1.0
        places = [size_of(name) * shift for name in names]
        draw_means(ax, places, old, names, colour, label=label)
        for place, name in zip(places, names, strict=True):
            draw_runs(ax, place * 1.12, new, name, colour, new=True)
    ax.set(xscale="log", yscale="log", xlim=(0.0015, 0.6), ylim=(5e-4, 2))
    ax.set(title="How far they move", xlabel="largest change of a reward, δ")
    ax.set_ylabel("moved on boundary requests")
    ax.set_xticks(SIZES, [f"{size:g}" for size in SIZES])
    ax.minorticks_off()


def _draw_helping(ax: Axes, helps: list[pd.DataFrame]) -> None:
    """Probability of helping under each perturbation; recorded, and of today."""
    names = ["exact, tied, refuse 0.03", "exact, tied"]
    names += [f"exact, tied, help {size:g}" for size in SIZES]
    sampled = ["GRPO, tied", "GRPO, tied, help 0.3"]
    draw_means(ax, range(len(names)), helps[0], names, "orange", ls="none")
    places = [names.index(name.replace("GRPO", "exact")) + 0.25 for name in sampled]
    draw_means(ax, places, helps[0], sampled, "purple", ls="none")
    for place, name in enumerate(names):
        draw_runs(ax, place + 0.12, helps[1], name, "orange", new=True)
    ticks = ["refuse\n0.03", "none", *(f"help\n{size:g}" for size in SIZES)]
    ax.set_xticks(range(len(names)), ticks)
    ax.set(title="What the policy does", xlabel="act that is paid more, and δ", ylim=(-0.04, 1.04))
    ax.set_ylabel("probability of helping")
