"""Reinforcement learning from a supervised start: trl's trainers and the exact gradient."""

import json
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
    set_seed,
)
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from companion.errors import CompanionError
from companion.rlhf.compat import replay_orders
from companion.rlhf.experiment import Experiment
from companion.rlhf.folders import CHECKSUMS, CorruptRecord, check_files, write_checksums
from companion.rlhf.hardware import pick_hardware
from companion.rlhf.monitor import Diverged, Monitor, whole_lines
from companion.rlhf.optimizers import differentiate, optimizer_of, step
from companion.rlhf.policies import load
from companion.rlhf.policy_gradient import train_by_policy_gradient
from companion.rlhf.provenance import source_digest, versions
from companion.rlhf.ranks import processes
from companion.rlhf.reward_models import LearnedReward
from companion.rlhf.rewards import GATE, Rewards, Routes
from companion.rlhf.scoring import Scorer
from companion.rlhf.tasks import get_task
from companion.rlhf.tokens import prompt_tokens
from companion.rlhf.trainers import finite, per_process, quiet_arguments
from companion.theory.normalised import GUARD


def train(
    experiment: Experiment,
    start: Path,
    reward_model: Path | None,
    folder: Path,
    progress: bool = False,
    checkpoint: Path | None = None,
) -> int | None:
    """Train from the policy saved in ``start``, or go on from a checkpoint that trl wrote.

    The trained policy goes to ``folder/policy``, metrics to ``folder/metrics.jsonl`` as they come,
    checkpoints to ``folder/trainer``.

    Returns:
        The step at which the run diverged and was ended, if it did.

    Raises:
        CompanionError: if the device has too little memory; the line names a size that needs less.
    """
    ours = {"exact": _train_exactly, "policy_gradient": train_by_policy_gradient}
    own = ours.get(experiment.trainer)
    device = pick_hardware(experiment.accelerator).device if own else "cpu"
    policy, tokenizer = load(start, device)  # trl moves its policy itself
    rewards = Rewards(experiment, LearnedReward(reward_model, device) if reward_model else None)
    set_seed(experiment.seed)
    with tqdm(
        desc=experiment.trainer, total=experiment.steps, unit="step", disable=not progress
    ) as bar:
        monitor = Monitor(experiment, tokenizer, folder / "metrics.jsonl", bar)
        try:
            if own:
                own(experiment, policy, tokenizer, rewards, monitor)
            else:
                _train_by_sampling(
                    experiment, policy, tokenizer, rewards, monitor, folder, checkpoint
                )
                return None  # trl's trainer has saved it
        except Diverged as diverged:
            if processes() > 1:
                raise CompanionError(f"run {experiment.id}: {diverged}") from None
            _save(policy, tokenizer, folder / "policy")
            return diverged.step
        except torch.OutOfMemoryError:
            raise CompanionError(_too_large(experiment)) from None
        _save(policy, tokenizer, folder / "policy")
    return None


