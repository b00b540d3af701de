"""Runs of a pretrained model from one supervised start, one after the other in this process.

For a page that is built on a laptop: the weights are loaded once and never written, and what a
policy does is told by samples alone. The training is that of ``running.run``, step by step.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from companion.errors import CompanionError
from companion.rlhf.experiment import Experiment
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.measurement import sample_table
from companion.rlhf.monitor import Monitor
from companion.rlhf.policy_gradient import train_by_policy_gradient
from companion.rlhf.provenance import write_provenance
from companion.rlhf.quiet import quiet
from companion.rlhf.records import Record
from companion.rlhf.rewards import Rewards
from companion.rlhf.sft import fine_tuned
from companion.rlhf.tasks import get_task


def run_together(
    experiments: Sequence[Experiment],
    root: Path | str = "runs",
    splits: Sequence[str] = ("test",),
    threads: int | None = None,
    progress: bool = False,
) -> list[Record]:
    """Train experiments that share a supervised start; their records hold samples, no lists.

    Args:
        experiments: of a pretrained model, by ``policy_gradient`` and without a reward model; one
            of 0 steps is the start itself.
        root: gets a folder a record; what is there already is made again.
        splits: prompts that samples are drawn for.
        threads: of the processor; ``None`` keeps torch's number.
        progress: show bars of the steps.

    Returns:
        Records without ``distribution``, in the order of the experiments.

    Raises:
        CompanionError: if the experiments do not belong together, or the weights cannot be had.
    """
    start, model = experiments[0].start, experiments[0].model
    for experiment in experiments:
        if experiment.start != start or model is None:
            raise CompanionError(f"run {experiment.id}: not of a pretrained model from one start")
        if experiment.trainer != "policy_gradient" or experiment.reward_model is not None:
            raise CompanionError(f"run {experiment.id}: not of policy_gradient and written rewards")
    with quiet(offline=False, threads=threads):
        policy, tokenizer, origin = fine_tuned(str(model), start, progress)
        before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
        records = []
        for experiment in experiments:
            policy.load_state_dict(before)
            folder = Path(root) / experiment.id
            facts = {"weights": origin}
            records.append(_run(experiment, policy, tokenizer, folder, splits, facts, progress))
    return records


def _run(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    splits: Sequence[str],
    facts: dict[str, Any],
    progress: bool,
) -> Record:
    wall, cpu = time.monotonic(), time.process_time()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").unlink(missing_ok=True)
    (folder / "experiment.json").write_text(experiment.model_dump_json(indent=1) + "\n")
    set_seed(experiment.seed)
    with tqdm(
        desc=experiment.trainer, total=experiment.steps, unit="step", disable=not progress
    ) as bar:
        monitor = Monitor(experiment, tokenizer, folder / "metrics.jsonl", bar)
        train_by_policy_gradient(experiment, policy, tokenizer, Rewards(experiment, None), monitor)
    with torch.no_grad():
        drawn = sample_table(experiment, tokenizer, policy, splits)
    drawn.to_parquet(folder / "samples.parquet", index=False)
    fence = get_task(experiment.task).fence
    facts = facts | {
        "device": pick_hardware(experiment.accelerator).description,
        **({"fence": fence()} if fence else {}),
        "wall_seconds": round(time.monotonic() - wall, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
    }
    write_provenance(folder / "provenance.json", experiment, facts)
    return Record(folder)
