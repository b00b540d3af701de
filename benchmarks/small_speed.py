"""A step of a pretrained model, side by side in one run: `python benchmarks/small_speed.py`.

Our step at the tier small (SmolLM2, python family) against a bare trl GRPOTrainer script of the
same sizes: prompts and completions a step, length, learning rate, rewards, advantages that are
centred and not scaled, no divergence term, matrix products rounded alike. Both start from the same
supervised policy; their samples differ, so tokens a second stand beside seconds a step. Target: at
most 1.1 times the bare script's seconds.

Each way runs in a process of its own, which measures its peak memory, in alternating rounds; the
first two steps of a round warm up and do not count. The record goes to
benchmarks/records/small_speed.json.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from companion.rlhf import Experiment, get_task
from companion.rlhf.hardware import autocast, pick_hardware
from companion.rlhf.monitor import Monitor
from companion.rlhf.policies import load
from companion.rlhf.policy_gradient import train_by_policy_gradient
from companion.rlhf.preparations import prepare_start
from companion.rlhf.quiet import quiet
from companion.rlhf.rewards import Rewards
from companion.rlhf.tokens import prompt_tokens

RECORD = Path(__file__).parent / "records" / "small_speed.json"
QUESTION: dict[str, Any] = {
    "task": "python",
    "tier": "small",
    "rewards": {"weak": 1.0, "bonus_hidden": 0.1},
    "scale_rewards": "none",
    "eval_every": 2,
}


class Clock:
    """Wall and processor time once a step, at the same place in it, and the tokens written."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []
        self.tokens: list[int] = []

    def tick(self) -> None:
        """A step has come round."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ticks.append((time.monotonic(), time.process_time()))

    def found(self, device: str) -> dict[str, Any]:
        """Seconds and tokens of all steps but the first two, and the process's peak memory."""
        pairs = list(pairwise(self.ticks[1:]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated()
        return {
            "seconds": [b[0] - a[0] for a, b in pairs],
            "processor_seconds": [b[1] - a[1] for a, b in pairs],
            "tokens": self.tokens[2:],
            "peak_bytes": peak,
        }


def ours(experiment: Experiment, start: Path) -> dict[str, Any]:
    """The steps of ``train_by_policy_gradient``."""
    clock, device = Clock(), pick_hardware("auto").device
    policy, tokenizer = load(start, device)

    class Counted(Rewards):
        def totals(self, prompts: Any, texts: Any) -> torch.Tensor:
            lengths = [len(tokenizer(t)["input_ids"]) for group in texts for t in group]
            clock.tokens.append(sum(min(n + 1, experiment.max_new_tokens) for n in lengths))
            clock.tick()
            return super().totals(prompts, texts)

    monitor = Monitor(experiment, tokenizer, Path(os.devnull), tqdm(disable=True))
    set_seed(experiment.seed)
    train_by_policy_gradient(experiment, policy, tokenizer, Counted(experiment), monitor)
    return clock.found(device)


def bare(experiment: Experiment, start: Path) -> dict[str, Any]:
    """The same sizes with nothing but trl; the rewards are the same functions."""
    clock, device = Clock(), pick_hardware("auto").device
    policy, tokenizer = load(start)
    task = get_task(experiment.task)
    asked = {str(tokenizer.decode(prompt_tokens(tokenizer, p))): p for p in experiment.prompts}

    def scores(name: str, prompts: list[str], completions: list[str]) -> list[float]:
        found = task.judge_all(name, [asked[p] for p in prompts], completions)
        return [verdict.score for verdict in found]

    def weak(prompts: Any, completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        clock.tokens.append(sum(map(len, completion_ids)))
        return scores("weak", prompts, completions)

    def bonus(prompts: Any, completions: Any, **_: Any) -> list[float]:
        return scores("bonus_hidden", prompts, completions)

    class Ticks(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    with autocast(device):
        rounded = torch.is_autocast_enabled(device)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=policy,
            reward_funcs=[weak, bonus],
            args=GRPOConfig(
                output_dir=folder,
                use_cpu=device == "cpu",
                bf16=rounded,
                gradient_checkpointing=False,
                lr_scheduler_type="constant",
                weight_decay=0.0,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                dataloader_pin_memory=device != "cpu",
                max_steps=experiment.steps,
                per_device_train_batch_size=experiment.batch_size,
                num_generations=experiment.group_size,
                max_completion_length=experiment.max_new_tokens,
                learning_rate=experiment.learning_rate,
                scale_rewards="none",
                reward_weights=list(experiment.rewards.values()),
                logging_strategy="no",
                seed=experiment.seed,
            ),
            train_dataset=Dataset.from_dict({"prompt": list(asked)}),
            processing_class=tokenizer,
            callbacks=[Ticks()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return clock.found(device)


def measured(way: str, experiment: Experiment, start: Path) -> dict[str, Any]:
    """One way, in this process."""
    with quiet(offline=True, threads=None):
        return {"ours": ours, "bare trl": bare}[way](experiment, start)


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """All rounds of a way together."""
    joined = {
        name: [x for found in rounds for x in found[name]]
        for name in ("seconds", "processor_seconds", "tokens")
    }
    return {
        **joined,
        "seconds_a_step": statistics.median(joined["seconds"]),
        "processor_seconds_a_step": statistics.median(joined["processor_seconds"]),
        "tokens_a_second": sum(joined["tokens"]) / sum(joined["seconds"]),
        "peak_bytes": max(found["peak_bytes"] for found in rounds),
    }


def main() -> None:
    """Measure, print a table, write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5, help="a round; two do not count")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--sft-steps", type=int, default=60, help="of the supervised start")
    options = parser.parse_args()
    sizes = {"steps": options.steps, "sft_steps": options.sft_steps}
    experiment = Experiment(**QUESTION | sizes)
    rounds: dict[str, list[dict[str, Any]]] = {"ours": [], "bare trl": []}
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as root:
        start = prepare_start(experiment.start, root, progress=True)
        load_average = [os.getloadavg()[0]]
        for _ in range(options.rounds):
            for way, found in rounds.items():
                with ProcessPoolExecutor(1, mp_context=context) as process:
                    found.append(process.submit(measured, way, experiment, start).result())
        load_average.append(os.getloadavg()[0])
    ways = {way: summary(found) for way, found in rounds.items()}
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "device": pick_hardware("auto").description,
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "load_average": load_average,
        "supervised_steps": options.sft_steps,
        "sizes": experiment.model_dump(include={"batch_size", "group_size", "max_new_tokens"}),
        "ways": ways,
        "ratio": ways["ours"]["seconds_a_step"] / ways["bare trl"]["seconds_a_step"],
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(f"{'':10}{'s a step':>10}{'tokens/s':>10}{'peak GB':>10}")
    for way, found in ways.items():
        numbers = (found["seconds_a_step"], found["tokens_a_second"], found["peak_bytes"] / 1e9)
        print(f"{way:10}" + "".join(f"{number:10.2f}" for number in numbers))
    print(f"ours / bare trl: {record['ratio']:.2f} ({record['device']})")


if __name__ == "__main__":
    main()
