"""Chapter 7's figures of trained models."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from companion.figures import COLOURS, Drawing, figure, style
from companion.studies.effective_measures import (
    SETS,
    bound,
    distances,
    lean,
    on_boundary_requests,
    optimum,
    router_step,
)
from companion.studies.effective_models import BETAS, floor_at
from companion.studies.marks import bars
from companion.studies.runs import Runs
from companion.studies.statistics import interval, mean_interval, of_condition, per_start

_HUES = {"Model-2": "orange", "Model-3": "blue", "Model-1 again": "green"}


def _name(model: str, trainer: str, beta: float) -> str:
    """Condition of a line of a figure."""
    return floor_at(beta) if model == "Model-1 again" else f"{model}, {trainer}, β = {beta:g}"


@figure(
    "effective-three-models",
    rests_on=("prop_4_5", "prop_4_6", "sharp_4_one_reward"),
    family="alignment",
)
def three_models(runs: Runs) -> Drawing:
    """Distance of the sampled models from Model-1 on the nine held-out sets."""
    table = distances(runs)
    lines = {model: _name(model, "GRPO", 0.0) for model in _HUES}
    drawn = table[table.condition.isin(lines.values())]
    order = drawn[drawn.condition == lines["Model-2"]][SETS].mean().sort_values().index
    overall = {
        model: mean_interval(per_start(part[SETS].mean(axis=1), part.start))
        for model, name in lines.items()
        for part in [drawn[drawn.condition == name]]
    }
    with style():
        fig, axes = plt.subplots(1, 3, figsize=(11, 5.6), sharex=True, sharey=True)
        for ax, (model, colour) in zip(axes, _HUES.items(), strict=True):
            for row, name in enumerate(order):
                found = interval(drawn, lines[model], name)
                ax.plot(found.ends, [row, row], color=COLOURS[colour], lw=4)
                ax.plot(found.value, row, "o", color=COLOURS[colour])
            floor = overall["Model-1 again"].value
            ax.axvline(floor, color=COLOURS["faint"], linestyle="--", lw=2)
            ax.set_title(model, color=COLOURS[colour])
            ax.set(xlim=(0, 1), xticks=[0, 0.25, 0.5, 0.75, 1])
            ax.set_xticklabels(["0", "", "0.5", "", "1"])
        axes[0].set_yticks(range(len(order)), list(order))
        axes[1].set_xlabel("distance from Model-1 (total variation)")
        plt.close(fig)
    means = {model: f"{found.value:.2f}" for model, found in overall.items()}
    return Drawing(
        fig,
        title="Three models, and Model-1 once more",
        caption=f"Distance from Model-1 on nine held-out sets of requests, "
        f"{overall['Model-2'].n} starts, mean and Student t interval (95 %). On average Model-2 is "
        f"{means['Model-2']} away and Model-3 {means['Model-3']}; Model-1 trained again with "
        f"another sampling seed is {means['Model-1 again']} away from itself (dashed line). "
        f"Answers outside the list could add {drawn.bracket.max():.2f} at most.",
        alt="Three panels of nine intervals each, the distance from Model-1 on nine held-out sets. "
        + " ".join(f"{model}: {mean} on average." for model, mean in means.items()),
        data=drawn.melt(["condition", "start", "repeat"], SETS, "held-out set", "distance"),
    )


@figure(
    "effective-kl", rests_on=("prop_4_6", "prop_4_7", "sharp_6_kl_sequence"), family="alignment"
)
def price(runs: Runs) -> Drawing:
    """Distance from Model-1 on boundary requests, without and with a divergence term."""
    table, held = on_boundary_requests(runs), BETAS[-1]
    aims = [optimum(run, held) for run in runs.only(f"Model-1, exact, β = {held:g}")]
    panels = {
        "Exact gradient": {"Model-2": "exact"},
        "Sampled (GRPO)": dict.fromkeys(_HUES, "GRPO"),
    }
    shown: dict[str, pd.Series] = {}
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(11, 5), sharey=True)
        for ax, (title, lines) in zip(axes, panels.items(), strict=True):
            for shift, (model, trainer) in enumerate(lines.items()):
                names = [_name(model, trainer, beta) for beta in BETAS]
                groups = [of_condition(table, name) for name in names]
                places = np.arange(len(BETAS)) + 0.05 * shift
                bars(ax, places, groups, _HUES[model], label=model)
                shown |= dict(zip(names, groups, strict=True))
            where = [len(BETAS) - 1.25, len(BETAS) - 0.75]
            ax.plot(where, [bound(held)] * 2, ":", color=COLOURS["ink"], label="bound for Model-2")
            ax.plot(where, [np.mean(aims)] * 2, "--", color=COLOURS["ink"], label="its optimum")
            ax.set_xticks(range(len(BETAS)), [f"{beta:g}" for beta in BETAS])
            ax.set(title=title, ylim=(-0.02, 1.02), xlabel="weight β of the divergence")
        axes[1].legend(loc="upper right")
        axes[0].set_ylabel("distance from Model-1\non boundary requests")
        plt.close(fig)
    fall = {
        model: " to ".join(f"{shown[_name(model, 'GRPO', beta)].mean():.2f}" for beta in BETAS)
        for model in _HUES
    }
    return Drawing(
        fig,
        title="A price on leaving the start",
        caption="Distance from Model-1 on boundary requests against the weight of the divergence "
        "from the start, mean over starts and Student t interval (95 %). Sampled, Model-2 goes "
        f"from {fall['Model-2']}, Model-3 from {fall['Model-3']}, and Model-1 against itself from "
        f"{fall['Model-1 again']}. Dashed: distance between the two optima that Model-1 and "
        f"Model-2 are trained towards at β = {held:g}; dotted: the bound of fact 6 for it, "
        f"{bound(held):.3f}.",
        alt="Two panels, distance from Model-1 without and with a divergence term. Sampled: "
        + ", ".join(f"{model} from {span}" for model, span in fall.items())
        + ".",
        data=table[table.condition.isin(shown)],
    )


@figure(
    "effective-router-weight", rests_on=("lemma_4_4", "prop_4_6", "prop_4_7"), family="alignment"
)
def router(runs: Runs) -> Drawing:
    """How a policy leans on boundary requests against the weight of one of two judges."""
    table = lean(runs)
    steps = router_step(runs)
    crossed = {name: interval(steps, name) for name in sorted(set(steps.condition))}
    with style():
        fig, ax = plt.subplots(figsize=(9, 5))
        ax.axvline(0.5, color=COLOURS["faint"], lw=1.5)
        for (beta, part), colour, height in zip(
            table.groupby("beta"), ("orange", "blue"), (0.16, 0.08), strict=True
        ):
            _line(ax, part, colour)
            beside: dict[str, Any] = {"weight": "bold", "transform": ax.transAxes}
            ax.text(0.84, height, f"β = {beta:g}", color=COLOURS[colour], **beside)
        ax.set(xlim=(0.27, 0.73), ylim=(-1.05, 1.05))
        ax.set_xlabel("weight w of the judge that wants refusals")
        ax.set_ylabel("refuses − helps\non boundary requests")
        plt.close(fig)
    told = " and by ".join(f"{step:.2f} at {name}" for name, step in crossed.items())
    return Drawing(
        fig,
        title="Turning the router's knob",
        caption="How much more often the trained policy refuses than helps on boundary requests, "
        "against the router's weight of the judge that wants refusals; exact gradient, "
        f"{table.start.nunique()} starts (dots), mean and Student t interval (95 %). Between the "
        f"two weights beside one half the lean changes by {told}.",
        alt="The share of refusals minus the share of help against the router's weight. Between "
        f"the two weights beside one half it changes by {told}.",
        data=table,
    )


def _line(ax: Axes, part: pd.DataFrame, colour: str) -> None:
    """Runs as dots, and their mean and interval over the weights."""
    weights = sorted(part.weight.unique())
    bars(ax, weights, [part[part.weight == weight].value for weight in weights], colour)
    ax.plot(part.weight, part.value, "o", color=COLOURS[colour], ms=6, alpha=0.4)
