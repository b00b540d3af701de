"""Points where the text of arXiv:2507.20150v1 needs care: what shows each, and what mends it.

Every entry has two checks. ``exposes()`` returns evidence that the point is real, ``mends()``
evidence that the reading given here is free of it. None of the points touches what the paper is
about; most are hypotheses that its own proofs use and its statements leave out.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
import z3

from companion.data import data_path
from companion.results import (
    lemma_c_1,
    lemma_c_2,
    prop_2_9,
    prop_3_2,
    prop_4_7,
    sharp_2_kl_sequence,
    thm_2_7,
)
from companion.results.base import prove, require
from companion.results.registry import NAMES, result
from companion.results.samples import DISCOUNTS, tied_mdp
from companion.theory import (
    FiniteMDP,
    TokenTree,
    evaluate_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    soft_optimal_q,
    stability_radius,
    total_variation,
)

READ_ERROR = 0.3
"""Error in points of a bar height digitised from a figure (its height in pixels)."""


@dataclass(frozen=True)
class Evidence:
    """What a check found: a sentence, the numbers behind it, and whether they show the point."""

    text: str
    numbers: Mapping[str, float]
    shown: bool


@dataclass(frozen=True)
class Erratum:
    """One point: where, of what kind, what the text says, what to read, and two checks.

    ``kind`` is "hypothesis" (one is missing or stronger than needed), "constant" (a better one
    holds), "wording", "figure" or "numbering".
    """

    name: str
    item: str
    kind: str
    text: str
    mend: str
    exposes: Callable[[], Evidence]
    mends: Callable[[], Evidence]


def _bump_needs_isolation() -> Evidence:
    """A bump that is 1 at one tied action and 0 at the next one, a grid step away, is steep."""
    counts = (11, 101, 1001)
    steepness = [float(lemma_c_1.lipschitz(1 / (n - 1))) for n in counts]
    return Evidence(
        "With all $n$ points of a grid on $[0, 1]$ optimal, a bump that vanishes at all others has "
        "slope $n - 1$: there is no continuous limit when all of $[0, 1]$ is optimal.",
        {f"slope for {n} optimal actions": s for n, s in zip(counts, steepness, strict=True)},
        steepness == sorted(steepness) and steepness[-1] > 50 * steepness[0],
    )


def _one_bump_for_two_actions() -> Evidence:
    """1001 tied actions and the bump with δ = d(a_1, a_2): the lead is the claimed one."""
    actions, epsilon, discount = np.linspace(0.0, 1.0, 1001), 0.01, 0.5
    first, second = 200, 700
    top = prop_3_2.height(epsilon, discount)
    distance = np.abs(actions - actions[second])
    q = top * lemma_c_1.bump(distance, abs(actions[first] - actions[second]))[None]
    transitions = np.ones((1, actions.size, 1))
    reward = inverse_bellman(q, transitions, discount)
    after = optimal_q(FiniteMDP(transitions, reward, discount))[0]
    lead = float(after[second] - after[first])
    size = float(np.abs(reward).max())
    return Evidence(
        "All 1001 actions tied at reward 0: the reward changes by no more than $\\varepsilon$, "
        "$a_2$ leads $a_1$ by $\\varepsilon/(1 + \\gamma)$, and is the only optimal action, "
        "because a tent is below 1 off its centre.",
        {"size of the reward change": size, "lead": lead, "claimed lead": top},
        size <= epsilon
        and abs(lead - top) < 1e-9
        and int((after >= after.max() - 1e-9).sum()) == 1,
    )


def _free_radius() -> Evidence:
    found = lemma_c_1.counterexample()
    return Evidence(found.text, found.evidence, found.fails)


def _every_radius_will_do() -> Evidence:
    """δ at most the distance kills the bump; any δ leaves it below one."""
    d, r = z3.Reals("d r")
    prove(z3.Implies(r <= d, lemma_c_1.bump(d, r) == 0), d > 0, r > 0)
    prove(lemma_c_1.bump(d, r) < 1, d > 0, r > 0)
    leads = []
    for radius in (0.5, 1.0, 2.0, 50.0):
        mdp, q = tied_mdp(np.random.default_rng(1), states=3, actions=3, ties=3, discount=0.5)
        distance = np.ones_like(q)
        distance[0, 1] = 0.0
        lifted = q + 0.1 * lemma_c_1.bump(distance, radius)
        after = optimal_q(mdp.with_rewards(inverse_bellman(lifted, mdp.transitions, 0.5)))
        leads.append(float(after[0, 1] - max(after[0, 0], after[0, 2])))
    return Evidence(
        "For all reals, $\\delta \\le d$ makes the bump vanish at distance $d$, and for every "
        "$\\delta$ it is below 1 there, so the lifted action is alone at the top for every "
        "$\\delta > 0$.",
        {"lead for δ = 0.5": leads[0], "lead for δ = 50": leads[-1]},
        min(leads) > 0,
    )


def _flattened(size: float) -> np.ndarray:
    """R(a) = −max(a², size) on a grid of [−1, 1]: within ``size`` of −a², and flat at the top."""
    return -np.maximum(np.linspace(-1.0, 1.0, 20001) ** 2, size)


def _no_neighbourhood() -> Evidence:
    """A unique optimum among a continuum of actions is never unique on a neighbourhood."""
    sizes = (1e-2, 1e-4, 1e-6)
    counts = [int((r == r.max()).sum()) for r in map(_flattened, sizes)]
    return Evidence(
        "$R_0(a) = -a^2$ on $[-1, 1]$ has one optimum, but cutting its top off at any height makes "
        "many (counted on a grid): the hypothesis fails.",
        {f"optimal actions after a change of {s:g}": c for s, c in zip(sizes, counts, strict=True)},
        min(counts) > 1,
    )


def _unique_at_one_reward() -> Evidence:
    """The same rewards: every optimal action stays within the modulus, which vanishes."""
    actions, sizes = np.linspace(-1.0, 1.0, 20001), np.array([1e-2, 1e-4, 1e-6])
    moves = [np.abs(actions[r == r.max()]).max() for r in map(_flattened, sizes)]
    allowed = thm_2_7.modulus(sizes, 1.0, 0.0)
    return Evidence(
        "The conclusion holds all the same: whichever optimal action is selected, it is within "
        "$\\sqrt{2 \\lVert R - R_0 \\rVert_\\infty / \\kappa}$ of the unique one.",
        {"largest move at 1e-6": float(moves[-1]), "allowed": float(allowed[-1])},
        bool((np.array(moves) <= allowed).all()),
    )


def _connected_states() -> Evidence:
    """On [0, 1] a continuous lead that changes sign has a zero, where two actions tie."""
    s = sympy.Symbol("s", real=True)
    lead = sympy.Rational(1, 3) - s  # R(s, 0) − R(s, 1) with γ = 0: action 0 left, action 1 right
    ends = lead.subs(s, 0), lead.subs(s, 1)
    ties = sympy.solveset(lead, s, sympy.Interval(0, 1))
    require(ends[0] > 0, "action 0 is best at s = 0")
    require(ends[1] < 0, "action 1 is best at s = 1")
    tie = float(next(iter(ties)))
    return Evidence(
        "$S = [0, 1]$, $A = \\{0, 1\\}$, action 0 best at one end and action 1 at the other: by "
        "the intermediate value theorem they tie in between. If no state has a tie, the optimal "
        "action does not depend on the state.",
        {"lead at s = 0": float(ends[0]), "lead at s = 1": float(ends[1]), "tie at s": tie},
        ties.is_FiniteSet and 0 < tie < 1,
    )


def _finite_states() -> Evidence:
    """Two states with different unique optima, stable under small changes."""
    mdp = FiniteMDP(np.full((2, 2, 2), 0.5), np.array([[1.0, 0.0], [0.0, 1.0]]), 0.5)
    best = optimal_q(mdp).argmax(axis=1)
    radius = float(stability_radius(mdp).guaranteed)
    return Evidence(
        "With finitely many states, as in a language model, different states may have different "
        "unique optima, and keep them in a whole neighbourhood.",
        {"best in state 0": best[0], "best in state 1": best[1], "radius": radius},
        best[0] != best[1] and radius > 0,
    )


def _set_distances(epsilon: float) -> tuple[float, float]:
    """Excess of A*(R_ε) over A*(R_0) and of A*(R_0) over A*(R_ε), in the discrete metric."""
    mdp, q = tied_mdp(np.random.default_rng(2), states=3, actions=4, ties=3, discount=0.9)
    moved = mdp.with_rewards(prop_2_9.lifted_reward(mdp, q, (0, 1), epsilon))
    before = optimal_actions(optimal_q(mdp), atol=1e-9)[0]
    after = optimal_actions(optimal_q(moved), atol=epsilon / 10)[0]
    return float((after & ~before).any()), float((before & ~after).any())


def _not_hausdorff() -> Evidence:
    distances = [max(_set_distances(epsilon)) for epsilon in (1e-2, 1e-4, 1e-6)]
    return Evidence(
        "At a tie the Hausdorff distance between the optimal sets stays 1 while the reward change "
        "vanishes: continuity in the Hausdorff metric would mean that there is no cliff.",
        {"Hausdorff distance at ε = 1e-6": distances[-1]},
        distances == [1.0, 1.0, 1.0],
    )


def _one_sided() -> Evidence:
    excess = [_set_distances(epsilon)[0] for epsilon in (1e-2, 1e-4, 1e-6)]
    return Evidence(
        "Upper hemi-continuity asks for one side only, how far the new set sticks out of the old "
        "one, and that is zero.",
        {"excess at ε = 1e-6": excess[-1]},
        excess == [0.0, 0.0, 0.0],
    )


def _soft_value(actions: int, alpha: float = 0.1) -> float:
    """Soft optimal Q of one state with reward 0, discount 1/2 and so many actions."""
    mdp = FiniteMDP(np.ones((1, actions, 1)), np.zeros((1, actions)), 0.5)
    return float(soft_optimal_q(mdp, alpha)[0, 0])


def _soft_sum_diverges() -> Evidence:
    counts = (10, 1000, 100_000)
    values = [_soft_value(n) for n in counts]
    return Evidence(
        "Refining a grid on $A = [0, 1]$ with reward 0, the soft value grows like $\\alpha \\log "
        "n$: for a compact continuum of actions the sum over $a'$ has no meaning.",
        {f"soft Q with {n} actions": v for n, v in zip(counts, values, strict=True)},
        all(b - a > 0.4 for a, b in pairwise(values)),
    )


def _reference_measure() -> Evidence:
    values = []
    for actions in (10, 1000, 100_000):
        levels = [np.full((1, actions), 1 / actions)]
        tree = TokenTree(range(actions), 1, end_of_sequence=None)
        q = tree.soft_optimal_q(0.1, levels)[0]
        values.append(float(0.1 * np.log(np.mean(np.exp(q / 0.1)))))
    return Evidence(
        "With a reference distribution (the KL form used in practice) the sum becomes an average, "
        "and the soft value of reward 0 is 0 for every number of actions.",
        {"soft value with 10 actions": values[0], "soft value with 100000 actions": values[-1]},
        max(map(abs, values)) < 1e-12,
    )


def _constant_diverges() -> Evidence:
    distance, temperature = 0.1, 1.0
    bounds = {g: float(prop_4_7.bound(distance, temperature, g)) for g in (0.9, 0.99, 0.999)}
    return Evidence(
        "A reward change of 0.1 at $\\alpha = 1$: from $\\gamma = 0.99$ on the bound exceeds 1 "
        "and says nothing. RLHF works at $\\gamma = 1$.",
        {f"bound at γ = {g}": b for g, b in bounds.items()},
        bounds[0.9] < 1 < bounds[0.99],
    )


def _bound_at_discount_one() -> Evidence:
    rng = np.random.default_rng(3)
    depth, beta, span = 6, 1.0, 0.2
    reference = [rng.dirichlet(np.ones(2), size=2**t) for t in range(depth)]
    rewards = [np.zeros((2**t, 2)) for t in range(depth)]
    policies = []
    for change in (np.zeros((2 ** (depth - 1), 2)), rng.uniform(0, span, (2 ** (depth - 1), 2))):
        tree = TokenTree("ab", depth, [*rewards[:-1], change], end_of_sequence=None)
        policies.append(tree.completion_probabilities(tree.soft_optimal_policy(beta, reference)))
    moved = float(total_variation(policies[0], policies[1]))
    claimed = float(sharp_2_kl_sequence.bound(span, beta))
    return Evidence(
        "Fact 2 holds at $\\gamma = 1$, over whole completions: a random change of span 0.2 at "
        "the end of six tokens.",
        {"total variation": moved, "bound": claimed},
        moved <= claimed < 1,
    )


def _labels() -> list[tuple[str, float, float]]:
    with data_path("paper/fig_rlhf_sophistry.csv").open(newline="") as file:
        return [
            (row["quantity"], float(row["change_measured"]), float(row["change_printed"]))
            for row in csv.DictReader(file)
        ]


def _label_off() -> Evidence:
    name, measured, printed = _labels()[-1]
    return Evidence(
        "The two bars of the evaluation error rate differ by less than the label says, by more "
        "than the read error of two bars.",
        {f"{name}, measured": measured, f"{name}, printed": printed},
        abs(measured - printed) > 2 * READ_ERROR,
    )


def _labels_fit() -> Evidence:
    others = _labels()[:-1]
    return Evidence(
        "The other two labels of the figure agree with their bars within the read error, so the "
        "method of measuring is not what is off.",
        {f"{name}, measured minus printed": m - p for name, m, p in others},
        all(abs(m - p) <= 2 * READ_ERROR for _, m, p in others),
    )


# Numbered environments of sections 2 and 4 in the order of the paper's source.
SECTION_2 = (
    *("assumption", "assumption", "assumption", "proposition", "lemma", "remark", "theorem"),
    *("remark", "proposition", "proposition"),
)
SECTION_4 = (
    *("remark", "lemma", "proposition", "lemma", "proposition", "proposition", "proposition"),
)


def _numbers(section: int, environments: tuple[str, ...], counted: Callable[[str], bool]) -> Any:
    """Numbers of the results of a section if only the counted environments advance the counter."""
    numbers, counter = [], 0
    for environment in environments:
        counter += counted(environment)
        if environment not in ("assumption", "remark"):
            numbers.append(f"{section}.{counter}")
    return numbers


def _other_numbering() -> Evidence:
    results_only = _numbers(2, SECTION_2, lambda e: e not in ("assumption", "remark"))
    last = _numbers(4, SECTION_4, lambda e: e not in ("assumption", "remark"))[-1]
    return Evidence(
        "The README of the author's repository lists 2.1, 2.2, 2.3, 2.4, 2.5 where the paper has "
        "2.4, 2.5, 2.7, 2.9, 2.10: results counted alone. Its number for Proposition 4.7, 4.5, "
        f"fits neither count (that of results alone gives {last}).",
        {"last of section 2, results alone": float(results_only[-1])},
        results_only == ["2.1", "2.2", "2.3", "2.4", "2.5"] and last != "4.5",
    )


def _paper_numbering() -> Evidence:
    items = [result(name).ITEM.split()[1] for name in NAMES if not name.startswith("sharp_")]
    ours = [number for number in items if number.startswith(("2.", "4."))]
    counted = [*_numbers(2, SECTION_2, bool), *_numbers(4, SECTION_4, bool)]
    return Evidence(
        "Counting every numbered environment, as the paper does, gives the numbers of this book.",
        {"results compared": float(len(ours))},
        ours == counted,
    )


def _late_visit(discount: float) -> float:
    """Return lost by neglecting an action in a state that is reached at the second step only."""
    transitions = np.zeros((3, 2, 3))
    transitions[0, :, 1] = transitions[1, :, 2] = transitions[2, :, 2] = 1.0
    true = FiniteMDP(transitions, np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), discount)
    neglects = np.tile([1.0, 0.0], (3, 1))
    return float(optimal_q(true)[0].max() - evaluate_policy(true, neglects)[0])


def _no_weight_later() -> Evidence:
    lost = _late_visit(0.0)
    return Evidence(
        "$\\gamma = 0$, and the state with the neglected action is reached for certain, at the "
        "second step: all three conditions hold, and no return is lost from the start.",
        {"return lost at γ = 0": lost},
        abs(lost) < 1e-12,
    )


def _discounted_visit() -> Evidence:
    lost = {g: _late_visit(g) for g in (0.01, 0.5, 0.9)}
    return Evidence(
        "For $\\gamma > 0$ the same policy loses $\\gamma$ times what it neglects: what counts "
        "is a positive discounted probability.",
        {f"return lost at γ = {g}": value for g, value in lost.items()},
        all(abs(value - g) < 1e-9 for g, value in lost.items()),
    )


def _largest_bump_change(bound: Callable[[float, float], float]) -> float:
    """Largest ratio of the reward change to a bound, over random bumps of random heights."""
    rng, ratio = np.random.default_rng(4), 0.0
    for discount in DISCOUNTS[1:]:
        for _ in range(50):
            mdp, q = tied_mdp(rng, states=4, actions=3, ties=2, discount=discount)
            others = rng.random(q.shape) * rng.integers(2)  # a wide bump, or one at a single pair
            lifted = q + 0.1 * others
            lifted[0, 1] = q[0, 1] + 0.1
            change = inverse_bellman(lifted, mdp.transitions, discount) - mdp.rewards
            ratio = max(ratio, float(np.abs(change).max() / bound(0.1, discount)))
    return ratio


def _constant_not_reached() -> Evidence:
    ratio = _largest_bump_change(prop_2_9.bound)
    return Evidence(
        "Over random bumps the reward never needs to change by $(1 + \\gamma)\\varepsilon$.",
        {"largest ratio to (1 + γ)ε": ratio},
        ratio < 0.9,
    )


def _constant_one() -> Evidence:
    ratio = _largest_bump_change(lambda epsilon, _: prop_2_9.sharp_bound(epsilon))
    return Evidence(
        "The bound $\\varepsilon$ holds (Proposition 2.9's derivation) and is attained.",
        {"largest ratio to ε": ratio},
        abs(ratio - 1) < 1e-9,
    )


def _jacobian(policy: np.ndarray) -> float:
    """Norm of the softmax Jacobian at temperature 1, by trying all sets of actions."""
    sets = np.array(np.meshgrid(*[[0, 1]] * policy.size)).reshape(policy.size, -1)
    return float(lemma_c_2.jacobian_norm(policy @ sets, 1.0).max())


def _not_tight_everywhere() -> Evidence:
    norm = _jacobian(np.array([0.7, 0.2, 0.1]))
    return Evidence(
        "At probabilities 0.7, 0.2, 0.1 no set of actions has mass 1/2, and the Jacobian's norm is "
        "below $1/\\alpha$.",
        {"norm at α = 1": norm},
        norm < 1 - 1e-9,
    )


def _tight_at_one_half() -> Evidence:
    norm = _jacobian(np.array([0.5, 0.3, 0.2]))
    return Evidence(
        "At probabilities 0.5, 0.3, 0.2 the norm is $1/\\alpha$: the constant is the best one "
        "over all points, reached where a set of actions has mass exactly 1/2.",
        {"norm at α = 1": norm},
        abs(norm - 1) < 1e-12,
    )


ERRATA = (
    Erratum(
        "prop_3_2_finite",
        "Proposition 3.2",
        "hypothesis",
        "The proof takes over Proposition 2.9's bump, which vanishes at every other optimal "
        "action, but not its hypothesis that there are finitely many of them.",
        "Take $\\delta = d(a_1, a_2)$: the bump vanishes at $a_1$, which is all the statement "
        "needs.",
        _bump_needs_isolation,
        _one_bump_for_two_actions,
    ),
    Erratum(
        "lemma_c_1_radius",
        "Lemma C.1 and Proposition 2.9",
        "hypothesis",
        "The lemma never fixes $\\delta$. The bump that Proposition 2.9 describes needs "
        "$\\delta$ at most the distance from $(s_0, a_2)$ to the other optimal pairs of $s_0$.",
        "Choose $\\delta$ so, or observe that the tent is below 1 off its centre for every "
        "$\\delta > 0$: then Proposition 2.9 needs neither that choice nor a finite optimal set.",
        _free_radius,
        _every_radius_will_do,
    ),
    Erratum(
        "thm_2_7_neighbourhood",
        "Theorem 2.7 (and Proposition 4.5)",
        "hypothesis",
        "Uniqueness is asked for on a whole neighbourhood of $R_0$. If the optimal action of some "
        "state is not an isolated point of $A$, there is no such neighbourhood: cutting off the "
        "top of $Q_0$ by $\\eta$, as $\\min(Q_0, V_0 - \\eta)$, makes ties at a reward within "
        "$(1 + \\gamma)\\eta$ of $R_0$.",
        "Uniqueness at $R_0$ alone gives continuity at $R_0$ of every optimal selection. With "
        "finite $S$ and $A$ it gives the neighbourhood, too (fact 4).",
        _no_neighbourhood,
        _unique_at_one_reward,
    ),
    Erratum(
        "thm_2_7_connected",
        "Theorem 2.7",
        "wording",
        "With $S$ connected and $A$ finite, uniqueness in every state forces the same optimal "
        "action in all of them.",
        "The theorem is at home where $S$ is finite, as in a language model, or, with the mended "
        "hypothesis, where $A$ is a continuum.",
        _connected_states,
        _finite_states,
    ),
    Erratum(
        "lemma_2_5_hausdorff",
        "Lemma 2.5",
        "wording",
        "The space of compact sets is given the topology of the Hausdorff metric. Upper "
        "hemi-continuity is weaker than continuity in that metric.",
        "Read: for every neighbourhood $U$ of $A^*(s; R_0)$, $A^*(s; R) \\subset U$ for $R$ near "
        "$R_0$.",
        _not_hausdorff,
        _one_sided,
    ),
    Erratum(
        "prop_4_7_finite",
        "Proposition 4.7",
        "hypothesis",
        "The soft Bellman operator sums over $a' \\in A$, while $A$ is only assumed compact.",
        "Let $A$ be finite, or replace the sum by an integral against a reference distribution.",
        _soft_sum_diverges,
        _reference_measure,
    ),
    Erratum(
        "prop_4_7_discount",
        "Proposition 4.7",
        "constant",
        "The constant $1/(2\\alpha(1-\\gamma))$ grows without bound as $\\gamma \\to 1$, where "
        "RLHF works.",
        "At $\\gamma = 1$, over whole completions, $\\tanh(\\mathrm{span}(\\Delta R)/(4\\beta))$ "
        "holds (fact 2).",
        _constant_diverges,
        _bound_at_discount_one,
    ),
    Erratum(
        "figure_sophistry",
        "Figure on sophistry (section 5.4)",
        "figure",
        "The bars of the evaluation error rate show about +6.4 points, the label says +7.4.",
        "Our figures use the measured bars and show the printed label beside them.",
        _label_off,
        _labels_fit,
    ),
    Erratum(
        "numbering",
        "Numbering",
        "numbering",
        "The README of the author's repository numbers the results 2.1, 2.2, …, the paper 2.4, "
        "2.5, ….",
        "This book uses the paper's numbers: one counter per section, assumptions and remarks "
        "counted.",
        _other_numbering,
        _paper_numbering,
    ),
    Erratum(
        "prop_3_1_discount",
        "Proposition 3.1",
        "hypothesis",
        "The proof concludes that the return from the start is smaller if $s_0$ is visited with "
        "positive probability at some step. If $\\gamma = 0$, which Assumption 2.3 allows, later "
        "steps carry no weight.",
        "Ask for a positive discounted probability: $\\gamma > 0$, or $s_0$ possible as a first "
        "state.",
        _no_weight_later,
        _discounted_visit,
    ),
    Erratum(
        "prop_2_9_constant",
        "Propositions 2.9, 3.2 and 4.6",
        "constant",
        "The bound $(1 + \\gamma)\\varepsilon$ on the reward change is never reached by a bump if "
        "$\\gamma > 0$.",
        "A bump only raises $Q$, and then $\\varepsilon$ is enough; $1 + \\gamma$ is right for "
        "changes of either sign.",
        _constant_not_reached,
        _constant_one,
    ),
    Erratum(
        "lemma_c_2_tight",
        "Lemma C.2",
        "wording",
        "The proof says of its bound on the Jacobian that it “is tight and holds for any $x$”. It "
        "holds for any $x$; it is not tight at every $x$.",
        "It is tight over all $x$: attained where some set of actions has mass exactly 1/2.",
        _not_tight_everywhere,
        _tight_at_one_half,
    ),
)