def _save(policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    policy.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _too_large(experiment: Experiment) -> str:
    size, group = experiment.batch_size, experiment.group_size
    less = size // 2 // group * group
    hint = f"batch_size {less} needs about half of it" if less else "take a smaller tier or model"
    return f"out of memory: batch_size {size} at the tier {experiment.tier}; {hint}"


def _train_by_sampling(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Rewards,
    monitor: Monitor,
    folder: Path,
    checkpoint: Path | None,
) -> None:
    callbacks = [_Log(monitor, rewards)]
    trainer = sampling_trainer(experiment, policy, tokenizer, rewards, folder, callbacks)
    if checkpoint is None:
        monitor.write(0, policy, {})
    else:
        monitor.resume(checkpoint_step(checkpoint))
        rewards.restore(checkpoint)
        replay_orders(trainer, checkpoint_step(checkpoint) * experiment.batch_size)
    if experiment.steps:  # trl takes 0 for "not said", and trains
        _train_with_trl(trainer, policy, monitor, checkpoint)
    if monitor.step < experiment.steps:
        monitor.write(experiment.steps, policy, rewards.gate())
    trainer.save_model(str(folder / "policy"))


def _train_with_trl(
    trainer: GRPOTrainer | RLOOTrainer,
    policy: PreTrainedModel,
    monitor: Monitor,
    checkpoint: Path | None,
) -> None:
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except RuntimeError:
        if finite(policy):
            raise
        # What sampling says of probabilities that are no numbers.
        raise Diverged(trainer.state.global_step) from None


def checkpoint_step(checkpoint: Path) -> int:
    """The step after which trl wrote a checkpoint; its folder's name says so."""
    return int(checkpoint.name.rsplit("-", 1)[1])


def sampling_trainer(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Rewards,
    folder: Path,
    callbacks: Sequence[TrainerCallback] = (),
) -> GRPOTrainer | RLOOTrainer:
    """The trl trainer that an experiment asks for, ready to train ``policy``."""
    common = {
        **quiet_arguments(folder / "trainer", experiment.seed, experiment.accelerator),
        "max_steps": experiment.steps,
        "per_device_train_batch_size": per_process(experiment.batch_size),
        "num_generations": experiment.group_size,
        "max_completion_length": experiment.max_new_tokens,
        "learning_rate": experiment.learning_rate,
        "optim": {"adam": "adamw_torch", "sgd": "sgd"}[experiment.optimizer],
        "adam_beta2": experiment.adam_beta2,
        "logging_steps": experiment.eval_every,
        "beta": experiment.beta,
        "reward_weights": list(rewards.weights.values()),
    }
    if experiment.checkpoint_every:
        common |= {
            "save_strategy": "steps",
            "save_steps": experiment.checkpoint_every,
            "save_total_limit": 1,
        }
    asked = {str(tokenizer.decode(prompt_tokens(tokenizer, p))): p for p in experiment.prompts}
    rest: dict[str, Any] = {
        "model": policy,
        "reward_funcs": rewards.functions(asked),
        "train_dataset": Dataset.from_dict({"prompt": list(asked)}),
        "processing_class": tokenizer,
        "callbacks": list(callbacks),
    }
    trainer: GRPOTrainer | RLOOTrainer
    if experiment.trainer == "rloo":
        trainer = RLOOTrainer(args=RLOOConfig(**common), **rest)
    else:
        config = GRPOConfig(
            **common,
            scale_rewards=experiment.scale_rewards,
            loss_type=experiment.loss_type,
            multi_objective_aggregation=experiment.aggregation,
            entropy_coef=experiment.entropy_coef,
            use_vllm=experiment.vllm,
        )
        trainer = GRPOTrainer(args=config, **rest)
    trainer.remove_callback(PrinterCallback)
    return trainer


PROGRAM = "program.json"


def program() -> str:
    """What writes checkpoints, source and libraries: nothing else may go on from them."""
    return json.dumps({"source_sha256": source_digest(), **versions()})


def whole_checkpoint(part: Path) -> Path | None:
    """The last checkpoint in a run's folder that the run can go on from.

    One that is half written, changed, or by another program is passed over, with a line; so is
    one whose measurements up to it are not all there.
    """
    found = [path.parent for path in part.glob(f"trainer/checkpoint-*/{CHECKSUMS}")]
    measured = {line["step"] for line in whole_lines(part / "metrics.jsonl")}
    for checkpoint in sorted(found, key=checkpoint_step, reverse=True):
        reason = _flaw(checkpoint, measured)
        if not reason:
            return checkpoint
        print(f"{checkpoint}: {reason}; not resumed from", file=sys.stderr)
    return None


def _flaw(checkpoint: Path, measured: set[int]) -> str:
    try:
        check_files(checkpoint, (GATE, PROGRAM))
    except CorruptRecord as error:
        return str(error)
    if (checkpoint / PROGRAM).read_text() != program():
        return "written by another version of the laboratory or its libraries"
    every = json.loads((checkpoint / "trainer_state.json").read_text())["logging_steps"]
    wanted = set(range(0, checkpoint_step(checkpoint) + 1, every))
    return "" if wanted <= measured else "measurements before it are missing"


class _Log(TrainerCallback):
    def __init__(self, monitor: Monitor, rewards: Rewards) -> None:
        self._monitor, self._rewards = monitor, rewards

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kw: Any) -> None:
        if "train_runtime" in logs:
            return
        kept = {k: v for k, v in logs.items() if k in _KEPT or k.startswith("rewards/")}
        self._monitor.write(state.global_step, kw["model"], kept | self._rewards.gate())

    def on_save(self, args: Any, state: Any, control: Any, **kw: Any) -> None:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process writes its part
        if state.is_world_process_zero:
            checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            self._rewards.save(checkpoint)
            (checkpoint / PROGRAM).write_text(program())
            write_checksums(checkpoint)


_KEPT = {"loss", "grad_norm", "reward", "reward_std", "kl", "entropy", "frac_reward_zero_std"}


def _train_exactly(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Rewards,
    monitor: Monitor,
) -> None:
    """Follow the exact gradient and measure along the way; the gate of a yoked run is replayed."""
    if experiment.yoked_to is not None:
        rewards.replay(_learned_routes(experiment, deepcopy(policy), tokenizer))
    weights = torch.tensor(list(rewards.weights.values()))
    for number, at in enumerate(_exact_steps(experiment, policy, tokenizer, rewards)):
        if number % experiment.eval_every == 0 or at.last:
            worth = scaled_reward(at.logp, at.scores, weights.to(at.scores), "none")
            metrics = {
                "reward": expected(at.logp, worth).mean().item(),
                "kl": at.divergence.mean().item(),
                "grad_norm": at.slope,
            }
            monitor.write(number, policy, metrics | rewards.gate())


