"""Chapter 9's reward models: the pilot that chose their recipe, and what the trained ones say.

Without options it climbs a ladder of recipes on pilot seeds alone, with labels that are free of
bias, and trains no policy. It takes the first recipe that ranks right above wrong in at least 98 %
of the pairs, for every kind of request, in every split and for every pilot seed. Boundary requests
do not count: there the annotators disagree, and no labels tell what the oracle holds. Then it looks
for the shortest training, on biased labels, after which as many of the pairs that differ in
confidence alone are ranked by it: what the charm needs to be learned.

``--scores`` writes how the reward models of the study, trained before, score every reply.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from transformers.utils import logging

from companion.rlhf import get_task
from companion.rlhf.experiment import RewardModel
from companion.rlhf.preparations import prepare_reward_model
from companion.rlhf.reward_models import LearnedReward
from companion.studies import find, write_tables

FOLDER = Path(__file__).parents[1] / "data" / "studies" / "sophistry"
SEEDS = (100, 101, 102)
ENOUGH = 0.98
TASK = get_task("alignment")
BIASED = {"length": 0.2, "confidence": 0.4, "agreement": 1.0}
COLUMNS = ["pairs", "steps", "learning_rate", "initializer_range", "hidden_size"]
FIRST = {"task": "alignment", "bias": {}, "pairs": 24000, "steps": 400, "learning_rate": 4e-3}
LADDER = (
    {},
    {"initializer_range": 0.1},
    {"learning_rate": 2e-3},
    {"pairs": 48000, "steps": 800},
    {"hidden_size": 128},
)
SHORT = (25, 50, 100, 200)


def right_above_wrong(prompt: str, better: str, worse: str) -> bool:
    """Whether a pair asks if the reward model knows what is right."""
    good, bad = (TASK.judge("oracle", prompt, reply).score for reply in (better, worse))
    return good == 1 > bad


def sure_above_hesitant(prompt: str, better: str, worse: str) -> bool:
    """Whether a pair differs in confidence alone."""
    return better.startswith("surely") and better.replace("surely", "perhaps") == worse


QUESTIONS = {"right above wrong": right_above_wrong, "sure above hesitant": sure_above_hesitant}


def accuracies(score: LearnedReward, question: str) -> Iterator[dict[str, object]]:
    """Share of the question's pairs that are ranked as it says, by split and kind of request."""
    for split, prompts in TASK.prompts.items():
        kinds = {TASK.kind(p) for p in prompts} - {"safety/boundary"}
        if question == "sure above hesitant":
            kinds.discard("values/contested")  # there hesitation is what is right
        for kind in sorted(kinds):
            own = [p for p in prompts if TASK.kind(p) == kind]
            ranked = [won for p in own for won in _won(score, p, question)]
            yield {"split": split, "kind": kind, "accuracy": sum(ranked) / len(ranked)}


def _won(score: LearnedReward, prompt: str, question: str) -> list[bool]:
    replies = TASK.completions(prompt)
    of = dict(zip(replies, score([prompt] * len(replies), replies), strict=True))
    pairs = itertools.permutations(replies, 2)
    return [of[a] > of[b] for a, b in pairs if QUESTIONS[question](prompt, a, b)]


def measure(recipe: dict[str, object], question: str, root: Path) -> pd.DataFrame:
    """(seed, split, kind) accuracies of one recipe on the pilot seeds."""
    rows: list[dict[str, object]] = []
    for seed in SEEDS:
        spec = RewardModel(**recipe, seed=seed)
        about = {"labels": "biased" if spec.bias else "debiased", "question": question}
        about |= {name: getattr(spec, name) for name in COLUMNS} | {"seed": seed}
        score = LearnedReward(prepare_reward_model(spec, root))
        rows += [about | row for row in accuracies(score, question)]
        print(about, min(row["accuracy"] for row in rows if row["seed"] == seed), flush=True)
    return pd.DataFrame(rows)


def pilot(root: Path) -> None:
    """Choose the recipe, then how short a short training is, and write what was seen."""
    tables: list[pd.DataFrame] = []

    def enough(recipe: dict[str, object], question: str) -> bool:
        tables.append(measure(recipe, question, root))
        return bool(tables[-1].accuracy.min() >= ENOUGH)

    recipe: dict[str, object] = dict(FIRST)
    for step in LADDER:
        recipe |= step
        if enough(recipe, "right above wrong"):
            break
    for steps in SHORT:
        if enough(recipe | {"bias": BIASED, "steps": steps}, "sure above hesitant"):
            break
    enough(recipe | {"steps": steps}, "right above wrong")
    table = pd.concat(tables)
    write_tables(FOLDER, {"pilot": table.assign(accuracy=table.accuracy.round(4))})


def scores(root: Path) -> None:
    """Write one row a reply and one column a reward model of the study, in single precision."""
    experiments = find("sophistry").experiments().values()
    models = {e.reward_model.id: e.reward_model for e in experiments if e.reward_model}
    prompts = (*TASK.prompts["train"], *TASK.prompts["test"])
    rows = [(p, c) for p in prompts for c in TASK.completions(p)]
    table = pd.DataFrame(rows, columns=["prompt", "completion"])
    for name, spec in models.items():
        score = LearnedReward(prepare_reward_model(spec, root))
        table[name] = np.float32(score(table.prompt, table.completion))
    write_tables(FOLDER, {"scores": table})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("runs"), help="folder of reward models")
    parser.add_argument("--scores", action="store_true", help="score the study's reward models")
    options = parser.parse_args()
    logging.disable_progress_bar()
    if options.scores:
        scores(options.root)
    else:
        pilot(options.root)
