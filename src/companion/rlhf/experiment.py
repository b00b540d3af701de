"""The one specification of a training run; its identity is its content."""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from companion.errors import CompanionError
from companion.rlhf.tasks import get_task
from companion.rlhf.tiers import RECURRENT, TIERS, Scale


def content_id(fields: dict[str, Any]) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the fields as canonical JSON."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class Spec(BaseModel):
    """A frozen, validated specification that knows its content id.

    ``LATER`` names fields that came after the first records: they count in the id only when they
    differ from their default, so that earlier records keep theirs. So does the family's version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    LATER: ClassVar[frozenset[str]] = frozenset()

    task: str

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            problem = _first_problem(error, type(self).model_fields)
            raise CompanionError(f"{type(self).__name__}: {problem}") from None

    @property
    def id(self) -> str:
        """What names this specification's folder: equal fields, equal id."""
        return content_id(self._identity())

    def _identity(self) -> dict[str, Any]:
        fields = self.model_dump(mode="json")
        fields |= {name: value._identity() for name, value in self if isinstance(value, Spec)}
        for name in self.LATER:
            if fields[name] == type(self).model_fields[name].default:
                del fields[name]
        version = get_task(self.task).version
        return fields | {"family": version} if version > 1 else fields


def _first_problem(error: ValidationError, fields: Iterable[str]) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: no such field, only {', '.join(sorted(fields))}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {message} (got {problem['input']!r})" if where else message


class Start(Spec):
    """The supervised policy that runs start from, shared by all runs of one ``seed``."""

    LATER: ClassVar[frozenset[str]] = frozenset({"model", "accelerator"})

    model: str | None = None
    accelerator: str = "cpu"
    architecture: str
    hidden_size: int
    layers: int
    steps: int
    batch_size: int
    learning_rate: float
    traces: dict[str, float]
    seed: int


LEARNED = "learned"
OWN_TRAINERS = ("exact", "policy_gradient")  # not trl's: one process, no checkpoints


