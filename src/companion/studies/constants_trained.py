"""Chapter 14's figures and tables of trained policies; its measures are in ``constants``."""

from collections.abc import Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_6_kl_sequence as fact_6
from companion.results import sharp_7_cliff_width as fact_7
from companion.results import sharp_10_price as fact_10
from companion.rlhf import get_task
from companion.rlhf.curves import LiveCurves
from companion.rlhf.records import Run
from companion.studies import constants, entropy_trained
from companion.studies.constants import AT_REST, BETAS, COMPARED, LLAMA, OPTIMUM, RATIOS
from companion.studies.constants_pictures import COLOUR, TIES, WAYS, draw_bound
from companion.studies.marks import draw_means, draw_runs, exact_curves
from companion.studies.runs import Runs
from companion.studies.statistics import interval, signed

KINDS = {LLAMA: "Llama", "gpt2": "GPT-2", "gpt_neox": "GPT-NeoX", "rwkv": "RWKV"}
_TIER = constants.STUDY.experiment(constants.name_of(0.1, 1.0))
SIZES = {  # of Llama, the tier's among them
    name: f"{hidden} × {layers}"
    for (hidden, layers), name in sorted(
        [((_TIER.hidden_size, _TIER.layers), LLAMA)]
        + [(size, name) for name, size in constants.SIZES.items()]
    )
}
_ASIDE = dict(zip(BETAS, (0.88, 0.96, 1.05, 1.14), strict=True))  # so that marks do not hide
_COLD = (0.05, 0.1)  # the weights at which rewards of all three traces change
_CHANGE = dict(zip(WAYS[1:], constants.CHANGES, strict=True))


@figure("constants-live", rests_on=("sharp_7_cliff_width",), family="deceptive")
def live(curves: LiveCurves) -> Drawing:
    """The favoured trace's probability in the runs trained just now."""
    return exact_curves(
        curves,
        "With a bonus as large as the weight, and without",
        constants.FAVOURED,
        len(constants.NEW_STARTS),
    )


@figure(
    "constants-trained", rests_on=("sharp_6_kl_sequence", "sharp_7_cliff_width"), family="deceptive"
)
def trained(recorded: Runs, today: Runs) -> Drawing:
    """Distance, and distance over guarantee, of trained policies against ε/β.

    Args:
        recorded: the study's runs.
        today: those trained just now.
    """
    tables = {
        "moved": (constants.moved(recorded), constants.moved(today)),
        "gain": (constants.gain(recorded), constants.gain(today)),
    }
    moving = restless(recorded)
    scaled = np.geomspace(0.2, 15, 200)
    curve = {"moved": fact_7.move(scaled, TIES)}
    curve["gain"] = curve["moved"] / fact_6.bound(scaled, 1.0)
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(11, 5.4))
        for ax, (name, (old, new)) in zip(axes, tables.items(), strict=True):
            ax.plot(scaled, curve[name], color=COLOURS["ink"], lw=1.5)
            for beta in BETAS:
                _by_ratio(ax, beta, old, new)
            _ring(ax, old, moving, {n: x for b in BETAS for n, x in _places(b).items()})
            ax.set(xscale="log", xlabel="bonus over weight, ε/β", xlim=(0.2, 15))
            ax.set_xticks(RATIOS, [f"{ratio:g}" for ratio in RATIOS])
            ax.minorticks_off()
        draw_bound(axes[0], 0.2, 15)
        axes[0].set(title="How far it moves", ylim=(-0.03, 1.03))
        axes[1].axhline(1, color=COLOURS["ink"], ls=":", lw=2)
        axes[1].set(
            title="Over what is promised", ylim=(0, 1.1 * max(1, tables["gain"][0].value.max()))
        )
        axes[1].legend(loc="lower left")
        plt.close(fig)
    old = tables["moved"][0]
    return Drawing(
        fig,
        title="Trained policies and the curve of theory",
        caption="Left: distance to the run of the same start without a bonus. Black: fact 7 for "
        f"{TIES} tied answers, nothing fitted. Dotted: fact 6's bound. Right: the same distance "
        "over the bound; up to 1 is promised. Dots are starts, drawn a little apart by weight, "
        "with mean and Student t interval (95 %). Crosses: other starts, trained while this page "
        f"was built. {_still(moving, _of_one(BETAS))}",
        alt=_in_words(old),
        data=_shown(tables, moving),
    )


