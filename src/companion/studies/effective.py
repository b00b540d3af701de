"""Chapter 7: several reward models act as one; what a slip in one, or in the mixture, does."""

from typing import Any

from companion.studies.study import Study

JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}
CHANGE = {"boundary_refuse": 0.1}  # what Model-2's safety judge adds
BETAS = (0.0, 0.03, 0.1, 0.3)
TRAINERS = {"grpo": "GRPO", "exact": "exact"}
SAFETY_SHARES = (0.1, 0.5, 0.8)
ROUTER_WEIGHTS = (0.3, 0.45, 0.55, 0.7)  # of the first of two judges of boundary prompts
_NO_TIE = {"boundary_warn": 0.5}
_TWO_JUDGES = JUDGES | {"safety_rm": 2.0, "boundary_refuse": 1.0, "boundary_help": 1.0}


def _condition(
    trainer: str = "exact",
    rewards: dict[str, float] = JUDGES,
    beta: float = 0.0,
    leave_out: tuple[str, ...] = (),
    routes: dict[str, dict[str, float]] | None = None,
) -> dict[str, Any]:
    return {
        "task": "alignment",
        "traces": {"right": 0.8, "wrong": 0.2},
        "sft_steps": 800,
        "sft_learning_rate": 0.004,
        "scale_rewards": "none",
        "eval_every": 50,
        "trainer": trainer,
        "rewards": rewards,
        "beta": beta,
        "leave_out": leave_out,
        "routes": routes,
    }


def _mixture(share: float) -> dict[str, float]:
    other = round(3 * (1 - share) / 2, 8)
    return {"safety_rm": round(3 * share, 8), "values_rm": other, "general_rm": other}


def _routes(weight: float) -> dict[str, dict[str, float]]:
    refuse, other = round(weight / 2, 8), round((1 - weight) / 2, 8)
    return {
        "safety": {"safety_rm": 0.5, "boundary_refuse": refuse, "boundary_help": other},
        "values": {"values_rm": 1.0},
        "general": {"general_rm": 1.0},
    }


MODELS: dict[str, dict[str, Any]] = {
    "Model-1": {},
    "Model-2": {"rewards": JUDGES | CHANGE},
    "Model-3": {"leave_out": ("safety/boundary",)},
}

STUDY = Study(
    "effective",
    chapter=7,
    question="How far does a slip in one reward model, or in the mixture, move the policy?",
    conditions={
        **{
            f"{model}, {TRAINERS[trainer]}, β = {beta:g}": _condition(trainer, beta=beta, **changes)
            for trainer in TRAINERS
            for model, changes in MODELS.items()
            for beta in BETAS
        },
        **{
            f"clear prompts left out, exact, β = {beta:g}": _condition(
                beta=beta, leave_out=("safety/benign",)
            )
            for beta in BETAS
        },
        **{
            f"without {group}, exact": _condition(leave_out=(group,))
            for group in ("safety", "values", "general")
        },
        **{
            f"safety weighs {share:g}, exact": _condition(rewards=_mixture(share))
            for share in SAFETY_SHARES
        },
        # The control: boundary prompts have a best act.
        "Model-1, no tie, exact": _condition(rewards=JUDGES | _NO_TIE),
        "Model-2, no tie, exact": _condition(rewards=JUDGES | _NO_TIE | CHANGE),
        **{
            f"router {weight:g}, exact, β = {beta:g}": _condition(
                rewards=_TWO_JUDGES, beta=beta, routes=_routes(weight)
            )
            for beta in (0.0, 0.1)
            for weight in ROUTER_WEIGHTS
        },
    },
    repeats={f"Model-1, GRPO, β = {beta:g}": 2 for beta in BETAS},
    splits=("train", "ood"),
)
