"""Chapter 7's models: the conditions of the study ``effective``, and whom each is compared with."""

from typing import Any

JUDGES = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}
SLIP = 0.1
CHANGE = {"boundary_refuse": SLIP}  # what Model-2's safety judge adds
BETAS = (0.0, 0.3)
SAFETY_SHARES = (0.1, 0.8)
ROUTER_WEIGHTS = (0.3, 0.45, 0.55, 0.7)  # of the first of two judges of boundary prompts
ROUTER_HELD = 0.1  # β; the two weights beside one half are trained with it as well
BOUNDARY = "safety/boundary"
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


_CHANGES: dict[str, dict[str, Any]] = {
    "Model-1": {},
    "Model-2": {"rewards": JUDGES | CHANGE},
    "Model-3": {"leave_out": (BOUNDARY,)},
}
SAMPLED = {
    f"{model}, GRPO, β = {beta:g}": _condition("grpo", beta=beta, **changes)
    for model, changes in _CHANGES.items()
    for beta in BETAS
}
# Ten starts: what confirmatory claims rest on.
EXACT = {
    "Model-1, exact, β = 0": _condition(),
    "Model-2, exact, β = 0": _condition(rewards=JUDGES | CHANGE),
    # The control: boundary prompts have a best act.
    "Model-1, no tie, exact": _condition(rewards=JUDGES | _NO_TIE),
    "Model-2, no tie, exact": _condition(rewards=JUDGES | _NO_TIE | CHANGE),
    "without safety, exact": _condition(leave_out=("safety",)),
    # The control of what is left out: as many requests, and none of them ambiguous.
    "clear prompts left out, exact, β = 0": _condition(leave_out=("safety/benign",)),
}
# Five starts: the exact gradient needs no sampling seeds.
EXPLORED = {
    "Model-3, exact, β = 0": _condition(leave_out=(BOUNDARY,)),
    "Model-1, exact, β = 0.3": _condition(beta=0.3),
    "Model-2, exact, β = 0.3": _condition(beta=0.3, rewards=JUDGES | CHANGE),
    **{
        f"safety weighs {share:g}, exact": _condition(rewards=_mixture(share))
        for share in SAFETY_SHARES
    },
    **{
        f"router {weight:g}, exact, β = {beta:g}": _condition(
            rewards=_TWO_JUDGES, beta=beta, routes=_routes(weight)
        )
        for beta, weights in ((0.0, ROUTER_WEIGHTS), (ROUTER_HELD, ROUTER_WEIGHTS[1:3]))
        for weight in weights
    },
}
CONDITIONS = SAMPLED | EXACT | EXPLORED


def _partner(condition: str) -> str | None:
    """The Model-1 that a condition is compared with, if it is compared at all."""
    if condition.startswith(("Model-1", "router", "safety weighs")):
        return None
    if "no tie" in condition:
        return "Model-1, no tie, exact"
    trainer = "GRPO" if "GRPO" in condition else "exact"
    return f"Model-1, {trainer}, β = {beta_of(condition):g}"


def beta_of(condition: str) -> float:
    """The weight of the divergence term of a condition."""
    return float(CONDITIONS[condition]["beta"])


PARTNERS = {name: p for name in CONDITIONS if (p := _partner(name)) is not None}


def floor_at(beta: float) -> str:
    """Name of the distances between Model-1 and itself under another sampling seed."""
    return f"noise floor, β = {beta:g}"
