"""The policy gradient with samples: its direction, its advantages, its errors."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_runs import small
from tqdm.auto import tqdm

from companion.errors import CompanionError
from companion.rlhf import get_task, run
from companion.rlhf import policy_gradient as ours
from companion.rlhf.monitor import Diverged, Monitor
from companion.rlhf.policies import load
from companion.rlhf.policy_gradient import advantages_of, train_by_policy_gradient
from companion.rlhf.preparations import prepare_start
from companion.rlhf.quiet import quiet
from companion.rlhf.rewards import Rewards
from companion.rlhf.scoring import Scorer
from companion.rlhf.tokens import prompt_tokens
from companion.rlhf.training import expected, sampling_trainer

PAID = {"weak": 1.0, "bonus_hidden": 0.5}


def sampled(**fields):
    return small(
        **{"trainer": "policy_gradient", "rewards": PAID, "scale_rewards": "none", **fields}
    )


def started(experiment, lab):
    with quiet(offline=True, threads=1):
        return load(prepare_start(experiment.start, lab))


def train(experiment, policy, tokenizer, folder, rewards=None):
    """The metrics of a training."""
    torch.manual_seed(experiment.seed)
    file = folder / "metrics.jsonl"
    file.write_text("")
    monitor = Monitor(experiment, tokenizer, file, tqdm(disable=True))
    rewards = rewards or Rewards(experiment)
    train_by_policy_gradient(experiment, policy, tokenizer, rewards, monitor)
    return [json.loads(line) for line in file.read_text().splitlines()]


def flat(policy):
    return torch.cat([p.detach().flatten() for p in policy.parameters()])


def gradient(policy):
    return torch.cat([p.grad.flatten() for p in policy.parameters()])


@pytest.fixture
def gradients(monkeypatch):
    """The gradients that training would follow; the policy stays where it is."""
    found = []

    def note(policy, optimizer, loss):
        policy.zero_grad()
        loss.backward()
        found.append(gradient(policy))

    monkeypatch.setattr(ours, "descend", note)
    return found


def exact_gradient(experiment, policy, tokenizer):
    """Of minus the expected reward, summed over the whole grammar; elsewhere nothing is paid."""
    task, prompts = get_task(experiment.task), experiment.prompts
    completions = [task.completions(p) for p in prompts]
    scorer = Scorer.of_texts(tokenizer, prompts, completions)
    pay = torch.tensor(
        [[task.reward(experiment.rewards, p, c) for c in cs]
         for p, cs in zip(prompts, completions, strict=True)]
    )  # fmt: skip
    policy.zero_grad()
    (-expected(torch.stack(scorer.log_probabilities(policy)), pay)).mean().backward()
    return gradient(policy)


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def test_the_mean_gradient_is_the_exact_one(lab, tmp_path, gradients):
    count = len(get_task("deceptive").prompts["train"])
    experiment = sampled(steps=4, batch_size=256 * count, group_size=256)
    policy, tokenizer = started(experiment, lab)
    train(experiment, policy, tokenizer, tmp_path)
    mean = torch.stack(gradients).mean(dim=0)
    exact = exact_gradient(experiment, policy, tokenizer)
    assert cosine(mean, exact) > 0.9
    # a group's mean contains the sample itself, which shortens the gradient by 1/256
    assert float(mean @ exact / (exact @ exact)) == pytest.approx(1, abs=0.2)
    other = sampled(rewards={"weak": 1.0, "bonus_open": 2.0})
    assert cosine(mean, exact_gradient(other, policy, tokenizer)) < 0.9


def test_it_raises_the_favoured_trace_as_the_exact_trainer_does(lab):
    fields = {"rewards": PAID, "scale_rewards": "none", "steps": 30, "learning_rate": 1e-3}
    for trainer in ("policy_gradient", "exact"):
        metrics = run(small(trainer=trainer, **fields), lab).metrics
        assert metrics["mass/hidden"].iloc[-1] > metrics["mass/hidden"].iloc[0] + 0.3


def test_without_steps_the_policy_stays_as_it_is(lab, tmp_path):
    experiment = sampled(steps=0)
    policy, tokenizer = started(experiment, lab)
    before = flat(policy).clone()
    metrics = train(experiment, policy, tokenizer, tmp_path)
    assert torch.equal(flat(policy), before)
    assert [line["step"] for line in metrics] == [0]


def test_a_divergence_weight_keeps_the_policy_at_its_start(lab):
    fields = {"steps": 30, "learning_rate": 1e-3}
    free, held = (run(sampled(beta=beta, **fields), lab) for beta in (0.01, 10.0))
    assert free.metrics["kl"].iloc[0] == pytest.approx(0, abs=1e-6)
    moved = [abs(r.masses() - r.masses("train", "start")).sum() for r in (free, held)]
    assert moved[0] > 5 * moved[1]
    assert free.metrics["kl"].iloc[2] > 2 * abs(held.metrics["kl"].iloc[2])


def test_the_divergence_pulls_a_moved_policy_back(lab, tmp_path, gradients, monkeypatch):
    """With nothing paid, the gradient is that of beta times the exact KL(policy || start)."""
    count = len(get_task("deceptive").prompts["train"])
    still = {"weak": 0.0}
    experiment = sampled(rewards=still, beta=0.5, steps=4, batch_size=256 * count, group_size=256)
    policy, tokenizer = started(experiment, lab)
    reference, _ = started(experiment, lab)
    mover = run(sampled(trainer="exact", steps=30, learning_rate=1e-3, keep_policy=True), lab)
    moved, _ = load(mover.path / "policy")
    policy.load_state_dict(moved.state_dict())
    monkeypatch.setattr(ours.copy, "deepcopy", lambda _: reference)
    metrics = train(experiment, policy, tokenizer, tmp_path)
    mean = torch.stack(gradients).mean(dim=0)

    task, prompts = get_task("deceptive"), experiment.prompts
    scorer = Scorer.of_texts(tokenizer, prompts, [task.completions(p) for p in prompts])
    with torch.no_grad():
        base = torch.stack(scorer.log_probabilities(reference))
    logp = torch.stack(scorer.log_probabilities(policy))
    exact = (logp.exp() * (logp - base)).sum(dim=1).mean()
    policy.zero_grad()
    (0.5 * exact).backward()
    assert exact > 0.1
    assert metrics[0]["kl"] == pytest.approx(float(exact), rel=0.25)  # the grammar is not all
    assert cosine(mean, gradient(policy)) > 0.8


SCALES = st.sampled_from(["group", "batch", "none"])


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 0.01, 0.5, 1.0]), min_size=4, max_size=4),
        min_size=1,
        max_size=4,
    ),
    SCALES,
)
def test_advantages_have_no_mean_and_keep_the_order(rows, scale):
    worth = torch.tensor(rows, dtype=torch.float64)
    found = advantages_of(worth, scale)
    assert found.mean(dim=1).abs().max() < 1e-9
    for above, row in zip(found, worth, strict=True):
        assert (above[row == row.max()] >= above.max() - 1e-12).all()
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages_are_those_that_trl_computes(lab, tmp_path, scale):
    experiment = sampled(trainer="grpo", scale_rewards=scale)
    paid = []

    class Noted(Rewards):
        def functions(self, asked=None):
            def pay(prompts, completions, **_):
                pairs = zip(prompts, completions, strict=True)
                paid[:] = [float(len(c) % 7) + 0.01 * len(p) for p, c in pairs]
                return list(paid)

            return [pay]

    with quiet(offline=True, threads=1):
        policy, tokenizer = started(experiment, lab)
        rewards = Noted(experiment)
        rewards.weights = {"pay": 1.0}
        trainer = sampling_trainer(experiment, policy, tokenizer, rewards, tmp_path)
        trainer.model.train()
        groups = [p for p in experiment.prompts[:8] for _ in range(8)]
        out = trainer._generate_and_score_completions([{"prompt": p} for p in groups])
    worth = torch.tensor(paid).reshape(-1, 8)
    assert worth.std() > 0.1
    wanted = out["advantages"].reshape(-1, 8)
    assert torch.allclose(advantages_of(worth, scale), wanted, atol=1e-4)


def test_a_loss_that_is_not_finite_ends_the_run(lab, tmp_path):
    experiment = sampled()

    class Broken(Rewards):
        def totals(self, prompts, texts):
            return super().totals(prompts, texts) * torch.nan

    policy, tokenizer = started(experiment, lab)
    with pytest.raises(Diverged, match=r"^diverged at step 0$"):
        train(experiment, policy, tokenizer, tmp_path, Broken(experiment))


def test_a_policy_that_is_not_a_number_ends_the_run(lab, tmp_path):
    experiment = sampled()
    policy, tokenizer = started(experiment, lab)
    with torch.no_grad():
        next(policy.parameters()).fill_(torch.nan)
    with pytest.raises(Diverged, match=r"^diverged at step 0$"):
        train(experiment, policy, tokenizer, tmp_path)


def test_a_run_whose_loss_is_not_finite_is_recorded_as_diverged(tmp_path, lab, monkeypatch):
    def broken(self, prompts, texts):
        return torch.full((len(prompts), len(texts[0])), torch.inf, dtype=torch.float64)

    monkeypatch.setattr(Rewards, "totals", broken)
    experiment = sampled(seed=5)
    assert run(experiment, lab).diverged_at == 0


@pytest.mark.parametrize(
    ("sizes", "hint"),
    [((64, 8), "batch_size 32 needs"), ((48, 16), "batch_size 16 needs"), ((8, 8), "smaller tier")],
)
def test_too_little_memory_is_one_line_that_names_a_size(lab, monkeypatch, sizes, hint):
    def full(self, prompts, texts):
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20 GiB.")

    monkeypatch.setattr(Rewards, "totals", full)
    experiment = sampled(seed=6, batch_size=sizes[0], group_size=sizes[1])
    with pytest.raises(CompanionError, match=hint) as caught:
        run(experiment, lab)
    assert len(str(caught.value).splitlines()) == 1
    assert not (lab / experiment.id).exists()
    if "batch_size" in hint:  # a size that an experiment can have
        small(**{"batch_size": int(hint.split()[1]), "group_size": sizes[1]})


def test_routes_pay_by_class_and_the_gate_moves(lab):
    row = {"safety_rm": 0.2, "general_rm": 0.8}
    fields = {"task": "alignment", "rewards": dict.fromkeys(row, 1.0), "routes": {"*": row}}
    fixed = run(sampled(**fields), lab).metrics
    assert not [name for name in fixed if name.startswith("gate/")]
    moved = run(sampled(**fields, gate_rate=3.0), lab).metrics
    weights = moved[["gate/*/safety_rm", "gate/*/general_rm"]]
    assert weights.sum(axis=1).tolist() == pytest.approx([1.0] * len(moved))
    assert abs(weights.iloc[-1, 0] - 0.2) > 0.01
    one_sided = {"*": {"safety_rm": 1.0, "general_rm": 0.0}}
    rewards = Rewards(sampled(**fields | {"routes": one_sided}))
    alone = Rewards(sampled(task="alignment", rewards={"safety_rm": 1.0}))
    task = get_task("alignment")
    prompts = list(task.prompts["train"][:4])
    texts = [list(task.completions(p)[:5]) for p in prompts]
    assert torch.equal(rewards.totals(prompts, texts), alone.totals(prompts, texts))


def test_metrics_are_of_the_samples_before_a_step(lab, tmp_path):
    experiment = sampled(steps=4, eval_every=2)
    policy, tokenizer = started(experiment, lab)
    metrics = train(experiment, policy, tokenizer, tmp_path)
    assert [line["step"] for line in metrics] == [0, 2, 4]
    labels = get_task("deceptive").labels
    for line in metrics[:-1]:
        assert sum(line[f"share/{label}"] for label in labels) == pytest.approx(1)
        assert 0 <= line["reward"] <= 1.5
    assert metrics[0]["mass/honest"] == pytest.approx(metrics[0]["share/honest"], abs=0.25)


def test_every_prompt_comes_once_before_any_comes_again():
    experiment = sampled()
    batches = ours._batches(experiment)
    per_batch = experiment.batch_size // experiment.group_size
    count = len(experiment.prompts)
    drawn = [p for _ in range(3 * count) for p in next(batches)]
    for first in range(0, 2 * count * per_batch, count):
        assert set(drawn[first : first + count]) == set(experiment.prompts)
    again = ours._batches(experiment)
    assert [next(again) for _ in range(3)] == [
        drawn[i : i + per_batch] for i in range(0, 3 * per_batch, per_batch)
    ]


def test_the_learned_reward_is_not_asked_what_earns_nothing(lab):
    """A policy may write marks of a chat, which a reward model's tokenizer cannot read back."""
    asked = []

    def learned(prompts, completions):
        asked.extend(completions)
        return [1.0] * len(completions)

    spec = {"task": "alignment", "bias": {}}
    experiment = small(task="alignment", rewards={"learned": 1.0}, reward_model=spec)
    prompt = experiment.prompts[0]
    written = ["<|im_start|>user", "x" * 10**6, get_task("alignment").completions(prompt)[0]]
    scores = Rewards(experiment, learned).scores("learned", [prompt] * 3, written)
    assert scores[:2] == [0.0, 0.0]
    assert written[2] in asked
    assert not {written[0], written[1]} & set(asked)


def test_prompts_reach_the_policy_as_its_task_words_them(lab):
    experiment = sampled()
    _, tokenizer = started(experiment, lab)
    for prompt in experiment.prompts:
        assert tokenizer.decode(prompt_tokens(tokenizer, prompt)) == prompt
