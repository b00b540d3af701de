"""Chapter 7's tables, numbers formatted."""

import numpy as np
import pandas as pd

from companion.studies.effective_measures import (
    SETS,
    TASK,
    earned,
    on_boundary_requests,
    on_other_requests,
    paper_scores,
    score_changes,
    scores,
)
from companion.studies.effective_models import BETAS, PARTNERS, SAFETY_SHARES, floor_at
from companion.studies.runs import Runs
from companion.studies.statistics import (
    Interval,
    interval,
    mean_interval,
    paired,
    per_start,
    signed,
)

_LEFT_OUT = {
    "safety": "without safety, exact",
    "benign requests (control)": "clear prompts left out, exact, β = 0",
}
_MECHANISM = {
    "Model-2, tied": "Model-2, exact, β = 0",
    "Model-2, one best act (control)": "Model-2, no tie, exact",
    "Model-3: boundary requests left out": "Model-3, exact, β = 0",
    "as many benign requests left out": "clear prompts left out, exact, β = 0",
}
ACTS = ("refuse", "warn", "help", "yes", "no")


def judged() -> pd.DataFrame:
    """One request of each sort, what its judge gives full marks, and how high these are."""
    rows: dict[str, dict[str, object]] = {}
    for request in TASK.prompts["train"]:
        sort = TASK.kind(request)
        judge = f"{sort.split('/')[0]}_rm"
        score = {act: TASK.judge(judge, request, f"surely {act}").score for act in ACTS}
        best = [act for act in ACTS if score[act] == max(score.values())]
        marks = {"full marks": ", ".join(best), "score": max(score.values())}
        rows.setdefault(sort, {"class": sort, "request": f"`{request}`"} | marks)
    return pd.DataFrame(rows.values())


def _points(changes: pd.DataFrame, condition: str, column: str) -> Interval:
    return 100 * interval(changes, condition, column)


def nine_scores(runs: Runs) -> pd.DataFrame:
    """Scores of the sampled models on the nine sets in points, beside the paper's changes."""
    changes, table, theirs = score_changes(runs), scores(runs), 100 * paper_scores()
    first = table[table.condition == "Model-1, GRPO, β = 0"]
    again = changes[changes.condition == floor_at(0.0)]
    rows = []
    for found in TASK.evaluations:
        row = {"held-out set": found.name, "in place of": found.stands_for}
        row["Model-1"] = signed(100 * first[found.name].mean(), ".1f")
        for model in ("Model-2", "Model-3"):
            ours = _points(changes, f"{model}, GRPO, β = 0", found.name)
            row[f"{model} − Model-1"] = f"{ours:+.1f}"
            printed = theirs.loc[found.stands_for, model] - theirs.loc[found.stands_for, "Model-1"]
            row[f"paper's {model} − Model-1"] = signed(printed, "+.1f")
        row["another seed"] = f"±{100 * again[found.name].abs().mean():.1f}"
        rows.append(row)
    return pd.DataFrame(rows)


def agreement(runs: Runs) -> tuple[int, int, int]:
    """How many changes of scores there are, are clear of zero, and have the paper's sign too."""
    changes, theirs = score_changes(runs), paper_scores()
    clear = same = 0
    for found in TASK.evaluations:
        for model in ("Model-2", "Model-3"):
            ours = interval(changes, f"{model}, GRPO, β = 0", found.name)
            printed = theirs.loc[found.stands_for, model] - theirs.loc[found.stands_for, "Model-1"]
            clear += ours.excludes_zero
            same += ours.excludes_zero and np.sign(ours.value) == np.sign(printed)
    return 2 * len(SETS), clear, int(same)


def cost_in_score(runs: Runs) -> Interval:
    """Change of Model-1's mean score on the nine sets by the divergence term, in points."""
    table = scores(runs)
    free, held = (
        per_start(part[SETS].mean(axis=1), part.start)
        for beta in BETAS
        for part in [table[table.condition == f"Model-1, GRPO, β = {beta:g}"]]
    )
    return 100 * mean_interval(paired(held, free))


def left_out(runs: Runs) -> pd.DataFrame:
    """Change of each held-out score in points when requests are left out of training."""
    changes = score_changes(runs)
    return pd.DataFrame(
        {"held-out set": name, "class": TASK.kind(found.prompts[0]).split("/")[0]}
        | {
            f"without {what}": f"{_points(changes, condition, name):+.1f}"
            for what, condition in _LEFT_OUT.items()
        }
        for found in TASK.evaluations
        for name in [found.name]
    )


def mechanism(runs: Runs) -> pd.DataFrame:
    """Distance by the exact gradient, with and without a tie, on boundary requests and others."""
    tied, others = on_boundary_requests(runs), on_other_requests(runs)
    return pd.DataFrame(
        {
            "compared with its Model-1": name,
            "moved on boundary requests": f"{interval(tied, condition):.3f}",
            "moved on all others": f"{interval(others, condition):.3f}",
        }
        for name, condition in _MECHANISM.items()
    )


def weighed(runs: Runs) -> pd.DataFrame:
    """What each class earns from its own judge, and the held-out scores, by the mixture's ratio.

    In points; the last column is the change between the two ratios, start by start.
    """
    low, high = (f"safety weighs {share:g}, exact" for share in SAFETY_SHARES)
    names = {
        f"safety {SAFETY_SHARES[0]:g}": low,
        "safety a third": PARTNERS["without safety, exact"],
        f"safety {SAFETY_SHARES[1]:g}": high,
    }
    table = runs.only(*names.values()).tidy(
        lambda run: (
            {f"{group} earns": value for group, value in earned(run).items()}
            | run.evaluations().to_dict()
        )
    )
    parts = {c: part.set_index("start") for c, part in table.groupby("condition")}
    rows = []
    for name in table.columns.drop(["condition", "start", "repeat"]):
        change = 100 * mean_interval(parts[high][name] - parts[low][name])
        means = {n: signed(100 * parts[c][name].mean(), ".1f") for n, c in names.items()}
        rows.append({"score": name} | means | {"change": f"{change:+.1f}"})
    return pd.DataFrame(rows)
