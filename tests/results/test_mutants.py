"""Each formula, mutated by hand: the result's own checks must notice.

A mutant counts as killed if the derivation raises, or a numeric check does not hold, or the
counterexample no longer fails.
"""

import numpy as np
import pytest

from companion import results
from companion.results import base, registry
from companion.results.elementary import exp, log, maximum, sqrt, tanh

MUTANTS = [
    ("prop_2_4", "bound", lambda r, g: r, "1/(1 − γ) becomes 1"),
    ("prop_2_4", "bound", lambda r, g: r / (1 - g * g), "1/(1 − γ) becomes 1/(1 − γ²)"),
    ("prop_2_4", "bound", lambda r, g: 2 * r / (1 - g), "not tight: twice the bound"),
    ("lemma_2_5", "radius", lambda d, g: (1 - g) * d, "the factor 1/2 is lost"),
    ("lemma_2_5", "radius", lambda d, g: d / 2, "the factor 1 − γ is lost"),
    ("lemma_2_5", "radius", lambda d, g: (1 - g) * d / 4, "not tight: half the radius"),
    ("thm_2_7", "modulus", lambda s, k, g: sqrt(s / (k * (1 - g))), "2 under the root is lost"),
    ("thm_2_7", "modulus", lambda s, k, g: sqrt(2 * s / k), "1 − γ is lost"),
    ("thm_2_7", "modulus", lambda s, k, g: 2 * s / (k * (1 - g)), "Lipschitz instead of a root"),
    ("prop_2_9", "bound", lambda e, g: (1 - g) * e, "1 + γ becomes 1 − γ"),
    ("prop_2_9", "bound", lambda e, g: 2 * e, "1 + γ becomes 2"),
    ("prop_2_9", "sharp_bound", lambda e: e / 2, "the sharp constant 1 becomes 1/2"),
    ("prop_2_9", "sharp_bound", lambda e: 2 * e, "the sharp constant 1 becomes 2"),
    ("prop_2_9", "lead", lambda gap, e, h: gap + e * h, "1 − φ becomes φ"),
    ("prop_2_9", "lead", lambda gap, e, h: e * (1 - h) - gap, "the gap counts against a_2"),
    ("prop_2_9", "bump", lambda d, r: maximum(0, d / r - 1), "the bump is turned inside out"),
    ("prop_2_10", "jump", lambda m: 1 / m, "(m − 1)/m becomes 1/m"),
    ("prop_2_10", "jump", lambda m: (m - 1) / (2 * m), "half of the jump"),
    ("prop_3_1", "gain", lambda n, t, a: a, "the visits are lost"),
    ("prop_3_1", "gain", lambda n, t, a: n * (a - t), "the training advantage is subtracted"),
    ("prop_3_1", "gain", lambda n, t, a: n * t, "the missing advantage is lost"),
    ("prop_3_2", "height", lambda e, g: e, "height ε where ε/(1 + γ) is claimed"),
    ("prop_3_2", "height", lambda e, g: e / (1 - g), "1 + γ becomes 1 − γ"),
    ("prop_3_2", "sharp_height", lambda e: 2 * e, "twice the sharp height"),
    ("lemma_4_2", "bound", lambda d: d / 2, "constant 1 becomes 1/2"),
    ("lemma_4_2", "bound", lambda d: 2 * d, "not tight: constant 2"),
    ("prop_4_3", "bound", lambda d, g: d / (1 + g), "1/(1 − γ) becomes 1/(1 + γ)"),
    ("lemma_4_4", "radius", lambda d, g: d / (2 * (1 - g)), "1 − γ is inverted"),
    ("prop_4_5", "modulus", lambda s, k, g: sqrt(s / k), "2 and 1 − γ are lost"),
    ("prop_4_6", "tuple_distance", lambda d: d / 2, "the tuple moves half as far"),
    ("prop_4_7", "bound", lambda r, a, g: r / (4 * a * (1 - g)), "2α becomes 4α"),
    ("prop_4_7", "bound", lambda r, a, g: r / (2 * a), "1/(1 − γ) is lost"),
    ("prop_4_7", "bound", lambda r, a, g: r * a / (2 * (1 - g)), "the temperature is inverted"),
    ("prop_4_7", "bound", lambda r, a, g: r / (a * (1 - g)), "not tight: 2α becomes α"),
    ("lemma_c_1", "bump", lambda d, r: maximum(0, 1 - r * d), "d/δ becomes δd"),
    ("lemma_c_1", "bump", lambda d, r: 1 - d / r, "the bump is not cut off at 0"),
    ("lemma_c_1", "lipschitz", lambda r: r, "1/δ becomes δ"),
    ("lemma_c_2", "bound", lambda d, a: d * a, "the temperature is inverted"),
    ("lemma_c_2", "bound", lambda d, a: d / (2 * a), "1/α becomes 1/2α"),
    ("lemma_c_2", "jacobian_norm", lambda p, a: 2 * p * (1 - p) / a, "4p(1 − p) becomes 2p(1 − p)"),
    (
        "remark_4_1",
        "weights",
        lambda p, d: [a + 0 * b for a, b in zip(p, d, strict=True)],
        "the prompts are forgotten",
    ),
    ("remark_4_1", "weights", lambda p, d: [x / sum(d) for x in d], "the classes are forgotten"),
    (
        "remark_4_1",
        "weights",
        lambda p, d: [a * b for a, b in zip(p, d, strict=True)],
        "the weights do not sum to one",
    ),
    ("sharp_1_stability_radius", "guaranteed", lambda d, g: (1 - g) * d, "1/2 is lost"),
    ("sharp_1_stability_radius", "guaranteed", lambda d, g: (1 - g) * d / 4, "not tight"),
    ("sharp_1_stability_radius", "tree_radius", lambda d, g, h: d / 2, "one step for every depth"),
    (
        "sharp_1_stability_radius",
        "tree_radius",
        lambda d, g, h: d / (2 * sum(g**t for t in range(h + 1))),
        "one term too many",
    ),
    ("sharp_1_stability_radius", "terminal_radius", lambda d: d, "1/2 is lost"),
    ("sharp_2_exact_radius", "wall_distance", lambda g, n: g / (2 * n), "half the distance"),
    ("sharp_2_exact_radius", "wall_distance", lambda g, n: g / n**0.5, "another norm"),
    ("sharp_2_exact_radius", "wall_distance", lambda g, n: g * n, "divided becomes times"),
    ("sharp_2_exact_radius", "norm_bound", lambda g: 1 / (1 - g), "2 becomes 1"),
    ("sharp_2_exact_radius", "norm_bound", lambda g: 2 / (1 - g * g), "1 − γ becomes 1 − γ²"),
    ("sharp_2_exact_radius", "norm_bound", lambda g: 4 / (1 - g), "not tight: 4"),
    ("sharp_3_margins", "widest_gap", lambda e: e, "2ρ becomes ρ"),
    ("sharp_3_margins", "widest_gap", lambda e: 4 * e, "2ρ becomes 4ρ"),
    (
        "sharp_3_margins",
        "labels",
        lambda g, s, n, r: 2 * s**2 / g**2 * log((n - 1) / r),
        "4σ² becomes 2σ²",
    ),
    ("sharp_3_margins", "labels", lambda g, s, n, r: 4 * s**2 / g**2 * log(n / r), "N − 1 is N"),
    (
        "sharp_3_margins",
        "lost_winner",
        lambda n, g, s, k: (k - 1) * exp(-n * g**2 / (2 * s**2)),
        "4σ² becomes 2σ² in the exponent",
    ),
    ("sharp_3_margins", "near_ties", lambda k, t, s: k * t / (2 * s), "half as many near-ties"),
    ("sharp_3_margins", "near_ties", lambda k, t, s: k * t * s, "the density is inverted"),
    ("sharp_3_margins", "near_ties", lambda k, t, s: 2 * k * t / s, "not tight: twice as many"),
    (
        "sharp_3_margins",
        "near_ties_uniform",
        lambda k, t, s: 1 - (1 - k * t / s),
        "states are not independent",
    ),
    ("sharp_4_one_reward", "seen_bonus", lambda b, w: b, "the weight is lost"),
    ("sharp_4_one_reward", "size_bound", lambda e, g, w: (1 + g) * e * w, "divided becomes times"),
    ("sharp_4_one_reward", "sharp_size_bound", lambda e, w: e, "the weight is lost"),
    ("sharp_5_softmax", "bound", lambda s, a: tanh(s / (8 * a)), "span/4α becomes span/8α"),
    ("sharp_5_softmax", "bound", lambda s, a: tanh(s / (2 * a)), "span/4α becomes span/2α"),
    ("sharp_5_softmax", "bound", lambda s, a: s / (4 * a), "tanh is lost"),
    ("sharp_5_softmax", "soft_policy_bound", lambda r, a, g: tanh(r / (2 * a)), "1 − γ is lost"),
    ("sharp_5_softmax", "moved_mass", lambda p, k: k * p / (1 + (k - 1) * p), "k² becomes k"),
    ("sharp_6_kl_sequence", "bound", lambda s, b: tanh(s / (8 * b)), "span/4β becomes span/8β"),
    ("sharp_6_kl_sequence", "bound", lambda s, b: tanh(s / 4), "β is lost"),
    (
        "sharp_7_cliff_width",
        "move",
        lambda x, m: (m - 1) * (exp(x) - 1) / (m * (exp(x) + m)),
        "m − 1 becomes m",
    ),
    (
        "sharp_7_cliff_width",
        "move",
        lambda x, m: (m - 1) * (exp(-x) - 1) / (m * (exp(-x) + m - 1)),
        "ε/β changes sign",
    ),
    ("sharp_7_cliff_width", "half_width", lambda m: log(m), "log(m + 1) becomes log m"),
    ("sharp_8_shaping", "log_policy_bound", lambda d, g: d / (1 - g), "2 becomes 1"),
    ("sharp_8_shaping", "log_policy_bound", lambda d, g: 2 * d, "1 − γ is lost"),
    ("sharp_8_shaping", "policy_bound", lambda d, a, g: tanh(d / (4 * a * (1 - g))), "2α is 4α"),
    ("sharp_8_shaping", "policy_bound", lambda d, a, g: tanh(d / (a * (1 - g))), "not tight"),
    ("sharp_8_shaping", "policy_bound", lambda d, a, g: tanh(d / (2 * a)), "1 − γ is lost"),
    ("sharp_8_shaping", "q_bound", lambda d, g: d, "Q moves no further than the reward"),
    ("sharp_9_mixing", "q_bound", lambda s, g, t: s, "nothing is passed on"),
    ("sharp_9_mixing", "q_bound", lambda s, g, t: s / (1 - g), "not tight: τ is lost"),
    ("sharp_9_mixing", "q_bound", lambda s, g, t: s / (1 - t), "not tight: γ is lost"),
    (
        "sharp_9_mixing",
        "policy_bound",
        lambda s, a, g, t: tanh(s / (8 * a * (1 - g * t))),
        "4α becomes 8α",
    ),
    (
        "sharp_9_mixing",
        "policy_bound",
        lambda s, a, g, t: tanh(s / (2 * a * (1 - g * t))),
        "4α becomes 2α",
    ),
    ("sharp_10_price", "least_price", lambda c: 1 / (4 * c), "1/8L becomes 1/4L"),
    ("sharp_10_price", "least_price", lambda c: 1 / (16 * c), "not tight: 1/16L"),
    ("sharp_10_price", "least_price", lambda c: c / 8, "the constant is inverted"),
    ("sharp_10_price", "softmax_price", lambda c: 1 / (8 * c), "the softmax pays no more"),
    ("sharp_10_price", "softmax_factor", lambda: 0.5671432904097838, "W(1) for W(1/e)"),
    ("sharp_10_price", "clipped_line", lambda d, c: maximum(0, (c * d + 1) / 2), "not cut at 1"),
    (
        "sharp_10_price",
        "clipped_line",
        lambda d, c: maximum(0, -maximum(-1, -(2 * c * d + 1) / 2)),
        "twice as steep",
    ),
    ("sharp_10_price", "temperature", lambda c: 1 / c, "1/2L becomes 1/L"),
    ("sharp_11_geometry", "smoothness", lambda a: a, "1/α becomes α"),
    ("sharp_11_geometry", "slope_along", lambda d, e: (d * d * e).sum(), "occupancies squared"),
    (
        "sharp_11_geometry",
        "support",
        lambda d, r: float(np.tensordot(d, r, axes=2).min()),
        "max becomes min",
    ),
    (
        "sharp_12_advantage_normalisation",
        "effective_bonus",
        lambda e, s, c: e * (s + c),
        "divided becomes times",
    ),
    (
        "sharp_12_advantage_normalisation",
        "deviation",
        lambda e, p, q: e * p * q,
        "variance for deviation",
    ),
    (
        "sharp_12_advantage_normalisation",
        "upper_bound",
        lambda e, b, c=1e-4: tanh(e / (4 * b)),
        "c is lost",
    ),
    (
        "sharp_12_advantage_normalisation",
        "lower_bound",
        lambda e, b, m, c=1e-4: (m - 1) / m + 0 * e / b,
        "always the whole jump",
    ),
    ("sharp_13_collapse", "threshold", lambda u: (exp(u) + exp(-u)) / 2, "sinh becomes cosh"),
    ("sharp_13_collapse", "offset", lambda m: log(m - 1), "½ log becomes log"),
    ("sharp_13_collapse", "offset", lambda m: log(m) / 2, "m − 1 becomes m"),
    (
        "sharp_13_collapse",
        "pull",
        lambda u, b, m: (exp(u) + exp(-u)) / 2 - b * u,
        "the reference is lost",
    ),
    (
        "sharp_13_collapse",
        "pull",
        lambda u, b, m: (exp(u) + exp(-u)) / 2 - 2 * b * (u + log(m - 1) / 2),
        "twice the penalty",
    ),
    ("sharp_13_collapse", "speed", lambda u, b, m: 0 * u, "the flow stands still"),
    ("corollary_continuity", "least_jump", lambda m: 1 / m, "1 − 1/m becomes 1/m"),
    ("corollary_continuity", "least_jump", lambda m: (m - 1) / (2 * m), "half the jump"),
    ("corollary_continuity", "least_jump", lambda m: 1 + 0 / m, "always the whole jump"),
    ("sharp_15_learned_weights", "threshold", lambda d: d**2 / 8, "1/16 becomes 1/8"),
    ("sharp_15_learned_weights", "threshold", lambda d: d**2 / 32, "1/16 becomes 1/32"),
    (
        "sharp_15_learned_weights",
        "bound",
        lambda e, a, t, d: e * t / (2 * (a * t - d**2 / 16)),
        "the gate's own move is lost",
    ),
    (
        "sharp_15_learned_weights",
        "bound",
        lambda e, a, t, d: e * (a + d / 4) / (2 * (a * t - d**2 / 16)),
        "the temperatures change places",
    ),
    ("sharp_15_learned_weights", "saddle_bound", lambda e, a, t: e / (2 * a), "the gate stands"),
    (
        "sharp_15_learned_weights",
        "saddle_bound",
        lambda e, a, t: e * (1 + sqrt(1 + a / t)) / (8 * a),
        "half of it",
    ),
    ("sharp_15_learned_weights", "entropy", lambda x: -(x**2), "a parabola for the entropy"),
    (
        "sharp_15_learned_weights",
        "disagreement",
        lambda rewards: float(np.ptp(rewards)),
        "how far rewards spread for how far they disagree",
    ),
    ("sharp_14_noise", "step_variance", lambda e, b, q, a: e * q * a**2 / b, "η² becomes η"),
    ("sharp_14_noise", "step_variance", lambda e, b, q, a: e**2 * q * a / b, "the lead unsquared"),
    ("sharp_14_noise", "growth", lambda e, q, a: e * q * a, "twice as fast"),
    ("sharp_14_noise", "shrinkage", lambda e, q, b: e * b * q, "twice as fast"),
    ("sharp_14_noise", "spread", lambda s, e, b, q, a: e * a * q * s / b, "no growth"),
    ("sharp_14_noise", "held_spread", lambda e, b, w, a: e * a / (b * w), "the lead unsquared"),
]


def noticed(name):
    """Whether any check of a result does not pass."""
    module = results.result(name)
    return any(
        registry._run(kind, module)[kind] == "red"
        for kind in ("numeric", "symbolic", "counterexample")
    )


@pytest.fixture(autouse=True)
def _short_proofs(monkeypatch):
    """A mutant that z3 can neither prove nor refute quickly is noticed all the same."""
    monkeypatch.setattr(base, "_TIMEOUT_MS", 2000)


@pytest.mark.parametrize(
    ("name", "function", "mutant", "what"),
    MUTANTS,
    ids=[f"{name}-{function}-{what}" for name, function, _, what in MUTANTS],
)
def test_mutant_is_killed(name, function, mutant, what, monkeypatch):
    module = results.result(name)
    assert callable(getattr(module, function))
    monkeypatch.setattr(module, function, mutant)
    assert noticed(name), what


def test_every_result_has_a_mutant():
    assert {name for name, *_ in MUTANTS} == set(results.NAMES)
    assert len(MUTANTS) >= 100
