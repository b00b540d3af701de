"""How long today's runs take: by the times of recorded runs, or estimated and called so."""

import math
from collections.abc import Collection, Mapping
from statistics import median

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.studies.store import load
from companion.studies.study import Key, Study

# Seconds a step of SmolLM2-135M at size small, supervised and by policy gradient. On two free cores
# they were measured. The T4's are estimates: 6 × 134.5e6 operations a token, about 1,200 and 2,300
# tokens a step, a third of its 8.1e12 a second in float32, and 32 tokens to generate, of which
# each takes 30 ms to launch.
_CORES = (1.7, 3.7)
_T4 = (0.4, 1.7)


def of_made_models(study: Study, plan: Mapping[Key, Experiment], jobs: int) -> str:
    """One line: how long runs of models made from config take on the CPU.

    Args:
        study: whose record holds the times of runs under the same conditions.
        plan: what will be trained.
        jobs: how many side by side.
    """
    what = f"{study.name}: {len(plan)} runs of tiny models, {jobs} at a time on the CPU"
    try:
        recorded = load(study)
    except CompanionError:
        return f"{what}: time not measured yet. A GPU does not change it."
    trained = [(key.condition, run) for key, run in recorded.items() if run.experiment.steps]
    if not trained:
        return f"{what}: time not measured yet. A GPU does not change it."
    seconds, shorter = 0.0, False
    for key, experiment in plan.items():
        if not experiment.steps:
            continue
        own = [run for name, run in trained if name == key.condition] or [run for _, run in trained]
        share = experiment.steps / own[0].experiment.steps
        shorter |= share < 1
        # What a run does before its first step and after its last takes as long for fewer steps.
        seconds += median(run.provenance["wall_seconds"] for run in own) * max(1.0, share)
    starts = len({experiment.start.id for experiment in plan.values()})
    return (
        f"{what}: {'at most ' if shorter else ''}about {_words(seconds / jobs)} by the recorded "
        f"runs' times, and {starts} supervised starts before. A GPU does not change it."
    )


def of_pretrained(study: Study, experiments: Collection[Experiment]) -> str:
    """One line: how long runs of a pretrained model take on two cores and on a T4.

    Args:
        study: that asks for them.
        experiments: what will be trained.
    """
    starts = {experiment.start.id: experiment.sft_steps for experiment in experiments}
    supervised, steps = sum(starts.values()), sum(e.steps for e in experiments)
    what = (
        f"{study.name}: {supervised} supervised steps and {steps} by policy gradient, "
        "one run at a time"
    )
    if any(experiment.tier != "small" for experiment in experiments):
        return f"{what}: time not measured yet at this size."
    cores, t4 = (a * supervised + b * steps for a, b in (_CORES, _T4))
    return (
        f"{what}: about {_words(cores)} on two CPU cores (measured), "
        f"about {_words(t4)} on a T4 (estimated, not measured)."
    )


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{math.ceil(seconds / 60)} min"
