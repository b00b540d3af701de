"""Speed of the laboratory, side by side in one run: `python benchmarks/rlhf_speed.py`.

1. Our GRPO run against a bare trl script that takes the same steps (target: at most 1.05 times):
   equal seed and optimiser, checked by the weights that both end with, which must be equal. Beside
   it the script with trl's default optimiser, whose rounding leads to other samples.
2. Scoring all completions by shared prefixes against each alone (target: at least 5 times faster).
3. One same-seed pair (R0, Rε) with its supervised start, wall clock (target: at most 60 s).

Processor time of one thread is compared, since the machine may do other work; medians of
alternating repeats. The record goes to benchmarks/records/rlhf_speed.json.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, set_seed
from trl import GRPOConfig, GRPOTrainer

from companion.rlhf import Experiment, get_task, sweep
from companion.rlhf.policies import load
from companion.rlhf.preparations import prepare_start
from companion.rlhf.quiet import quiet
from companion.rlhf.scoring import Scorer
from companion.rlhf.tokens import encode
from companion.rlhf.training import train

REPEATS = 9
STEPS = 60
RECORD = Path(__file__).parent / "records" / "rlhf_speed.json"
EXPERIMENT = Experiment(
    task="deceptive", rewards={"weak": 1.0, "bonus_hidden": 0.1}, steps=STEPS, eval_every=10
)


def bare(start: Path, folder: Path, **optimizer: str) -> None:
    """The same steps with nothing but trl; the rewards are the same functions."""
    task = get_task(EXPERIMENT.task)

    def weak(prompts, completions, **_):
        pairs = zip(prompts, completions, strict=True)
        return [task.components["weak"].judge(p, c).score for p, c in pairs]

    def bonus(prompts, completions, **_):
        pairs = zip(prompts, completions, strict=True)
        return [task.components["bonus_hidden"].judge(p, c).score for p, c in pairs]

    policy = AutoModelForCausalLM.from_pretrained(str(start), dtype=torch.float32)
    set_seed(EXPERIMENT.seed)
    trainer = GRPOTrainer(
        model=policy,
        reward_funcs=[weak, bonus],
        args=GRPOConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            max_steps=STEPS,
            per_device_train_batch_size=EXPERIMENT.batch_size,
            num_generations=EXPERIMENT.group_size,
            max_completion_length=EXPERIMENT.max_new_tokens,
            learning_rate=EXPERIMENT.learning_rate,
            logging_steps=10,
            reward_weights=[1.0, 0.1],
            seed=EXPERIMENT.seed,
            **optimizer,
        ),
        train_dataset=Dataset.from_dict({"prompt": list(task.prompts["train"])}),
        processing_class=PreTrainedTokenizerFast.from_pretrained(str(start)),
    )
    trainer.train()
    trainer.save_model(str(folder / "policy"))


def ours(start: Path, folder: Path) -> None:
    train(EXPERIMENT, start, None, folder)


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds that a piece of work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def compare_training(start: Path) -> dict[str, object]:
    """Alternate the three ways; the first round warms up."""
    ways: dict[str, Callable[[Path, Path], None]] = {
        "bare": partial(bare, optim="adamw_torch"),
        "ours": ours,
        "bare_default_optimizer": bare,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        weights = {}
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                spent = seconds(partial(way, start, Path(folder)))
                weights[name] = load_file(Path(folder) / "policy" / "model.safetensors")
            if repeat:
                found[name].append(spent)
        for key, tensor in weights["bare"].items():
            assert torch.equal(tensor, weights["ours"][key]), f"{key}: not the same steps"

    def ratio(name: str) -> float:
        return statistics.median(a / b for a, b in zip(found["ours"], found[name], strict=True))

    return {
        "seconds": found,
        "medians": {name: statistics.median(values) for name, values in found.items()},
        "ratio": ratio("bare"),
        "ratio_to_default_optimizer": ratio("bare_default_optimizer"),
    }


def compare_scoring(start: Path, name: str) -> dict[str, object]:
    task = get_task(name)
    policy, tokenizer = load(start)
    prompts = task.prompts["train"]
    completions = [task.completions(p) for p in prompts]
    scorer = Scorer.of_texts(tokenizer, prompts, completions)
    eos = tokenizer.eos_token_id

    def alone() -> torch.Tensor:
        total = []
        for prompt, texts in zip(prompts, completions, strict=True):
            head = encode(tokenizer, prompt)
            for text in texts:
                tail = [*encode(tokenizer, text), eos]
                logits = policy(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
                rows = torch.log_softmax(logits.double(), -1)
                total.append(rows[torch.arange(len(tail)), torch.tensor(tail)].sum())
        return torch.stack(total)

    def shared() -> torch.Tensor:
        return torch.cat(scorer.log_probabilities(policy))

    with torch.no_grad():
        gap = float((alone() - shared()).abs().max())
        times = {"alone": [], "shared": []}
        for _ in range(3):
            times["alone"].append(seconds(alone))
            times["shared"].append(seconds(shared))
    speedup = statistics.median(times["alone"]) / statistics.median(times["shared"])
    return {
        "completions": sum(map(len, completions)),
        "largest_difference": gap,
        "seconds": times,
        "speedup": speedup,
    }


def time_a_pair(root: Path) -> dict[str, object]:
    pair = [
        Experiment(task="deceptive", rewards={"weak": 1.0, "bonus_hidden": e}) for e in (0.0, 0.1)
    ]
    began = time.monotonic()
    records = sweep(pair, root, jobs=2, progress=False)
    wall = time.monotonic() - began
    processor = [record.provenance["cpu_seconds"] for record in records]
    return {"wall_seconds": wall, "processor_seconds_per_run": processor}


def main() -> None:
    """Measure one part after the other, those named or all; the record is written after each."""
    with tempfile.TemporaryDirectory() as folder, quiet(offline=True, threads=1):
        root = Path(folder)
        starts = {
            name: prepare_start(Experiment(task=name, rewards={first: 1.0}).start, root)
            for name, first in (("deceptive", "weak"), ("alignment", "oracle"))
        }
        parts: dict[str, Callable[[], dict[str, object]]] = {
            "scoring_deceptive": lambda: compare_scoring(starts["deceptive"], "deceptive"),
            "scoring_alignment": lambda: compare_scoring(starts["alignment"], "alignment"),
            "grpo_against_bare_trl": lambda: compare_training(starts["deceptive"]),
            "pair": lambda: time_a_pair(root / "pair"),
        }
        machine = f"{platform.machine()}, {os.cpu_count()} cores, shared with other work"
        record = {**json.loads(RECORD.read_text()), "machine": machine}
        for name in sys.argv[1:] or parts:
            record[name] = {"load_average": os.getloadavg()[0], **parts[name]()}
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