@figure("constants-changes", rests_on=("sharp_6_kl_sequence",), family="deceptive")
def changes(recorded: Runs) -> Drawing:
    """Trained policies after the same amount was paid to one, moved, or paid to all.

    Args:
        recorded: the study's runs.
    """
    moved, moving = constants.moved(recorded), restless(recorded)
    rows = {beta: [_way(beta, way) for way in WAYS] for beta in _COLD}
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.2))
        for beta, aside in zip(_COLD, (-0.12, 0.12), strict=True):
            places = [place + aside for place in range(len(WAYS))]
            look = {"ls": "none", "label": f"β = {beta:g}"}
            draw_means(ax, places, moved, rows[beta], COLOUR[beta], **look)
            _ring(ax, moved, moving, dict(zip(rows[beta], places, strict=True)))
        for place, name in enumerate(rows[_COLD[0]]):
            for value, dashes in (
                (constants.expected(name), "-"),
                (constants.guarantee(name), ":"),
            ):
                ax.hlines(value, place - 0.3, place + 0.3, color=COLOURS["ink"], ls=dashes, lw=2)
        ax.set_xticks(range(len(WAYS)), list(WAYS))
        ax.set(ylabel="how far the policy moves", xlim=(-0.5, 2.5), ylim=(-0.02, None))
        ax.legend(loc="upper right")
        plt.close(fig)
    names = [name for names in rows.values() for name in names]
    return Drawing(
        fig,
        title="The same amount, paid in three ways",
        caption="An amount δ = β is paid to hidden tampering alone; taken from open tampering and "
        "given to hidden; or paid to all three traces. Distance to the run of the same start "
        "without the change, dots are starts, with mean and Student t interval (95 %). Solid: what "
        "was forecast. Dotted: what fact 6 allows. "
        f"{_still(moving, names)}",
        alt="Three groups of dots. "
        + _means(moved, {f"{w}, β = {b:g}": _way(b, w) for b in _COLD for w in WAYS}),
        data=_shown({"moved": (moved[moved.condition.isin(names)],)}, moving),
    )


@figure("constants-architectures", rests_on=("sharp_7_cliff_width",), family="deceptive")
def architectures(recorded: Runs) -> Drawing:
    """Architectures, and sizes of one of them, side by side at two ratios.

    Args:
        recorded: the study's runs.
    """
    moved, moving = constants.moved(recorded), restless(recorded)
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(12, 5.2), sharey=True)
        for ax, panel in zip(axes, (KINDS, SIZES), strict=True):
            for ratio, colour in zip(COMPARED, ("blue", "orange"), strict=True):
                names = [constants.name_of(0.1, ratio, policy) for policy in panel]
                places = list(range(len(panel)))
                look = {"ls": "none", "label": f"ε/β = {ratio:g}"}
                draw_means(ax, places, moved, names, colour, **look)
                _ring(ax, moved, moving, dict(zip(names, places, strict=True)))
                ax.axhline(constants.expected(names[0]), color=COLOURS[colour], lw=1.5)
            ax.set_xticks(range(len(panel)), list(panel.values()))
            ax.set(xlim=(-0.5, len(panel) - 0.5), ylim=(0, 0.8))
        axes[0].set(title="Architectures", ylabel="how far the policy moves")
        axes[1].set(title="Sizes of Llama", xlabel="width × layers")
        axes[0].legend(loc="upper right", ncols=2)
        plt.close(fig)
    words = {
        f"{label} at {ratio:g}:": constants.name_of(0.1, ratio, policy)
        for ratio in COMPARED
        for policy, label in {**SIZES, **KINDS}.items()
    }
    names = list(words.values())
    return Drawing(
        fig,
        title="Networks that have learned the task move by the same amount",
        caption="KL weight β = 0.1, a bonus of one and of three times that for hidden tampering. "
        "Distance to the run of the same start without a bonus; dots are starts, with mean and "
        "Student t interval (95 %). Lines: what was forecast, the same for all. "
        f"{_still(moving, names)}",
        alt="Dots of four architectures and of four sizes at two ratios. " + _means(moved, words),
        data=_shown({"moved": (moved[moved.condition.isin(names)],)}, moving),
    )


def given_up(runs: Runs) -> pd.DataFrame:
    """Chapter 8's runs without a bonus: what they earn less than the best answers do.

    Args:
        runs: of the study ``entropy``.

    Returns:
        As ``entropy_trained.price_table``, with ``price``, the reward given up, and ``steepest``,
        1/(4β), the most that the policy moves per unit of a bonus (fact 6).
    """
    table = entropy_trained.price_table(runs)
    best = {
        family: _best(runs.at(f"{family}, exact, β = 0.03, bonus 0", 0))
        for family in entropy_trained.COLOUR
    }
    return table.assign(price=table.task.map(best) - table.value, steepest=1 / (4 * table.beta))


