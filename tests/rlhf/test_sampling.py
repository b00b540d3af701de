"""Sampling: what is drawn has the probabilities that the policy gives it."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from tiny_models import word_policy

from companion.rlhf.sampling import Sampler, _one_of
from companion.rlhf.scoring import Scorer

LENGTH = 3
POLICY, TOKENIZER = word_policy("a b c")
EOS = TOKENIZER.eos_token_id
OTHERS = [token for token in range(len(TOKENIZER)) if token != EOS]
# lengths on both sides of 32, at which a longer row of the cache begins
PROMPTS = [[3], [4, 3, 5, 5, 4], [3, 4] * 20]


def everything():
    """Every completion of at most ``LENGTH`` tokens: ended ones, and those that were cut."""
    ended = [(*head, EOS) for n in range(LENGTH) for head in product(OTHERS, repeat=n)]
    return ended + list(product(OTHERS, repeat=LENGTH))


ALL = everything()


def exact(prompt):
    with torch.no_grad():
        (logp,) = Scorer([prompt], [ALL], len(TOKENIZER)).log_probabilities(POLICY)
    return logp.exp().numpy()


def draw(prompts, count, seed=0, policy=POLICY, length=LENGTH):
    torch.manual_seed(seed)
    return Sampler(policy, EOS, length).draw(prompts, count)


def test_ended_and_cut_completions_have_all_the_mass():
    for prompt in PROMPTS:
        masses = exact(prompt)
        assert masses.sum() == pytest.approx(1)
        assert masses.max() < 0.9  # there is something to tell apart


@pytest.mark.parametrize("prompts", [[p] for p in PROMPTS] + [PROMPTS], ids=["1", "5", "40", "all"])
def test_frequencies_are_the_exact_probabilities_whatever_stands_beside_a_prompt(prompts):
    count = 6000
    for prompt, group in zip(prompts, draw(prompts, count), strict=True):
        found = Counter(group)
        assert set(found) <= set(ALL)
        seen, expected = np.array([found[c] for c in ALL]), count * exact(prompt)
        often = expected >= 5
        seen = np.append(seen[often], seen[~often].sum())
        expected = np.append(expected[often], expected[~often].sum())
        assert chisquare(seen[expected > 0], expected[expected > 0]).pvalue > 1e-3


def test_the_wrong_prompt_would_be_noticed():
    """The frequencies for one prompt are not those of another."""
    (group,) = draw(PROMPTS[:1], 6000)
    found = Counter(group)
    other = 6000 * exact(PROMPTS[1])
    often = other >= 5
    seen = np.array([found[c] for c in ALL])[often]
    assert chisquare(seen, other[often] * seen.sum() / other[often].sum()).pvalue < 1e-9


def test_a_completion_ends_with_its_first_end_token_or_is_cut():
    for group in draw(PROMPTS, 500, length=6):
        for tokens in group:
            assert EOS not in tokens[:-1]
            assert len(tokens) == 6 or (len(tokens) < 6 and tokens[-1] == EOS)


def test_seeds_repeat_and_differ():
    assert draw(PROMPTS, 50) == draw(PROMPTS, 50) != draw(PROMPTS, 50, seed=1)


def test_a_sampler_follows_its_policy():
    """Nothing of an earlier call stays: neither its weights nor its keys and values."""
    policy, _ = word_policy("a b c", seed=1)
    sampler = Sampler(policy, EOS, LENGTH)
    sampler.draw(PROMPTS, 10)
    policy.load_state_dict(POLICY.state_dict())
    torch.manual_seed(0)
    assert sampler.draw(PROMPTS, 10) == draw(PROMPTS, 10)


def test_a_token_without_probability_is_never_drawn():
    torch.manual_seed(0)
    row = torch.tensor([0.0, 0.3, 0.0, 0.0, 0.7, 0.0])
    drawn = Counter(_one_of(row.expand(20_000, -1)).tolist())
    assert set(drawn) == {1, 4}
    assert drawn[1] / 20_000 == pytest.approx(0.3, abs=0.015)


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
@given(st.lists(st.sampled_from([0.0, 1e-30, 1e-8, 0.1, 1.0]), min_size=1, max_size=8).filter(sum))
def test_the_ends_of_the_unit_interval_draw_a_token_that_has_probability(uniform, masses):
    row = torch.tensor([masses])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *size, **how: torch.full(size, uniform, **how))
        token = int(_one_of(row / row.sum()))
    assert masses[token] > 0


def plain(prompt, completion):
    """Log-probability by an ordinary forward pass over the one sequence."""
    ids = torch.tensor([[*prompt, *completion]])
    with torch.no_grad():
        rows = torch.log_softmax(POLICY(input_ids=ids).logits[0].double(), dim=-1)
    places = range(len(prompt) - 1, ids.shape[1] - 1)
    return sum(float(rows[i, t]) for i, t in zip(places, completion, strict=True))


def test_scores_are_those_of_a_plain_forward_pass_for_ended_cut_and_repeated_ones():
    some = [[ALL[0], ALL[3], ALL[-1], ALL[3]], ALL[20:60], [ALL[-1]]]
    with torch.no_grad():
        scored = Scorer(PROMPTS, some, len(TOKENIZER)).log_probabilities(POLICY)
    assert scored[0][1] == scored[0][3]
    for prompt, completions, values in zip(PROMPTS, some, scored, strict=True):
        wanted = [plain(prompt, c) for c in completions]
        assert values.tolist() == pytest.approx(wanted, abs=1e-5)
