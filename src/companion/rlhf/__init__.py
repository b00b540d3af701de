"""The laboratory: tasks, policies, training runs, exact distances.

A notebook needs five names::

    from companion.rlhf import Experiment, kl_optimum, policy_distance, start_distance, sweep

    runs = sweep(
        [Experiment(task="deceptive", rewards={"weak": 1.0, "bonus_hidden": eps}, sft_seed=seed)
         for seed in range(3) for eps in (0.0, 0.1)],
        root="runs", jobs=2,
    )
    runs[0].distribution        # every completion's log-probability before and after
    runs[0].metrics             # per step: reward, exact masses of the behaviour labels
    runs[0].masses("train")     # honest, open, hidden, wrong, other
    policy_distance(runs[0], runs[1]).lower     # exact total variation; .upper ends its bracket

``with curves.LiveCurves(plan, "mass/hidden", name): sweep(plan)`` draws them while they train.

Equal ``sft_seed`` means an equal supervised start; ``seed`` (by default the same number) varies
the reinforcement learning alone, so ``Experiment(..., sft_seed=0, seed=1)`` against ``seed=0``
is the noise floor, and two rewards at equal seeds are a same-seed pair.

``runs[0].expected("correct")`` and ``runs[0].evaluations()`` are exact means of components and of
held-out evaluations. ``Experiment(routes=..., gate_rate=...)`` routes rewards by class of prompt,
``reward_model=RewardModel(...)`` learns one from biased preferences first. With
``keep_policy=True``, ``estimates.estimated_distance`` (samples, with an interval) and
``estimates.step_distance`` (next tokens) compare the policies themselves. ``tiers`` says what runs
on a laptop, a small GPU, a large one and a cluster.
"""

from companion.rlhf.distances import Distance, kl_optimum, variation_bracket
from companion.rlhf.experiment import Experiment, RewardModel
from companion.rlhf.records import Record, policy_distance, read_record, start_distance
from companion.rlhf.running import run
from companion.rlhf.sweeps import sweep
from companion.rlhf.tasks import TASKS, get_task
from companion.rlhf.tiers import TIERS

__all__ = [
    "TASKS",
    "TIERS",
    "Distance",
    "Experiment",
    "Record",
    "RewardModel",
    "get_task",
    "kl_optimum",
    "policy_distance",
    "read_record",
    "run",
    "start_distance",
    "sweep",
    "variation_bracket",
]
