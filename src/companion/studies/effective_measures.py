"""Chapter 7's measures: how far policies, scores and acts move. Tidy tables of runs."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pandas as pd

from companion.data import data_path
from companion.rlhf.distances import distribution_distance, kl_optimum
from companion.rlhf.records import Run
from companion.rlhf.tasks import get_task
from companion.studies.effective_models import (
    BOUNDARY,
    CHANGE,
    JUDGES,
    PARTNERS,
    ROUTER_WEIGHTS,
    SAFETY_SHARES,
    SLIP,
    beta_of,
    floor_at,
)
from companion.studies.runs import Runs

TASK = get_task("alignment")


def requests(boundary: bool) -> tuple[str, ...]:
    """The requests trained on that are about the boundary of safety, or all others."""
    return tuple(p for p in TASK.prompts["train"] if (TASK.kind(p) == BOUNDARY) == boundary)


def sets(kind: str) -> list[str]:
    """Names of the held-out sets whose requests are of a kind, such as ``safety``."""
    return [e.name for e in TASK.evaluations if TASK.kind(e.prompts[0]).startswith(kind)]


GROUPS = {"boundary requests": requests(True), "other requests": requests(False)}
GROUPS |= {evaluation.name: evaluation.prompts for evaluation in TASK.evaluations}
SETS = [evaluation.name for evaluation in TASK.evaluations]


def apart(a: Run, b: Run) -> dict[str, float]:
    """Distance between two trained policies on each group of requests.

    Returns:
        By name of ``GROUPS``, the lower end of the bracket averaged over the group's requests; and
        ``bracket``, its width averaged over all of them.
    """
    wanted = {prompt for prompts in GROUPS.values() for prompt in prompts}
    tables = (run.distribution[run.distribution["prompt"].isin(wanted)] for run in (a, b))
    found = distribution_distance(*tables).per_prompt
    lower = dict(zip(found.prompt, found.lower, strict=True))
    means = {name: float(np.mean([lower[p] for p in prompts])) for name, prompts in GROUPS.items()}
    return means | {"bracket": float((found.upper - found.lower).mean())}


@cache
def distances(runs: Runs) -> pd.DataFrame:
    """Distance of each run to its Model-1, and of Model-1 to itself under another sampling seed.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, one for each of ``GROUPS``, and ``bracket``.
        The condition of Model-1 against itself is ``noise floor, β = …``.
    """
    again = runs.only("Model-1, GRPO*").repeated(apart)
    again["condition"] = [floor_at(beta_of(name)) for name in again["condition"]]
    return pd.concat([runs.compared(apart, PARTNERS), again], ignore_index=True)


def _on(groups: Sequence[str]) -> Callable[[Runs], pd.DataFrame]:
    """The distances averaged over some groups of requests, as a tidy measure."""

    def measure(runs: Runs) -> pd.DataFrame:
        table = distances(runs)
        keys = table[["condition", "start", "repeat"]]
        return keys.assign(value=table[list(groups)].mean(axis=1))

    return measure


on_boundary_requests = _on(["boundary requests"])
on_other_requests = _on(["other requests"])
on_nine_sets = _on(SETS)
on_boundary_sets = _on(sets(BOUNDARY))
on_other_sets = _on([name for name in SETS if name not in sets(BOUNDARY)])


def beyond_floor(runs: Runs) -> pd.DataFrame:
    """How much further each model is from Model-1 than Model-1 from itself, without a divergence.

    Returns:
        Tidy, by start (repeats averaged); conditions are ``Model-2, boundary sets`` and so on.
    """
    parts = []
    for where, measure in (("boundary sets", on_boundary_sets), ("other sets", on_other_sets)):
        mean = measure(runs).groupby(["condition", "start"]).value.mean()
        for model in ("Model-2", "Model-3"):
            excess = mean[f"{model}, GRPO, β = 0"] - mean[floor_at(0.0)]
            rows = excess.dropna().rename("value").reset_index()
            parts.append(rows.assign(condition=f"{model}, {where}", repeat=0))
    return pd.concat(parts, ignore_index=True)


def under_bound(runs: Runs) -> pd.DataFrame:
    """Distance on boundary requests, with the bound of fact 6 as rows of their own. Tidy."""
    moved = on_boundary_requests(runs)
    held = moved[moved.condition == "Model-2, exact, β = 0.3"]
    return pd.concat([held, held.assign(condition="bound", value=bound(0.3))], ignore_index=True)


def bound(beta: float) -> float:
    """How far the optimum of Model-2 can be from that of Model-1 (fact 6)."""
    return float(np.tanh(SLIP / (4 * beta)))


def optimum(start: Run, beta: float) -> float:
    """Distance on boundary requests between what Model-1 and Model-2 are trained towards.

    Args:
        start: any run of the supervised start.
        beta: > 0.
    """
    table = start.distribution[start.distribution["prompt"].isin(requests(True))]
    aims = [kl_optimum(table, "alignment", rewards, beta) for rewards in (JUDGES, JUDGES | CHANGE)]
    return distribution_distance(*aims).lower


@cache
def scores(runs: Runs) -> pd.DataFrame:
    """Scores on the nine held-out sets after training, each in [0, 1].

    Returns:
        Columns ``condition``, ``start``, ``repeat``, and one for each set.
    """
    return runs.tidy(lambda run: run.evaluations().to_dict())


def score_changes(runs: Runs) -> pd.DataFrame:
    """Change of each held-out score against Model-1, and of Model-1 with another sampling seed.

    Returns:
        As ``scores``; the condition of Model-1 against itself is ``noise floor, β = …``.
    """
    table = scores(runs).set_index(["condition", "start", "repeat"])
    changes = {}
    for key in runs.keys:
        if key.condition in PARTNERS:
            changes[key] = table.loc[key] - table.loc[(PARTNERS[key.condition], *key[1:])]
        elif key.repeat:
            floor = key._replace(condition=floor_at(beta_of(key.condition)))
            changes[floor] = table.loc[key] - table.loc[key._replace(repeat=0)]
    found = pd.DataFrame(changes).T.rename_axis(["condition", "start", "repeat"])
    return found.reset_index()


def _mean_shift(names: Sequence[str]) -> Callable[[Runs], pd.DataFrame]:
    """Mean absolute change of some held-out scores against Model-1, and against itself. Tidy."""

    def measure(runs: Runs) -> pd.DataFrame:
        table = score_changes(runs)
        keys = table[["condition", "start", "repeat"]]
        return keys.assign(value=table[list(names)].abs().mean(axis=1))

    return measure


score_shift = _mean_shift(SETS)
foreign_shift = _mean_shift([name for name in SETS if name not in sets("safety")])


def earned(run: Run) -> dict[str, float]:
    """What each class of requests earns from its own judge in training, each in [0, 1]."""
    shares = {}
    for group in ("safety", "values", "general"):
        own = sum(TASK.kind(p).startswith(group) for p in TASK.prompts["train"])
        # A judge gives 0 outside its class, so that only the number of prompts needs mending.
        shares[group] = run.expected(f"{group}_rm") * len(TASK.prompts["train"]) / own
    return shares


def ratio(runs: Runs) -> pd.DataFrame:
    """Mean absolute change between the two ratios of the mixture, by start.

    Returns:
        Tidy; conditions ``held-out sets`` and ``own judges``.
    """
    low, high = (f"safety weighs {share:g}, exact" for share in SAFETY_SHARES)

    def change(a: Run, b: Run) -> dict[str, float]:
        own = pd.Series(earned(b)) - pd.Series(earned(a))
        held_out = b.evaluations() - a.evaluations()
        return {"held-out sets": held_out.abs().mean(), "own judges": own.abs().mean()}

    table = runs.compared(change, {high: low}).drop(columns="condition")
    return table.melt(["start", "repeat"], var_name="condition")


def acts(run: Run, policy: str = "logprob") -> pd.Series:
    """Probability of each act on boundary requests; ``policy`` is a column of the distribution."""
    table = run.distribution[run.distribution["prompt"].isin(requests(True))]
    act = table["completion"].str.split().str[1]
    return np.exp(table[policy]).groupby(act).sum() / len(requests(True))


def lean(runs: Runs) -> pd.DataFrame:
    """How much more often a run under two judges refuses than helps on boundary requests.

    Returns:
        Tidy, with ``weight``, ``beta``, ``surest`` (the likelier of the two acts) and ``before``
        (the lean of its supervised start).
    """

    def measure(run: Run) -> dict[str, float]:
        after, before = acts(run), acts(run, "start_logprob")
        route = (run.experiment.routes or {})["safety"]
        both = route["boundary_refuse"] + route["boundary_help"]
        return {
            "value": after["refuse"] - after["help"],
            "surest": max(after["refuse"], after["help"]),
            "before": before["refuse"] - before["help"],
            "weight": round(route["boundary_refuse"] / both, 3),
            "beta": run.experiment.beta,
        }

    return runs.only("router*").tidy(measure)


def router_step(runs: Runs) -> pd.DataFrame:
    """Change of the lean between the two weights beside one half, by start.

    Returns:
        Tidy; conditions ``β = 0`` and ``β = 0.1``.
    """
    below, above = ROUTER_WEIGHTS[1:3]
    table = lean(runs).pivot(index=["beta", "start", "repeat"], columns="weight", values="value")
    step = (table[above] - table[below]).dropna().rename("value").reset_index()
    return step.assign(condition=[f"β = {beta:g}" for beta in step.beta]).drop(columns="beta")


def paper_scores() -> pd.DataFrame:
    """The paper's scores (§5.6), each in [0, 1]: benchmarks × models."""
    table = pd.read_csv(data_path("paper/fig_multi_reward_perturbation.csv"))
    return table.pivot(index="benchmark", columns="model", values="score") / 100
