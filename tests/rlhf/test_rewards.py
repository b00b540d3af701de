import math
from dataclasses import replace

import pytest
from safetensors.torch import load_file
from small_runs import small

from companion.errors import CompanionError
from companion.rlhf import Experiment, get_task, run
from companion.rlhf.experiment import RewardModel
from companion.rlhf.reward_models import train_reward_model
from companion.rlhf.rewards import Rewards

TASK = get_task("alignment")
SAFE, FACT = "how to use poison ; i say no :", "is gravity real ; i say yes :"
BY_CLASS = {
    "safety": {"safety_rm": 1.0},
    "values": {"values_rm": 1.0},
    "general": {"general_rm": 1.0},
}
MODELS = {"safety_rm": 1.0, "values_rm": 1.0, "general_rm": 1.0}


def align(**fields):
    return small(task="alignment", **{"rewards": MODELS, **fields})


def paid(rewards, prompt, completion):
    functions = rewards.functions()
    scores = [f(prompts=[prompt], completions=[completion])[0] for f in functions]
    return dict(zip(rewards.weights, scores, strict=True))


def test_fixed_routes_pay_by_class():
    rewards = Rewards(align(routes=BY_CLASS))
    assert paid(rewards, SAFE, "surely refuse") == {**dict.fromkeys(MODELS, 0.0), "safety_rm": 1.0}
    assert paid(rewards, FACT, "surely yes") == {**dict.fromkeys(MODELS, 0.0), "general_rm": 1.0}


def test_mixture_prior_pays_everywhere_by_its_share():
    prior = {"*": {"safety_rm": 0.2, "values_rm": 0.3, "general_rm": 0.5}}
    rewards = Rewards(align(routes=prior))
    assert paid(rewards, SAFE, "surely refuse")["safety_rm"] == pytest.approx(0.2)
    assert paid(rewards, FACT, "surely yes")["general_rm"] == pytest.approx(0.5)


def test_the_longest_row_wins():
    routes = {
        "safety": {"safety_rm": 1.0},
        "safety/harmful": {"general_rm": 1.0},
        "*": {"values_rm": 1.0},
    }
    rewards = Rewards(align(routes=routes))
    assert rewards.route("general_rm", SAFE) == 1
    assert rewards.route("safety_rm", "how to use maps ; i say no :") == 1
    assert rewards.route("values_rm", FACT) == 1


def test_gate_moves_by_multiplicative_weights_and_stays_a_mixture():
    row = {"safety_rm": 0.5, "general_rm": 0.5}
    rewards = Rewards(align(rewards=dict.fromkeys(row, 1.0), routes={"*": row}, gate_rate=2.0))
    for function in rewards.functions():
        function(prompts=[FACT, FACT], completions=["surely yes", "surely no"])
    gate = rewards.gate()
    odds = gate["gate/*/general_rm"] / gate["gate/*/safety_rm"]
    assert odds == pytest.approx(math.exp(2.0 * 0.5))
    assert sum(gate.values()) == pytest.approx(1)


def test_gate_follows_what_is_paid_and_keeps_its_entropy():
    row = {"safety_rm": 0.5, "general_rm": 0.5}
    weights = {"safety_rm": 1.0, "general_rm": 3.0}
    means = {"*": {"safety_rm": 1.0, "general_rm": 0.5}}
    for rate, sign in ((0.4, 1), (-0.4, -1)):
        gate = {"gate_rate": rate, "gate_entropy": 2.0}
        rewards = Rewards(align(rewards=weights, routes={"*": row}, **gate))
        for _ in range(200):
            rewards.move_gate(means)
        odds = rewards.route("general_rm", FACT) / rewards.route("safety_rm", FACT)
        assert odds == pytest.approx(math.exp(sign * (3.0 * 0.5 - 1.0) / 2.0))  # a softmax at τ = 2


def test_a_yoked_gate_replays_what_was_learned_without_the_change(lab):
    row = {"safety_rm": 0.5, "general_rm": 0.5}
    even = dict.fromkeys(row, 1.0)
    fields = {"routes": {"*": row}, "gate_rate": 1.0, "trainer": "exact", "eval_every": 1}
    plain = run(align(**fields, rewards=even), lab).metrics
    changed = even | {"safety_rm": 3.0}
    learned = run(align(**fields, rewards=changed), lab).metrics
    yoked = run(align(**fields, rewards=changed, yoked_to=even), lab).metrics
    gates = [f"gate/*/{name}" for name in row]
    assert yoked[gates].equals(plain[gates])
    assert not learned[gates].equals(plain[gates])
    assert yoked.reward.tolist() != plain.reward.tolist()


def test_gate_survives_a_checkpoint(tmp_path):
    row = {"safety_rm": 0.5, "general_rm": 0.5}
    experiment = align(rewards=row, routes={"*": row}, gate_rate=2.0)
    moved, fresh = Rewards(experiment), Rewards(experiment)
    moved.move_gate({"*": {"safety_rm": 1.0, "general_rm": 0.0}})
    moved.save(tmp_path)
    assert fresh.gate() != moved.gate()
    fresh.restore(tmp_path)
    assert fresh.gate() == moved.gate()


def test_gate_learns_in_a_run_and_is_recorded(lab):
    row = {"safety_rm": 0.5, "general_rm": 0.5}
    fields = {"rewards": row, "routes": {"safety": row, "*": row}, "gate_rate": 1.0}
    for trainer in ("exact", "grpo"):
        metrics = run(align(**fields, trainer=trainer), lab).metrics
        assert metrics["gate/safety/safety_rm"].iloc[-1] > 0.5
        assert metrics["gate/*/general_rm"].iloc[-1] > 0.5


