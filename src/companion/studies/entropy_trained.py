"""Chapter 8's figures and tables of trained policies; its measures are in ``entropy``."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import prop_4_7, sharp_6_kl_sequence, sharp_7_cliff_width
from companion.rlhf import get_task, kl_optimum
from companion.rlhf.curves import LiveCurves
from companion.rlhf.records import Run
from companion.studies import entropy
from companion.studies.marks import bars
from companion.studies.runs import Runs
from companion.studies.statistics import interval, mean_interval, per_start

TIES = 3  # traces that the weak grader pays the same
COLOUR = {"deceptive": "blue", "alignment": "green", "instruction": "amber"}
MARKERS = {0.03: "v", 0.1: "o", 0.3: "s"}
_ASIDE = {"deceptive": 1.0, "alignment": 1.07, "instruction": 0.93}  # so that marks do not hide
_RATIOS = np.geomspace(0.08, 40, 300)


def settings(table: pd.DataFrame) -> pd.DataFrame:
    """A measure with what its conditions set beside it.

    Args:
        table: tidy; rows of other names than conditions with a divergence term are left out.

    Returns:
        The rows with columns ``task``, ``tied``, ``trainer``, ``beta``, ``bonus`` and ``ratio``.
    """
    rows = table[table.condition.isin(entropy.WITH_DIVERGENCE)].reset_index(drop=True)
    found = [entropy.STUDY.conditions[name] for name in rows.condition]
    bonus = [s["rewards"][entropy.FAVOURED[s["task"]]] for s in found]
    rows = rows.assign(
        task=[s["task"] for s in found],
        tied=["strong" not in s["rewards"] for s in found],
        trainer=[s["trainer"] for s in found],
        beta=[s["beta"] for s in found],
        bonus=bonus,
    )
    return rows.assign(ratio=rows.bonus / rows.beta)


def tilt(held: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """Distance that an optimum moves when answers that hold the mass ``held`` get a bonus."""
    growth = np.exp(ratio)
    return held * (1 - held) * (growth - 1) / (1 + held * (growth - 1))


def favoured_mass(runs: Runs, family: str) -> np.ndarray:
    """(prompts of all starts,) what optima without a bonus give to answers that one would pay."""
    component = entropy.FAVOURED[family]
    plain = [
        run
        for key, run in runs.items()
        if key.condition.startswith(f"{family}, exact")
        and entropy.without_bonus(key.condition) == key.condition
    ]
    return np.concatenate([_paid(entropy.optimum(run), family, component) for run in plain])


def _paid(table: pd.DataFrame, family: str, component: str) -> np.ndarray:
    judge = get_task(family).judge
    pairs = zip(table.prompt, table.completion, strict=True)
    paid = np.array([judge(component, *pair).score for pair in pairs])
    return (np.exp(table.logprob) * paid).groupby(table.prompt).sum().to_numpy()


@figure("entropy-live", rests_on=("sharp_6_kl_sequence",), family="all")
def live(curves: LiveCurves) -> Drawing:
    """How the reward moved in the runs trained just now."""
    return Drawing(
        curves.drawn(),
        title="Training towards a regularised optimum",
        caption=f"Expected reward in the {curves.data.run.nunique()} runs that were trained while "
        "this page was built, from a start that the record does not hold. Each line is a run.",
        alt=curves.alt,
        data=curves.data,
    )


@figure(
    "entropy-collapse",
    rests_on=("prop_4_7", "sharp_6_kl_sequence", "sharp_7_cliff_width"),
    family="all",
)
def collapse(recorded: Runs, today: Runs) -> Drawing:
    """Distance from the run without a bonus against bonus over temperature.

    Args:
        recorded: the study's runs.
        today: those trained just now.
    """
    moved = entropy.moved(recorded)
    far, new = settings(moved), settings(entropy.moved(today))
    exact, sampled = (far[far.trainer == name] for name in ("exact", "grpo"))
    floor = interval(moved, entropy.FLOOR)
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.6), sharey=True)
        for ax in (left, right):
            _theory(ax)
        for family, colour in COLOUR.items():
            if family != "deceptive":
                held = favoured_mass(recorded, family)
                curve = tilt(held[:, None], _RATIOS).mean(axis=0)
                left.plot(_RATIOS, curve, color=COLOURS[colour], lw=1.5)
            _draw(left, exact[(exact.task == family) & exact.tied], colour)
            rows = new[new.task == family]
            left.plot(rows.ratio * 1.2, rows.value, "x", color=COLOURS[colour], ms=9, mew=2)
        _draw(left, exact[~exact.tied], "purple")
        right.axhspan(*floor.ends, color=COLOURS["faint"], alpha=0.35, lw=0)
        right.plot(sampled.ratio, sampled.value, "o", color=COLOURS["orange"], ms=6, alpha=0.4)
        _draw(right, sampled, "orange")
        _labels(left, right, floor.high)
        plt.close(fig)
    return Drawing(
        fig,
        title="Bonus over temperature",
        caption="Distance between policies with and without a bonus, against bonus over "
        "temperature; triangles β = 0.03, circles 0.1, squares 0.3; mean over starts and 95 % t "
        "interval, families drawn a little apart; crosses are another start, trained while this "
        "page was built. Completions outside the list could add at most "
        f"{(far.upper - far.value).max():.1g}. Black: the exact "
        f"curve of fact 7 for {TIES} tied answers of equal mass; thin, the same for the masses "
        "that the other two families' starts hold. Grey lines: the bounds of Proposition 4.7 "
        "(dashed; whole completions as actions) and of fact 6. Right: sampled gradients, dots are "
        "runs; grey band: the same run with another sampling seed (interval of the mean).",
        alt=_in_words(far, floor.value),
        data=far,
    )


def _theory(ax: Axes) -> None:
    ax.plot(_RATIOS, prop_4_7.bound(_RATIOS, 1.0, 0.0), "--", color=COLOURS["faint"], lw=2)
    ax.plot(_RATIOS, sharp_6_kl_sequence.bound(_RATIOS, 1.0), color=COLOURS["faint"], lw=2)
    ax.plot(_RATIOS, sharp_7_cliff_width.move(_RATIOS, TIES), color=COLOURS["ink"])
    ax.set(xscale="log", xlim=(0.08, 40), ylim=(-0.03, 1.0), xlabel="bonus over temperature, ε/β")


def _draw(ax: Axes, rows: pd.DataFrame, colour: str) -> None:
    """Mean over starts with its interval, a marker a condition."""
    for _, part in rows.groupby("condition"):
        place = part.ratio.iloc[0] * _ASIDE[part.task.iloc[0]]
        look = {"marker": MARKERS[part.beta.iloc[0]], "ls": "none", "ms": 10, "alpha": 0.85}
        bars(ax, [place], [per_start(part.value, part.start)], colour, **look)


def _labels(left: Axes, right: Axes, floor: float) -> None:
    left.set(title="Exact gradient", ylabel="distance from the run\nwithout bonus (TV)")
    right.set_title("Sampled (GRPO)")
    names = {**COLOUR, "no tie (control)": "purple"}
    for height, (text, colour) in zip((0.94, 0.87, 0.80, 0.73), names.items(), strict=True):
        left.text(0.09, height, text, color=COLOURS[colour], weight="bold")
    right.text(38, 0.70, "deceptive", color=COLOURS["orange"], weight="bold", ha="right")
    right.text(38, floor + 0.02, "noise floor", color=COLOURS["faint"], ha="right")
    right.text(1.75, 0.93, "Prop. 4.7", color=COLOURS["faint"], ha="right")
    right.text(5.5, 0.84, "fact 6", color=COLOURS["faint"], ha="left")
    right.text(38, 0.60, "fact 7", ha="right")


def _in_words(far: pd.DataFrame, floor: float) -> str:
    exact = far[(far.trainer == "exact") & far.tied].groupby(["task", "ratio"]).value.mean()
    grown = "; ".join(
        f"{family} from {exact[family].iloc[0]:.2f} to {exact[family].iloc[-1]:.2f}"
        for family in COLOUR
    )
    return (
        "Two panels, distance against the ratio of bonus to temperature on a logarithmic axis. "
        f"Left, trained policies, from the smallest ratio to the largest: {grown}; the control at "
        f"{far[~far.tied].value.mean():.2f}. Right, sampled runs, and a noise floor at {floor:.2f}."
    )


def how_near(runs: Runs) -> pd.DataFrame:
    """Per family and temperature: how far exact-gradient policies end from their own optimum."""
    rest = settings(entropy.residual(runs))
    rest = rest[rest.tied & (rest.trainer == "exact")]
    return pd.DataFrame(
        {
            "family": family,
            "β": f"{beta:g}",
            "steps of training": entropy.STUDY.experiment(part.condition.iloc[0]).steps,
            "distance to its own optimum": f"{mean_interval(part.value, part.start):.2f}",
        }
        for (family, beta), part in rest.groupby(["task", "beta"])
    )


def price_table(runs: Runs) -> pd.DataFrame:
    """Reward and entropy of policies without a bonus, trained and, for one start, optimal.

    Returns:
        Columns ``task``, ``beta``, ``start``, ``policy`` (trained or optimum), ``value`` (the
        reward) and ``entropy``.
    """
    earned = settings(entropy.worth(runs))
    earned = earned[(earned.trainer == "exact") & earned.tied].assign(policy="trained")
    columns = ["task", "beta", "start", "policy", "value", "entropy"]
    lines = [_optima(runs.at(f"{family}, exact, β = 0.03, bonus 0", 0)) for family in COLOUR]
    return pd.concat([earned, *lines], ignore_index=True)[columns]


def _optima(run: Run) -> pd.DataFrame:
    """Worth of the optimum from a run's start at many temperatures."""
    e, start = run.experiment, entropy.own_prompts(run)
    return pd.DataFrame(
        {"task": e.task, "beta": beta, "start": e.sft_seed, "policy": "optimum"}
        | entropy.worth_of(run, kl_optimum(start, e.task, e.rewards, beta))
        for beta in np.geomspace(0.01, 3, 13)
    )