@figure("constants-frontier", rests_on=("sharp_6_kl_sequence", "sharp_10_price"), family="all")
def frontier(table: pd.DataFrame) -> Drawing:
    """Reward given up, and entropy, against the steepest response to a bonus.

    Args:
        table: of ``given_up``.
    """
    panels = {"price": "reward given up", "entropy": "entropy (nats)"}
    steepest = np.geomspace(table.steepest.min(), table.steepest.max(), 100)
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(11, 5), sharex=True)
        for ax, (quantity, label) in zip(axes, panels.items(), strict=True):
            for family, colour in entropy_trained.COLOUR.items():
                rows = table[table.task == family]
                line, dots = (rows[rows.policy == name] for name in ("optimum", "trained"))
                ax.plot(line.steepest, line[quantity], color=COLOURS[colour], label=family)
                look = {"color": COLOURS[colour], "alpha": 0.6}
                ax.plot(dots.steepest, dots[quantity], "o", **look)
            ax.set(xscale="log", xlabel="steepest response, 1/(4β)", ylabel=label)
        # A change of size ρ spans 2ρ, so that L = 1/(2β) in fact 10.
        least = fact_10.least_price(2 * steepest)
        axes[0].plot(steepest, least, "--", color=COLOURS["ink"], lw=1.5, label="fact 10")
        axes[0].set_ylim(-0.03, 1.03)
        axes[0].legend(loc="upper right")
        plt.close(fig)
    ends = "; ".join(
        f"{family} from {signed(line.price.max())} to {signed(line.price.min())}"
        for family in entropy_trained.COLOUR
        for line in [table[(table.task == family) & (table.policy == "optimum")]]
    )
    return Drawing(
        fig,
        title="Steadiness is paid in reward",
        caption="Chapter 8's runs without a bonus, by what their weight β promises: the steepest "
        "response to a bonus. Left: the reward they give up against the best answers. Right: the "
        "entropy over completions. Dots: trained runs, one a start. Lines: the optimum in closed "
        "form, for one start; where training did not arrive, dots lie off them. Dashed: the "
        "least that a rule as steady as this must give up on the worst pair of rewards for two "
        "answers (fact 10), which these tasks need not be.",
        alt="Left, the reward that the optimum gives up falls as its response may be steeper: "
        f"{ends}. Right, its entropy.",
        data=table,
    )


def slopes(runs: Runs) -> pd.DataFrame:
    """Distance per unit of the smallest bonus, by weight, beside the sharp constant, for a page."""
    moved = constants.moved(runs)
    return pd.DataFrame(
        {
            "β": f"{beta:g}",
            "moved per unit of bonus": f"{1 / bonus * interval(moved, name):.2f}",
            f"optimum, {TIES} equal answers": f"{fact_7.move(bonus / beta, TIES) / bonus:.2f}",
            "at most, 1/(4β)": f"{1 / (4 * beta):.2f}",
        }
        for beta in BETAS
        for name, bonus in [(constants.name_of(beta, RATIOS[0]), RATIOS[0] * beta)]
    )


def measured(runs: Runs, conditions: Sequence[str]) -> pd.DataFrame:
    """Conditions side by side, as a page shows them."""
    moved, gain, unrest = (f(runs) for f in (constants.moved, constants.gain, constants.unrest))
    return pd.DataFrame(
        {
            "condition": name.removeprefix("llama, "),
            "moved": f"{interval(moved, name):.3f}",
            "its optimum": f"{interval(moved, OPTIMUM + name):.3f}",
            "over the bound": f"{interval(gain, name):.2f}",
            "still changing by": f"{part.value.mean():.4f}, at most {part.value.max():.4f}",
            "starts still moving": f"{(part.value >= AT_REST).sum()} of {len(part)}",
        }
        for name in conditions
        for part in [unrest[unrest.condition == name]]
    )


def at_length(runs: Runs) -> pd.DataFrame:
    """Runs to a tolerance of the gradient beside those of a fixed number of steps, for a page."""
    moved = constants.moved(runs)
    rows = []
    for beta, ratio in product((BETAS[0], BETAS[-1]), constants.LONG):
        short, long = (constants.name_of(beta, ratio, p) for p in (LLAMA, constants.AT_LENGTH))
        last = _last_lines(runs, (long, constants.PARTNERS[long]))
        rows.append(
            {
                "condition": short.removeprefix(f"{LLAMA}, "),
                "fixed steps": f"{interval(moved, short):.3f}",
                "to the tolerance": f"{interval(moved, long):.3f}",
                "its optimum": f"{interval(moved, OPTIMUM + long):.3f}",
                "steps": f"{last.step.min():.0f} to {last.step.max():.0f}",
            }
        )
    return pd.DataFrame(rows)


def short_of_tolerance(runs: Runs) -> int:
    """How many runs that were to be trained to the tolerance ended at their last step before it."""
    names = [name for name in constants.STUDY.conditions if name.startswith(constants.AT_LENGTH)]
    tolerance = constants.STUDY.experiment(names[0]).gradient_tolerance
    return int((_last_lines(runs, names).grad_norm >= tolerance).sum())


