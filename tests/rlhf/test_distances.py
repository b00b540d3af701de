import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.rlhf import kl_optimum, variation_bracket
from companion.rlhf.distances import distribution_distance, merged

masses = st.lists(st.floats(0.01, 1), min_size=5, max_size=5)


@given(masses, masses)
def test_bracket_contains_the_distance_over_everything(p, q):
    p, q = np.array(p) / sum(p), np.array(q) / sum(q)
    full = 0.5 * np.abs(p - q).sum()
    lower, upper = variation_bracket(p[:3], q[:3])
    assert lower - 1e-12 <= full <= upper + 1e-12


def test_both_ends_of_the_bracket_are_attained():
    p, q = np.array([0.5]), np.array([0.3])
    lower, upper = variation_bracket(p, q)
    assert lower == pytest.approx(0.5 * (0.2 + abs(0.5 - 0.7)))
    assert upper == pytest.approx(0.5 * (0.2 + 0.5 + 0.7))


def table(probabilities, prompt="p"):
    return pd.DataFrame(
        {
            "prompt": prompt,
            "completion": [f"c{i}" for i in range(len(probabilities))],
            "logprob": np.log(probabilities),
        }
    )


def test_distance_averages_over_prompts():
    a = pd.concat([table([0.5, 0.5]), table([1.0, 1e-300], "q")])
    b = pd.concat([table([0.75, 0.25]), table([1e-300, 1.0], "q")])
    distance = distribution_distance(a, b)
    assert distance.lower == pytest.approx((0.25 + 1) / 2)
    assert distance.per_prompt["lower"].tolist() == pytest.approx([0.25, 1.0])


def test_tables_about_different_completions_are_refused():
    with pytest.raises(ValueError, match="same prompts"):
        distribution_distance(table([0.5, 0.5]), table([1.0]))


def test_kl_optimum_tilts_the_start_and_keeps_the_rest():
    prompt = "add 3 ; f 1 = 4 ; f 2 = 5 :"
    start = pd.DataFrame(
        {
            "prompt": prompt,
            "completion": ["solve ; return x + 3", "solve ; return x + 4"],
            "start_logprob": np.log([0.2, 0.3]),
        }
    )
    best = kl_optimum(start, "deceptive", {"weak": 1.0}, beta=0.5)
    weights = np.array([0.2 * np.exp(2), 0.3, 0.5])
    assert np.exp(best["logprob"].to_numpy()) == pytest.approx((weights / weights.sum())[:2])
    with pytest.raises(ValueError, match="beta"):
        kl_optimum(start, "deceptive", {"weak": 1.0}, beta=0)


def test_merged_classes_carry_the_mass_of_their_completions():
    rows = [("p", c, -1 / 3 * n, -2 / 3 * n) for n, c in ((3, "a"), (4, "b"))]
    table = pd.DataFrame(rows, columns=["prompt", "completion", "start_logprob", "logprob"])
    (whole,) = merged(table, lambda completion: "all").itertuples()
    assert np.exp(whole.logprob) == pytest.approx(np.exp(table.logprob).sum())
    assert np.exp(whole.start_logprob) == pytest.approx(np.exp(table.start_logprob).sum())
    pd.testing.assert_frame_equal(merged(table, lambda completion: completion), table)