@figure("entropy-price", rests_on=("prop_4_7", "sharp_6_kl_sequence"), family="all")
def price(table: pd.DataFrame) -> Drawing:
    """Expected reward and entropy against the temperature.

    Args:
        table: of ``price_table``.
    """
    labels = {"value": "expected reward", "entropy": "entropy (nats)"}
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), sharex=True)
        for ax, (quantity, label) in zip(axes, labels.items(), strict=True):
            for family, colour in COLOUR.items():
                rows = table[table.task == family]
                line, dots = (rows[rows.policy == name] for name in ("optimum", "trained"))
                ax.plot(line.beta, line[quantity], color=COLOURS[colour])
                ax.plot(dots.beta, dots[quantity], "o", color=COLOURS[colour], alpha=0.6)
            ax.set(xscale="log", xlabel="temperature β", ylabel=label)
        axes[0].set_ylim(-0.03, 1.05)
        for height, (family, colour) in zip((0.26, 0.16, 0.06), COLOUR.items(), strict=True):
            axes[0].text(0.011, height, family, color=COLOURS[colour], weight="bold")
        plt.close(fig)
    ends = {
        family: table[(table.task == family) & (table.policy == "optimum")].value.iloc[[0, -1]]
        for family in COLOUR
    }
    falls = "; ".join(f"{name} from {e.iloc[0]:.2f} to {e.iloc[1]:.2f}" for name, e in ends.items())
    return Drawing(
        fig,
        title="The price of a temperature",
        caption="Expected reward (left) and entropy over completions (right) against the weight β "
        "of the divergence from the start, without a bonus. Dots: trained runs, one a start. "
        "Lines: the optimum in closed form, for one start.",
        alt="Left, expected reward of the optimum falls from the coldest temperature to the "
        f"warmest: {falls}. Right, its entropy against temperature.",
        data=table,
    )