def _learned_routes(
    experiment: Experiment, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[Routes]:
    """The routes after each step of the run that a yoked one replays."""
    fields = experiment.model_dump() | {"rewards": experiment.yoked_to, "yoked_to": None}
    other = Experiment(**fields)
    rewards = Rewards(other)
    steps = _exact_steps(other, policy, tokenizer, rewards)
    return [rewards.routes() for _ in steps][1:]  # the first are those before any step


class _At(NamedTuple):
    """Where the exact trainer stands.

    Attributes:
        logp: (prompts, completions) log-probabilities.
        scores: (components, prompts, completions), routed.
        divergence: (prompts,) from the start.
        slope: norm of the loss's gradient over all weights.
        last: whether training ends here.
    """

    logp: torch.Tensor
    scores: torch.Tensor
    divergence: torch.Tensor
    slope: float
    last: bool


def _exact_steps(
    experiment: Experiment,
    policy: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rewards: Rewards,
) -> Iterator[_At]:
    """Follow the gradient of E[reward] / scale - beta KL, summed over all completions.

    What lies outside the grammar counts as one event of reward 0.

    Yields:
        Before each step and after the last.

    Raises:
        Diverged: if the loss is not a finite number.
    """
    prompts = experiment.prompts
    completions = [get_task(experiment.task).completions(p) for p in prompts]
    scorer = Scorer.of_texts(tokenizer, prompts, completions)
    scores = rewards.table(prompts, completions).to(policy.device)
    weights = torch.tensor(list(rewards.weights.values())).to(scores)
    with torch.no_grad():
        base = torch.stack(scorer.log_probabilities(policy))
    optimizer = optimizer_of(experiment, policy)
    policy.eval()
    for number in range(experiment.steps + 1):
        logp = torch.stack(scorer.log_probabilities(policy))
        routed = rewards.route_table(prompts).to(scores)[:, :, None] * scores
        divergence = exact_kl(logp, base)
        worth = scaled_reward(
            logp.detach(), routed, weights, experiment.scale_rewards, experiment.aggregation
        )
        loss = (experiment.beta * divergence - expected(logp, worth)).mean()
        slope = differentiate(policy, loss).item()
        last = number == experiment.steps or slope < experiment.gradient_tolerance
        yield _At(logp.detach(), routed, divergence.detach(), slope, last)
        if last:
            optimizer.zero_grad()
            break
        if not torch.isfinite(loss):
            raise Diverged(number)
        step(optimizer)
        rewards.observe_means(prompts, expected(logp.detach(), scores))


def expected(logp: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(..., prompts) means of (..., prompts, completions) values; elsewhere they are 0."""
    return (logp.exp() * values).sum(dim=-1)


def exact_kl(logp: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """(prompts,) KL divergence from ``base``, everything unscored merged into one event."""
    rest, rest_base = (_log_rest(x) for x in (logp, base))
    return (logp.exp() * (logp - base)).sum(dim=1) + rest.exp() * (rest - rest_base)


def _log_rest(logp: torch.Tensor) -> torch.Tensor:
    return torch.log((1 - logp.exp().sum(dim=1)).clamp_min(1e-12))


def scaled_reward(
    logp: torch.Tensor,
    scores: torch.Tensor,
    weights: torch.Tensor,
    scale: str,
    aggregation: str = "sum_then_normalize",
) -> torch.Tensor:
    """What trl would call the advantage, up to a constant per prompt, with exact moments.

    Args:
        logp: (prompts, completions).
        scores: (components, prompts, completions), routed.
        weights: (components,).
        scale: ``group``, ``batch`` or ``none``; ``normalize_then_sum`` ignores it, as trl does.
        aggregation: trl's ``multi_objective_aggregation``.

    Returns:
        (prompts, completions). A constant per prompt does not change the expected gradient.
    """
    weights = weights[:, None, None]
    if aggregation == "normalize_then_sum":
        total = (weights * scores / _spread(logp, scores)[..., None]).sum(dim=0)
        return total / _spread_of_batch(logp, total - expected(logp, total)[:, None])
    total = (weights * scores).sum(dim=0)
    if scale == "none":
        return total
    if scale == "batch":
        return total / _spread_of_batch(logp, total)
    return total / _spread(logp, total)[:, None]


def _spread(logp: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Standard deviation over completions, plus trl's 1e-4."""
    variance = expected(logp, values**2) - expected(logp, values) ** 2
    return variance.clamp_min(0).sqrt() + GUARD


def _spread_of_batch(logp: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Standard deviation over prompts and completions, plus trl's 1e-4."""
    mean, square = expected(logp, values).mean(), expected(logp, values**2).mean()
    return (square - mean**2).clamp_min(0).sqrt() + GUARD