class RewardModel(Spec):
    """A reward model to train on preferences of biased annotators.

    Attributes:
        task: family with preferences.
        model: pretrained model that it starts from, see ``Scale``; ``None`` makes one from config.
        accelerator: ``auto`` takes a CUDA device if there is one.
        bias: strength of each of the annotators' biases, in units of the oracle's range.
        pairs: number of preferences.
        steps, batch_size, learning_rate, hidden_size, layers: how it is trained.
        initializer_range: standard deviation of its first weights. What transformers takes, 0.02,
            suits large models; at tiny sizes training then starts on a long plateau.
        seed: of weights and preferences.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"initializer_range", "model", "accelerator"})

    model: str | None = None
    accelerator: Literal["cpu", "auto"] = "cpu"
    bias: dict[str, float]
    pairs: int = Field(default=4000, ge=1)
    steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    hidden_size: int = Field(default=64, ge=8)
    layers: int = Field(default=2, ge=1)
    initializer_range: float = Field(default=0.02, gt=0, le=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> "RewardModel":
        task = get_task(self.task)
        if task.preferences is None:
            raise ValueError(f"task: {self.task!r} has no preferences")
        for name in self.bias:
            if task.biases and name not in task.biases:
                raise ValueError(f"bias: no {name!r}, only {', '.join(task.biases)}")
        return self


class Experiment(Spec, Scale):
    """One reinforcement-learning run from a supervised start.

    Defaults of ``scale_rewards``, ``loss_type``, ``aggregation`` and ``entropy_coef``
    are those of trl's GRPO trainer; what ``Scale`` holds and is left out comes from
    the tier.

    Attributes:
        task: name of the task family.
        tier: preset of sizes, see ``tiers``.
        trainer: ``grpo`` and ``rloo`` sample and are trl's; ``exact`` follows the expected
            gradient over all completions of the grammar, with no sampling noise;
            ``policy_gradient`` samples like GRPO, is ours, and the default for a pretrained model.
        rewards: weight of each named reward component; ``learned`` is the ``reward_model``.
        reward_model: what to train on preferences first, if ``rewards`` names it; where its
            ``seed`` is left out it takes ``sft_seed``.
        routes: w_k(s): by class of prompt (a prefix of its kind, ``*`` for any), the weight of
            each component; each row sums to 1. ``None`` pays every component everywhere.
        gate_rate: rate at which a learned gate moves the routes towards what pays (negative:
            towards what is neglected); 0 keeps them.
        gate_entropy: weight of the entropy of the routes, which a learned gate keeps up.
        yoked_to: other weights of the same ``rewards``. The gate does not learn, it replays what it
            learns step by step in the same run under those (``exact`` only).
        leave_out: prompts of these kinds (prefixes) are not trained on.
        scale_rewards: what all but RLOO divide advantages by: the standard deviation
            within a prompt's group, within the batch, or nothing.
        loss_type: trl's ``loss_type`` (``grpo`` only).
        aggregation: how several rewards become one advantage (``grpo`` only).
        entropy_coef: per-token entropy bonus (``grpo`` only).
        optimizer: ``adam`` or ``sgd``, constant learning rate.
        seed: of sampling and order of prompts; ``None`` takes ``sft_seed``.
        sft_seed: of initial weights and demonstrations.
        traces: mass of each kind of demonstration; ``None`` takes the task's.
        eval_every: steps between measurements of the exact behaviour masses.
        gradient_tolerance: training ends where the norm of the loss's gradient falls below it, and
            after ``steps`` at the latest (``exact`` only).
        keep_policy: whether the record keeps the trained weights.
    """

    LATER: ClassVar[frozenset[str]] = frozenset(
        {
            "model",
            "accelerator",
            "adam_beta2",
            "checkpoint_every",
            "vllm",
            "measured_prompts",
            "samples",
            "gate_entropy",
            "yoked_to",
            "gradient_tolerance",
        }
    )

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tier: str = "tiny"
    trainer: Literal["grpo", "rloo", "exact", "policy_gradient"] = "grpo"
    rewards: dict[str, float]
    reward_model: RewardModel | None = None
    routes: dict[str, dict[str, float]] | None = None
    gate_rate: float = Field(default=0.0, allow_inf_nan=False)
    gate_entropy: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    yoked_to: dict[str, float] | None = None
    leave_out: tuple[str, ...] = ()
    scale_rewards: Literal["group", "batch", "none"] = "group"
    loss_type: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "dapo"
    aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    entropy_coef: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    optimizer: Literal["adam", "sgd"] = "adam"
    seed: int = Field(ge=0)
    sft_seed: int = Field(default=0, ge=0)
    traces: dict[str, float]
    eval_every: int = Field(default=10, ge=1)
    gradient_tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    keep_policy: bool = False

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, fields: dict[str, Any]) -> dict[str, Any]:
        tier = fields.get("tier", "tiny")
        if not isinstance(tier, str) or tier not in TIERS:
            raise ValueError(f"tier: no {tier!r}, only {', '.join(TIERS)}")
        filled = {**TIERS[tier].model_dump(), **fields}
        if filled.get("model") and not filled.get("vllm"):
            filled.setdefault("trainer", "policy_gradient")
        if filled.get("trainer") in OWN_TRAINERS:
            filled["checkpoint_every"] = fields.get("checkpoint_every", 0)  # never the tier's
        if filled.get("seed") is None:
            filled["seed"] = filled.get("sft_seed", 0)
        if filled.get("traces") is None and "task" in filled:
            filled["traces"] = dict(get_task(filled["task"]).traces)
        model = filled.get("reward_model")
        if isinstance(model, dict):
            if not all(isinstance(name, str) for name in model):
                raise ValueError("reward_model: names of fields are texts")
            filled["reward_model"] = {"seed": filled.get("sft_seed", 0), **model}
        return filled

    @model_validator(mode="after")
    def _check(self) -> "Experiment":
        task = get_task(self.task)
        if not self.rewards:
            raise ValueError("rewards: name at least one component")
        for name, weight in self.rewards.items():
            if name != LEARNED:
                task.component(name)
            if not math.isfinite(weight):
                raise ValueError(f"rewards: weight of {name!r} is {weight}")
        if (LEARNED in self.rewards) != (self.reward_model is not None):
            raise ValueError("reward_model: needed if and only if rewards name 'learned'")
        if self.checkpoint_every and self.trainer in OWN_TRAINERS:
            raise ValueError(f"checkpoint_every: trainer {self.trainer!r} writes no checkpoints")
        if self.gradient_tolerance and self.trainer != "exact":
            raise ValueError("gradient_tolerance: only the trainer exact knows its gradient")
        if self._recurrent and (self.trainer != "exact" or self.samples):
            raise ValueError(
                f"architecture: {self.architecture} is trained by exact, without samples"
            )
        self._check_kinds()
        self._check_routes()
        self._check_gate()
        _check_masses("traces", self.traces, set(task.traces))
        if self.batch_size % self.group_size:
            raise ValueError(
                f"batch_size: {self.batch_size} is not divisible by group_size {self.group_size}"
            )
        return self

    @property
    def _recurrent(self) -> bool:
        return self.model is None and self.architecture in RECURRENT

    def _check_kinds(self) -> None:
        """Each name of a class of prompts has to be the beginning of one."""
        task = get_task(self.task)
        kinds = sorted({task.kind(p) for prompts in task.prompts.values() for p in prompts})
        named = [("leave_out", kind) for kind in self.leave_out]
        named += [("routes", row) for row in self.routes or {} if row != "*"]
        for field, name in named:
            if not name or not any(kind.startswith(name) for kind in kinds):
                raise ValueError(f"{field}: no prompts of kind {name!r}, only {', '.join(kinds)}")

    def _check_routes(self) -> None:
        if self.gate_rate and not self.routes:
            raise ValueError("gate_rate: a gate needs routes to begin with")
        kinds = sorted({get_task(self.task).kind(p) for p in self.prompts})
        if len(self.prompts) * self.group_size < self.batch_size:
            raise ValueError(f"leave_out: only {len(self.prompts)} prompts left, too few a batch")
        for row, weights in (self.routes or {}).items():
            _check_masses(f"routes.{row}", weights, set(self.rewards))
        for kind in kinds if self.routes else ():
            matching_route(self.routes or {}, kind)

    def _check_gate(self) -> None:
        if self.gate_entropy and not self.gate_rate:
            raise ValueError("gate_entropy: of a gate that learns; gate_rate is 0")
        step = abs(self.gate_rate) * self.gate_entropy
        if step > 1:
            raise ValueError(f"gate_entropy: times gate_rate it must be at most 1, is {step:g}")
        if self.yoked_to is None:
            return
        if self.trainer != "exact" or not self.gate_rate:
            raise ValueError("yoked_to: only with the trainer exact and a gate_rate")
        if set(self.yoked_to) != set(self.rewards):
            raise ValueError(f"yoked_to: names {', '.join(sorted(self.rewards))}, no others")

    def at_tier(self, tier: str) -> "Experiment":
        """The same question at the sizes of another tier; ``beta`` belongs to the question.

        Raises:
            CompanionError: if there is no such tier.
        """
        if tier == self.tier:
            return self
        question = self.model_dump(exclude=set(Scale.model_fields) - {"beta"})
        return Experiment(**question | {"tier": tier})

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts to train on."""
        task = get_task(self.task)
        kept = (p for p in task.prompts["train"] if not task.kind(p).startswith(self.leave_out))
        return tuple(kept) if self.leave_out else task.prompts["train"]

    @property
    def start(self) -> Start:
        """The supervised policy this run starts from."""
        return Start(
            task=self.task,
            model=self.model,
            accelerator=self.accelerator,
            architecture=self.architecture,
            hidden_size=self.hidden_size,
            layers=self.layers,
            steps=self.sft_steps,
            batch_size=self.sft_batch_size,
            learning_rate=self.sft_learning_rate,
            traces=self.traces,
            seed=self.sft_seed,
        )


def matching_route(routes: Iterable[str], kind: str) -> str:
    """The longest row that is a prefix of a prompt's kind, else ``*``.

    Raises:
        ValueError: if there is none.
    """
    rows = sorted((row for row in routes if kind.startswith(row)), key=len)
    if rows:
        return rows[-1]
    if "*" not in set(routes):
        raise ValueError(f"routes: no row for prompts of kind {kind!r}")
    return "*"


def _check_masses(field: str, masses: dict[str, float], known: set[str]) -> None:
    unknown = sorted(set(masses) - known)
    if unknown:
        raise ValueError(f"{field}: no {unknown[0]!r}, only {', '.join(sorted(known))}")
    if min(masses.values(), default=-1) < 0 or not math.isclose(sum(masses.values()), 1):
        raise ValueError(
            f"{field}: masses must be >= 0 and sum to 1, they sum to {sum(masses.values()):g}"
        )
