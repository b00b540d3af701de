from typing import get_args

import pytest
import torch

from companion.errors import CompanionError
from companion.rlhf import get_task, scoring
from companion.rlhf.policies import load, new_policy
from companion.rlhf.scoring import Scorer, prefix_tree
from companion.rlhf.tiers import Scale
from companion.rlhf.tokens import encode, word_tokenizer

TASK = get_task("deceptive")


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(TASK.texts())


def alone(policy, tokenizer, prompt, completion):
    """Log-probability of one completion, scored by itself."""
    head = encode(tokenizer, prompt)
    tail = [*encode(tokenizer, completion), tokenizer.eos_token_id]
    logits = policy(torch.tensor([head + tail])).logits[0]
    rows = torch.log_softmax(logits.double(), -1)[len(head) - 1 : -1]
    return rows[torch.arange(len(tail)), torch.tensor(tail)].sum()


ARCHITECTURES = get_args(Scale.model_fields["architecture"].annotation)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_shared_prefixes_change_no_probability(tokenizer, architecture):
    policy = new_policy(architecture, 32, 2, tokenizer, seed=0).eval()
    prompts = [TASK.prompts["train"][0], TASK.prompts["ood"][3]]  # of different lengths
    texts = [TASK.completions(p)[::7] for p in prompts]
    with torch.no_grad():
        scored = Scorer.of_texts(tokenizer, prompts, texts).log_probabilities(policy)
        for prompt, completions, found in zip(prompts, texts, scored, strict=True):
            expected = [alone(policy, tokenizer, prompt, c) for c in completions]
            assert found.tolist() == pytest.approx([float(e) for e in expected], abs=1e-4)


def test_size_of_a_pass_changes_no_probability(tokenizer, monkeypatch):
    policy = new_policy("llama", 16, 1, tokenizer, seed=0).eval()
    prompts = TASK.prompts["train"][:5]
    texts = [TASK.completions(p) for p in prompts]
    with torch.no_grad():
        together = Scorer.of_texts(tokenizer, prompts, texts).log_probabilities(policy)
        monkeypatch.setattr(scoring, "_LOGITS_PER_PASS", 1)
        apart = Scorer.of_texts(tokenizer, prompts, texts).log_probabilities(policy)
    assert len(together) == len(apart) == 5
    for one, other in zip(together, apart, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_agree(tokenizer, architecture):
    policy = new_policy(architecture, 32, 2, tokenizer, seed=0)
    prompt = TASK.prompts["train"][0]
    texts = TASK.completions(prompt)[:3]
    found = torch.autograd.grad(
        Scorer.of_texts(tokenizer, [prompt], [texts]).log_probabilities(policy)[0].exp().sum(),
        list(policy.parameters()),
    )
    total = sum(alone(policy, tokenizer, prompt, c).exp() for c in texts)
    for ours, theirs in zip(
        found, torch.autograd.grad(total, list(policy.parameters())), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-7)


def test_the_empty_completion_is_the_mass_of_the_end_token():
    tokenizer = word_tokenizer(["a b"])
    policy = new_policy("llama", 16, 1, tokenizer, seed=1).eval()
    ids = range(len(tokenizer))
    eos = tokenizer.eos_token_id
    tree = prefix_tree([[i] for i in ids])
    assert tree.size == len(ids)
    assert len(tree.tokens) == 0
    texts = [["", "a", "b", "a a", "a b", "b a", "b b"]]
    with torch.no_grad():
        mass = Scorer.of_texts(tokenizer, ["a b"], texts).log_probabilities(policy)[0].exp()
        first = policy(torch.tensor([encode(tokenizer, "a b")])).logits[0, -1].softmax(-1)
    assert 0 < mass.sum() < 1
    assert float(mass[0]) == pytest.approx(float(first[eos]), rel=1e-4)


def test_tokenizer_round_trip(tokenizer, tmp_path):
    policy = new_policy("llama", 16, 1, tokenizer, seed=0)
    policy.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded, again = load(tmp_path)
    assert loaded.config.name_or_path == str(tmp_path)
    for text in TASK.texts():
        assert again.decode(encode(again, text)) == text
    assert all(
        torch.equal(a, b) for a, b in zip(policy.parameters(), loaded.parameters(), strict=True)
    )


def test_text_outside_the_vocabulary_is_refused(tokenizer):
    with pytest.raises(CompanionError, match="decodes to"):
        encode(tokenizer, "solve ; return y")