def paid(table: pd.DataFrame) -> pd.DataFrame:
    """What trained policies without a bonus earn, as a page shows it.

    Args:
        table: of ``price_table``.
    """
    return pd.DataFrame(
        {
            "family": family,
            "β": f"{beta:g}",
            "reward": f"{mean_interval(part.value, part.start):.3f}",
            "entropy (nats)": f"{mean_interval(part.entropy, part.start):.2f}",
        }
        for (family, beta), part in table[table.policy == "trained"].groupby(["task", "beta"])
    )


def entropy_bonus(runs: Runs) -> pd.DataFrame:
    """Per weight of trl's entropy bonus: how far a bonus moves the policy, and what it earns.

    Returns:
        A row a weight: ``weight``; intervals ``moved`` (``None`` where no pair was run),
        ``reward``, ``entropy`` and ``listed`` (mass of completions that the task knows).
    """
    moved, worth = entropy.moved(runs), entropy.worth(runs)
    rows = []
    for name in worth.condition.unique():
        if "entropy" not in name:
            continue
        paid = name.replace("bonus 0", "bonus 0.1")
        rows.append(
            {
                "weight": entropy.STUDY.conditions[name].get("entropy_coef", 0.0),
                "moved": interval(moved, paid) if paid in entropy.PARTNERS else None,
                "reward": interval(worth, name),
                "entropy": interval(worth, name, "entropy"),
                "listed": interval(worth, name, "listed"),
            }
        )
    return pd.DataFrame(rows)


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """The table of ``entropy_bonus`` as a page shows it."""
    return pd.DataFrame(
        {
            "entropy coefficient": f"{row.weight:g}",
            "distance moved by the bonus": f"{row.moved:.2f}" if row.moved else "not run",
            "reward without bonus": f"{row.reward:.3f}",
            "entropy without bonus (nats)": f"{row.entropy:.2f}",
            "mass on the task's answers": f"{row.listed:.3f}",
        }
        for row in table.itertuples()
    )