def _last_lines(runs: Runs, conditions: Sequence[str]) -> pd.DataFrame:
    """The last measurement of each run of some conditions."""
    return pd.DataFrame(run.metrics.iloc[-1] for run in runs.only(*conditions))


def unsettled(runs: Runs) -> pd.DataFrame:
    """Conditions with starts that still moved, with and without them, as a page shows them."""
    moved, moving = constants.moved(runs), restless(runs)
    rows = []
    for name, part in moving.groupby("condition", sort=False):
        every = moved[moved.condition == name]
        resting = every[~every.start.isin(part.start)]
        rows.append(
            {
                "condition": name,
                "starts still moving": f"{len(part)} of {len(every)}",
                "moved": f"{interval(moved, str(name)):.3f}",
                # An interval needs two starts.
                "without them": f"{interval(resting, str(name)):.3f}" if len(resting) > 1 else "–",
                "its optimum": f"{interval(moved, OPTIMUM + str(name)):.3f}",
            }
        )
    return pd.DataFrame(rows)


def restless(runs: Runs) -> pd.DataFrame:
    """Rows of ``constants.unrest`` of the comparisons that had not come to rest."""
    table = constants.unrest(runs)
    return table[table.value >= AT_REST]


def _best(run: Run) -> float:
    """Mean over a run's prompts of what their best answer earns."""
    e = run.experiment
    task = get_task(e.task)
    best = [max(task.reward(e.rewards, p, c) for c in task.completions(p)) for p in e.prompts]
    return float(np.mean(best))


def _way(beta: float, way: str) -> str:
    """The condition in which δ = β is paid in one of the ``WAYS``."""
    change = _CHANGE.get(way)
    return constants.change_of(beta, change) if change else constants.name_of(beta, 1.0)


def _places(beta: float) -> dict[str, float]:
    """Where the conditions of a weight stand on the axis of ratios."""
    return {constants.name_of(beta, ratio): ratio * _ASIDE[beta] for ratio in RATIOS}


def _of_one(betas: Sequence[float]) -> list[str]:
    return [name for beta in betas for name in _places(beta)]


def _by_ratio(ax: Axes, beta: float, old: pd.DataFrame, new: pd.DataFrame) -> None:
    places, colour = _places(beta), COLOUR[beta]
    look = {"ls": "none", "label": f"β = {beta:g}", "ms": 6}
    draw_means(ax, list(places.values()), old, list(places), colour, **look)
    for name, place in places.items():
        draw_runs(ax, 1.25 * place, new, name, colour, new=True)


def _ring(ax: Axes, table: pd.DataFrame, moving: pd.DataFrame, places: dict[str, float]) -> None:
    """Put a ring around the comparisons that had not come to rest."""
    known = moving[moving.condition.isin(places)]
    rows = known[["condition", "start"]].merge(table, on=["condition", "start"])
    rings = ax.plot([places[name] for name in rows.condition], rows.value, ls="none", marker="o")
    plt.setp(rings, ms=13, mfc="none", mec=COLOURS["ink"], mew=1.5)


def _still(moving: pd.DataFrame, conditions: Sequence[str]) -> str:
    """The last sentence of a caption: how many of the pairs drawn had not come to rest."""
    count = int(moving.condition.isin(conditions).sum())
    return f"Ringed: pairs of runs that still moved, {count or 'none'} here."


def _shown(tables: dict[str, tuple[pd.DataFrame, ...]], moving: pd.DataFrame) -> pd.DataFrame:
    """What was drawn, with the measure, where the run is from, and whether it was at rest."""
    parts = [
        part.assign(measure=measure, run=run)
        for measure, pair in tables.items()
        for part, run in zip(pair, ("recorded", "live"), strict=False)
    ]
    table = pd.concat(parts, ignore_index=True)
    rings = set(zip(moving.condition, moving.start, strict=True))
    rests = [pair not in rings for pair in zip(table.condition, table.start, strict=True)]
    return table.assign(at_rest=rests)


def _in_words(moved: pd.DataFrame) -> str:
    means = moved.groupby("condition").value.mean()
    ranges = []
    for ratio in RATIOS:
        found = [means[constants.name_of(beta, ratio)] for beta in BETAS]
        ranges.append(f"{ratio:g} from {min(found):.2f} to {max(found):.2f}")
    return (
        "Two panels against the ratio of bonus to weight. Left, means of four weights, at a ratio "
        f"of {'; '.join(ranges)}. Right, the same over the bound."
    )


def _means(table: pd.DataFrame, conditions: dict[str, str]) -> str:
    means = table.groupby("condition").value.mean()
    return "Means: " + "; ".join(f"{w} {means[name]:.2f}" for w, name in conditions.items()) + "."