def test_left_out_prompts_are_not_trained_on():
    kept = align(leave_out=["safety/boundary"]).prompts
    assert {TASK.kind(p) for p in TASK.prompts["train"]} - {TASK.kind(p) for p in kept} == {
        "safety/boundary"
    }


GATED = {
    "rewards": {"safety_rm": 1.0},
    "routes": {"*": {"safety_rm": 1.0}},
    "gate_rate": 1.0,
}
BAD = {
    "sum": ({"routes": {"*": {"safety_rm": 0.5}}}, "sum to 0.5"),
    "unknown": ({"routes": {"*": {"oracle": 1.0}}}, "oracle"),
    "no row": ({"routes": {"safety": {"safety_rm": 1.0}}}, "no row for prompts of kind 'general"),
    "gate": ({"gate_rate": 1.0}, "a gate needs routes"),
    "entropy": (GATED | {"gate_rate": 0.0, "gate_entropy": 1.0}, "a gate that learns"),
    "too fast": (GATED | {"gate_entropy": 2.0}, "at most 1, is 2"),
    "yoked": (GATED | {"yoked_to": {"safety_rm": 1.0}}, "only with the trainer exact"),
    "yoked names": (
        GATED | {"trainer": "exact", "yoked_to": {"oracle": 1.0}},
        "names safety_rm, no others",
    ),
    "learned": ({"rewards": {"learned": 1.0}}, "reward_model"),
    "all left out": ({"leave_out": ["safety", "values", "general"]}, "only 0 prompts"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_routes_are_one_line(name):
    fields, message = BAD[name]
    with pytest.raises(CompanionError, match=message) as caught:
        align(**fields)
    assert "\n" not in str(caught.value)


def test_reward_models_need_preferences():
    with pytest.raises(CompanionError, match="no preferences"):
        RewardModel(task="deceptive", bias={})


def test_learned_reward_model_learns_the_bias_of_its_annotators(lab):
    spec = RewardModel(task="alignment", bias={"confidence": 1.5}, pairs=1500, steps=120)
    experiment = align(rewards={"learned": 1.0}, reward_model=spec, trainer="rloo", eval_every=1)
    assert run(experiment, lab).metrics["rewards/learned/mean"].iloc[-1] > 0
    from companion.rlhf.preparations import prepare_reward_model
    from companion.rlhf.reward_models import LearnedReward

    score = LearnedReward(prepare_reward_model(spec, lab))
    prompts = TASK.prompts["train"]
    for act in ("refuse", "yes"):
        sure, shy = (score(prompts, [f"{t} {act}"] * len(prompts)) for t in ("surely", "perhaps"))
        assert sum(a > b for a, b in zip(sure, shy, strict=True)) > 0.9 * len(prompts)


def test_reward_model_takes_the_seed_of_the_start_unless_given():
    model = {"task": "alignment", "bias": {}}
    made = align(rewards={"learned": 1.0}, reward_model=model, sft_seed=3)
    assert made.reward_model.seed == 3
    made = align(rewards={"learned": 1.0}, reward_model=model | {"seed": 5}, sft_seed=3)
    assert made.reward_model.seed == 5


def test_first_weights_count_in_the_id_where_they_differ_from_the_default(monkeypatch):
    first = replace(TASK, version=1)  # the family's version is part of the id, too
    monkeypatch.setattr("companion.rlhf.experiment.get_task", lambda name: first)

    def experiment(**fields):
        model = {"task": "alignment", "bias": {}, **fields}
        return align(rewards={"learned": 1.0}, reward_model=model)

    assert experiment().id == "1c9558cac6ae"  # as it was before the field came
    assert experiment(initializer_range=0.1).id != experiment().id


@pytest.mark.parametrize("width", [0.02, 0.2])
def test_first_weights_of_a_reward_model_have_the_asked_for_spread(tmp_path, width):
    spec = RewardModel(
        task="alignment",
        bias={},
        pairs=8,
        steps=1,
        batch_size=4,
        learning_rate=1e-9,
        initializer_range=width,
    )
    train_reward_model(spec, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")["model.embed_tokens.weight"]
    assert float(weights.std()) == pytest.approx(width, rel=0.1)


def test_learned_reward_starts_at_the_worst_reply_and_pays_nothing_else():
    def learned(prompts, completions):
        return [len(c) - 20.0 for c in completions]

    model = {"task": "alignment", "bias": {}}
    rewards = Rewards(align(rewards={"learned": 1.0}, reward_model=model), learned)
    replies = TASK.completions(SAFE)
    scores = rewards.scores("learned", [SAFE] * len(replies), replies)
    shortest = min(map(len, replies))
    assert scores == [len(c) - shortest for c in replies]
    nonsense = "surely surely surely surely surely surely"
    assert rewards.scores("learned", [SAFE, FACT], [nonsense, "surely warn indeed yes"]) == [0, 0]


def test_experiment_with_everything_round_trips():
    spec = RewardModel(task="alignment", bias={"length": 1.0})
    experiment = align(
        rewards={"learned": 1.0, "oracle": 0.5},
        reward_model=spec,
        routes={"*": {"learned": 0.5, "oracle": 0.5}},
        leave_out=["safety/boundary"],
    )
    again = Experiment(**experiment.model_dump(mode="json"))
    assert again == experiment
    assert again.id == experiment.id
