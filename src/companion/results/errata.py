"""Points where the text of arXiv:2507.20150v1 needs care: what shows each, and what mends it.

Every entry has two checks. ``exposes()`` returns evidence that the point is real, ``mends()``
evidence that the reading given here is free of it. Each names the section and the version it
speaks of, so that a later version can be held against it. No point touches what the paper is about.
"""

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import z3

from companion.data import data_path
from companion.errors import CompanionError
from companion.results import (
    lemma_c_1,
    prop_3_2,
    prop_4_7,
    sharp_1_stability_radius,
    sharp_6_kl_sequence,
    thm_2_7,
)
from companion.results.base import prove
from companion.results.registry import PAPER, result
from companion.results.samples import tied_mdp, tilt, two_branches
from companion.theory import (
    FiniteMDP,
    TokenTree,
    evaluate_policy,
    inverse_bellman,
    optimal_actions,
    optimal_q,
    soft_optimal_q,
    total_variation,
)

READ_ERROR = 0.3
"""Error in points of a bar height digitised from a figure (its height in pixels)."""

WEN_ERROR_RATES = (40.8, 48.2)
"""Evaluation error rate before and after RLHF in per cent: Wen et al. (2024), section 3.4,
question answering with a general reward."""

VERSIONS = ("v1",)
"""Versions of arXiv:2507.20150 there are."""

KINDS = {
    "hypothesis": "a statement leaves out a hypothesis that it needs, or asks for more than that",
    "scope": "a sentence reaches further than what is proved, or less far than it could",
    "figure": "a sentence and the figure it speaks of differ",
    "note": "nothing to mend; for readers who stumble over the same place",
}
"""What kinds of points there are."""

_PLACE = r"(§\d(\.\d+)*|Introduction|Appendix [A-D](\.\d)?|README)"


@dataclass(frozen=True)
class Evidence:
    """What a check found: a sentence, the numbers behind it, and whether they show the point."""

    text: str
    numbers: Mapping[str, float]
    shown: bool


@dataclass(frozen=True)
class Erratum:
    """One point: where, of what kind, what the text says, what to read, and two checks.

    ``section`` and ``version`` place it in the paper ("§3.1", or several with commas; "v1");
    ``kind`` is one of ``KINDS``.

    Raises:
        CompanionError: if it names no section or version of the paper, or an unknown kind.
    """

    name: str
    item: str
    section: str
    version: str
    kind: str
    text: str
    mend: str
    exposes: Callable[[], Evidence]
    mends: Callable[[], Evidence]

    def __post_init__(self) -> None:
        if not re.fullmatch(rf"{_PLACE}(, {_PLACE})*", self.section):
            raise CompanionError(f"erratum {self.name}: no section of the paper: {self.section!r}")
        if self.version not in VERSIONS:
            raise CompanionError(f"erratum {self.name}: no version of the paper: {self.version!r}")
        if self.kind not in KINDS:
            raise CompanionError(f"erratum {self.name}: no such kind: {self.kind!r}")


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
    claimed = float(sharp_6_kl_sequence.bound(span, beta))
    return Evidence(
        "Fact 6 holds at $\\gamma = 1$, over whole completions: a random change of span 0.2 at "
        "the end of six tokens.",
        {"total variation": moved, "bound": claimed},
        moved <= claimed < 1,
    )


def _rows(figure: str) -> list[dict[str, str]]:
    with data_path(f"paper/{figure}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _error_bars() -> dict[str, float]:
    row = next(r for r in _rows("fig_rlhf_sophistry") if "error" in r["quantity"])
    return {key: float(value) for key, value in row.items() if key != "quantity"}


def _label_off() -> Evidence:
    bars = _error_bars()
    return Evidence(
        "The two bars of the evaluation error rate, as we read them, differ by less than the "
        "label says, by more than the read error of two bars.",
        {"as read": bars["change_measured"], "as printed": bars["change_printed"]},
        abs(bars["change_measured"] - bars["change_printed"]) > 2 * READ_ERROR,
    )


def _label_right() -> Evidence:
    bars, (before, after) = _error_bars(), WEN_ERROR_RATES
    return Evidence(
        "Wen et al. report 40.8 % before and 48.2 % after. Their difference is the label; of our "
        "two readings the second agrees with it and the first does not.",
        {
            "change after Wen et al.": after - before,
            "first bar as read minus theirs": bars["before_rlhf"] - before,
            "second bar as read minus theirs": bars["after_rlhf"] - after,
        },
        abs(after - before - bars["change_printed"]) < 0.05
        and abs(bars["after_rlhf"] - after) <= READ_ERROR < abs(bars["before_rlhf"] - before),
    )


def _agents() -> dict[tuple[str, str], float]:
    """Share of samples at the end of training, by (panel, agent)."""
    rows = _rows("fig_cot_pressure")
    last = max(float(r["training_epochs"]) for r in rows)
    return {
        (r["panel"], r["agent"]): float(r["fraction_of_samples"])
        for r in rows
        if float(r["training_epochs"]) == last
    }


def _no_honest_panel() -> Evidence:
    ends = _agents()
    caught = {agent: ends["caught", agent] for agent in ("baseline", "CoT pressure")}
    return Evidence(
        "Both panels show cheating, caught on the left and not caught on the right. The line on "
        "the left that is higher at the end is the baseline's.",
        {f"caught at the end, {agent}": share for agent, share in caught.items()},
        {panel for panel, _ in ends} == {"caught", "not caught"}
        and caught["baseline"] > caught["CoT pressure"],
    )


def _less_cheating_in_all() -> Evidence:
    ends = _agents()
    cheating = {
        agent: ends["caught", agent] + ends["not caught", agent]
        for agent in ("baseline", "CoT pressure")
    }
    return Evidence(
        "Added up, the panels bear the sentence out as far as they can: less cheating in all under "
        "pressure, so more samples without any.",
        {f"cheating in all, {agent}": share for agent, share in cheating.items()},
        cheating["CoT pressure"] < cheating["baseline"],
    )


def _budgets() -> tuple[float, dict[str, list[float]], float]:
    """The base model's accuracy, that of both L1 models by rising budget, and L1's lead over S1.

    The lead is the least over S1's budgets, L1-Exact's curve being drawn straight between its
    points.
    """
    rows = _rows("fig_l1_length_control")
    accuracy = "macro_average_accuracy_percent"
    (base,) = (float(r[accuracy]) for r in rows if r["method"] == "DeepSeek-R1-1.5B")
    rows.sort(key=lambda r: float(r["tokens_used"]))
    curves = {
        method: np.array(
            [(float(r["tokens_used"]), float(r[accuracy])) for r in rows if r["method"] == method]
        ).T
        for method in ("L1-Exact", "L1-Max", "S1 (budget forcing)")
    }
    tokens, reached = curves.pop("S1 (budget forcing)")
    lead = np.interp(tokens, *curves["L1-Exact"]) - reached
    return base, {method: list(curve[1]) for method, curve in curves.items()}, float(lead.min())


def _below_the_base() -> Evidence:
    base, models, _ = _budgets()
    points = [point for accuracies in models.values() for point in accuracies]
    below = sum(point < base for point in points)
    return Evidence(
        "Most of the L1 points of panel (b) lie below the base model.",
        {"L1 points": len(points), "below the base model": below, "base model (%)": base},
        bool(below > len(points) / 2),
    )


def _above_at_the_largest_budget() -> Evidence:
    base, models, lead = _budgets()
    return Evidence(
        "At its largest budget each L1 model is above the base model, with a fraction of its "
        "tokens, and L1 is above S1 throughout.",
        {f"{model} at its largest budget (%)": points[-1] for model, points in models.items()}
        | {"base model (%)": base, "least lead of L1-Exact over S1 (points)": lead},
        all(points[-1] > base for points in models.values()) and lead > 0,
    )


def _tied_answers(bonus: np.ndarray) -> np.ndarray:
    """Optimal actions, (A,) bools, of three tied whole answers after a bonus ``(S, A)``."""
    mdp, _ = tied_mdp(np.random.default_rng(5), states=3, actions=4, ties=3, discount=0.0)
    return optimal_actions(optimal_q(mdp.with_rewards(mdp.rewards + bonus)), atol=1e-9)[0]


def _bonus_for_all() -> Evidence:
    bonus = np.zeros((3, 4))
    bonus[0, :2] = 0.01
    left = {
        "after a constant": int(_tied_answers(np.full((3, 4), 0.01)).sum()),
        "after a bonus for two of them": int(_tied_answers(bonus).sum()),
    }
    return Evidence(
        "Three answers tie. A constant added everywhere leaves the tie as it is, and a bonus that "
        "two of them earn leaves two.",
        {f"optimal answers {what}": count for what, count in left.items()},
        list(left.values()) == [3, 2],
    )


def _bonus_for_one() -> Evidence:
    sizes, alone = (1e-2, 1e-4, 1e-6), []
    for size in sizes:
        bonus = np.zeros((3, 4))
        bonus[0, 1] = size
        alone.append(_tied_answers(bonus).tolist() == [False, True, False, False])
    return Evidence(
        "A bonus that one of the tied answers earns and nothing else does leaves that answer as "
        "the only optimal one, at each size tried.",
        {"smallest bonus tried": min(sizes), "cases in which it decides": sum(alone)},
        all(alone),
    )


def _near_tie(share: float) -> tuple[float, float, bool]:
    """Gap, guaranteed radius, and whether the worst change of a share of it moves the optimum."""
    gap, discount = 0.01, 0.5
    radius = float(sharp_1_stability_radius.guaranteed(gap, discount))
    after = optimal_q(tilt(two_branches(gap, discount), share * radius), tol=1e-13)[0]
    return gap, radius, bool(after.argmax() != 0)


def _near_tie_is_stable() -> Evidence:
    gap, radius, moved = _near_tie(0.99)
    return Evidence(
        "Two actions differ by a hundredth. The worst change just inside the radius of fact 1 does "
        "not move the optimal action: there is a neighbourhood without any jump.",
        {"gap": gap, "radius": radius, "moved at 0.99 of the radius": float(moved)},
        not moved,
    )


def _near_tie_is_fragile() -> Evidence:
    gap, radius, moved = _near_tie(1.01)
    return Evidence(
        "Just outside it does. The nearer the tie, the smaller the change that is needed.",
        {"radius / gap": radius / gap, "moved at 1.01 of the radius": float(moved)},
        moved,
    )


def _kl_optimum(beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best completions, reference conditioned on them, and the KL optimum: arrays ``(C,)``."""
    rng = np.random.default_rng(6)
    tree = TokenTree.from_completions("ab", 3, lambda y: float("a" in y), end_of_sequence=None)
    reference = [rng.dirichlet(np.ones(2), size=2**t) for t in range(3)]
    best = tree.completion_returns() == 1.0
    base = tree.completion_probabilities(reference)
    conditioned = np.where(best, base, 0.0) / base[best].sum()
    return best, conditioned, tree.kl_optimal_completions(beta, reference)


def _kl_leaves_the_optimal_set() -> Evidence:
    best, _, policy = _kl_optimum(beta=0.5)
    return Evidence(
        "Seven of eight completions are equally right. At a fixed weight of the divergence the "
        "optimum gives the wrong one positive probability, so it is not among the optimal "
        "policies between which a tie would be broken.",
        {"probability of the wrong completion, β = 0.5": float(policy[~best].sum())},
        bool(policy[~best].sum() > 1e-3),
    )


def _kl_limit() -> Evidence:
    betas = (0.5, 0.1, 0.02)
    apart = [float(total_variation(*_kl_optimum(beta)[1:])) for beta in betas]
    return Evidence(
        "As the weight goes to zero the optimum tends to the base policy restricted to the right "
        "completions, which among all optimal policies is the one of least divergence.",
        {f"distance to it, β = {beta:g}": d for beta, d in zip(betas, apart, strict=True)},
        apart == sorted(apart, reverse=True) and apart[-1] < 1e-9,
    )


def _concatenation_leaves() -> Evidence:
    tokens, longest = 2, 3
    states = {"".join(s) for n in range(longest + 1) for s in product("ab", repeat=n)}
    outside = sum(s + a not in states for s in states for a in "ab")
    return Evidence(
        "With two tokens and strings of up to three, appending a token to a string of full length "
        "gives one that is not a state.",
        {"state-action pairs": len(states) * tokens, "of these lead outside": outside},
        outside == tokens ** (longest + 1),
    )


def _end_state() -> Evidence:
    mdp = TokenTree("ab", 3, discount=0.9, end_of_sequence=None).to_mdp()
    rows = mdp.transitions.toarray().reshape(mdp.n_states, 2, mdp.n_states)
    return Evidence(
        "With an absorbing end state of reward 0 every pair leads to a state, and the end to "
        "itself.",
        {"smallest row sum": rows.sum(axis=2).min(), "end to end": rows[-1, :, -1].min()},
        bool((rows.sum(axis=2) == 1).all() and (rows[-1, :, -1] == 1).all()),
    )


def _argmax_jump(q: Callable[[np.ndarray, np.ndarray], np.ndarray], points: int) -> float:
    """Largest move of the best action between neighbouring states of a grid on [−1, 1]."""
    grid = np.linspace(-1.0, 1.0, points)
    best = grid[q(grid[:, None], grid[None]).argmax(axis=1)]
    return float(np.abs(np.diff(best)).max())


def _unique_is_continuous() -> Evidence:
    grids = (101, 1001, 4001)
    jumps = [_argmax_jump(lambda s, a: s * a - a**4, n) for n in grids]
    return Evidence(
        "$Q(s, a) = sa - a^4$ on $[-1, 1]^2$ has one best action in each state. Its largest move "
        "between neighbouring states vanishes as the grid is refined: it is continuous, though "
        "steep.",
        {f"largest move, {n} states": j for n, j in zip(grids, jumps, strict=True)},
        jumps == sorted(jumps, reverse=True) and jumps[-1] < jumps[0] / 3,
    )


def _tie_is_not() -> Evidence:
    jump = _argmax_jump(lambda s, a: s * a, 1001)
    return Evidence(
        "Uniqueness is what it rests on. $Q(s, a) = sa$ ties all actions at $s = 0$, and there the "
        "best action jumps from one end to the other.",
        {"largest move, 1001 states": jump},
        jump > 0.9,
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
    items = [result(name).ITEM.split()[1] for name in PAPER]
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


ERRATA = (
    Erratum(
        "prop_3_2_finite",
        "Proposition 3.2",
        "§3.3.2",
        "v1",
        "hypothesis",
        "The proof takes over Proposition 2.9's bump, which vanishes at every other optimal "
        "action. There is one if $a_2$ is isolated among the optimal actions, and Proposition "
        "2.9 sees to that by asking for finitely many. Proposition 3.2 does not ask for it.",
        "Take $\\delta = d(a_1, a_2)$: the bump vanishes at $a_1$, which is all the statement "
        "needs.",
        _bump_needs_isolation,
        _one_bump_for_two_actions,
    ),
    Erratum(
        "thm_2_7_neighbourhood",
        "Theorem 2.7 and Proposition 4.5",
        "§2.4, §4.3",
        "v1",
        "hypothesis",
        "Uniqueness is asked for on a whole neighbourhood of $R_0$, which is more than the "
        "conclusion needs. If the optimal action of some state is not an isolated point of $A$, "
        "there is no such neighbourhood: cutting off the top of $Q_0$ by $\\eta$, as "
        "$\\min(Q_0, V_0 - \\eta)$, makes ties at a reward within $(1 + \\gamma)\\eta$ of $R_0$.",
        "Uniqueness at $R_0$ alone gives continuity at $R_0$ of every optimal selection, by the "
        "proof given. With finite $S$ and $A$ it gives the neighbourhood, too (fact 1).",
        _no_neighbourhood,
        _unique_at_one_reward,
    ),
    Erratum(
        "prop_4_7_finite",
        "Proposition 4.7",
        "§4.4",
        "v1",
        "hypothesis",
        "The soft Bellman operator sums over $a' \\in A$, and the proof lets $d$ be the number of "
        "actions, while the assumptions only make $A$ compact. For language models, where $A$ is "
        "a vocabulary, nothing is missing.",
        "Let $A$ be finite, or replace the sum by an integral against a reference distribution.",
        _soft_sum_diverges,
        _reference_measure,
    ),
    Erratum(
        "prop_3_1_discount",
        "Proposition 3.1",
        "§3.3.1",
        "v1",
        "hypothesis",
        "This concerns $\\gamma = 0$ only, which Assumption 2.3 allows. The third condition asks "
        "that $s_0$ be visited with positive probability at some step; at $\\gamma = 0$ only the "
        "first step carries weight.",
        "Let $\\gamma > 0$, or let $s_0$ be possible as a first state.",
        _no_weight_later,
        _discounted_visit,
    ),
    Erratum(
        "mdp_end",
        "Text generation as an MDP",
        "§3.1",
        "v1",
        "hypothesis",
        "States are the strings of up to $T_{\\max}$ tokens, and the next state is the current one "
        "with a token appended. At full length that is no longer a state.",
        "Add an absorbing end state of reward 0, reached from full length (and by an end token). "
        "The state space stays finite, and all else is as in the paper.",
        _concatenation_leaves,
        _end_state,
    ),
    Erratum(
        "additive_reward",
        "What Proposition 3.2 says of a given bonus",
        "§3.3.2",
        "v1",
        "scope",
        "The paragraph on formats says that by the proposition a small additive bonus makes the "
        "policy with the right format strictly optimal. The proposition says that some small "
        "change ranks one tied action above another; it does not speak of a given one.",
        "Ask that the bonus be earned by one of the tied actions and by nothing else. Then it "
        "decides, however small (fact 4 with one reward).",
        _bonus_for_all,
        _bonus_for_one,
    ),
    Erratum(
        "near_optimal",
        "Near-optimal actions",
        "Introduction, §3.4, Appendix A",
        "v1",
        "scope",
        "These places speak of actions of nearly equal value, or near-optimal ones, as a source of "
        "discontinuity. The propositions prove it for exact ties. At a near tie, with finitely "
        "many states and actions, the map is constant close to $R_0$.",
        "The intuition is right and can be made exact: with a gap $\\Delta$ the optimum may change "
        "once rewards move by $(1 - \\gamma)\\Delta/2$, and in the worst case it does (fact 1). A "
        "reward error larger than that meets a near tie as it meets a tie.",
        _near_tie_is_stable,
        _near_tie_is_fragile,
    ),
    Erratum(
        "kl_tie_breaker",
        "The divergence from the base model as a tie-breaker",
        "§3.4, Appendix A",
        "v1",
        "scope",
        "The Kullback-Leibler term is said to have been shown to break ties toward the optimal "
        "policy closest to the base model. The paper's results treat the entropy term; none is "
        "about this one, and at a fixed $\\beta$ its optimum is in general not an optimal policy "
        "of $R$.",
        "The statement is true in the limit $\\beta \\to 0$ (the closed form of fact 6); at fixed "
        "$\\beta$ the term trades reward for closeness.",
        _kl_leaves_the_optimal_set,
        _kl_limit,
    ),
    Erratum(
        "prop_4_7_discount",
        "Proposition 4.7 near γ = 1",
        "§4.4",
        "v1",
        "scope",
        "The constant $1/(2\\alpha(1-\\gamma))$ is right, and the best there is for all MDPs. It "
        "grows without bound as $\\gamma \\to 1$, which is where RLHF works: a matter of scope.",
        "For the KL form at $\\gamma = 1$, over whole completions, "
        "$\\tanh(\\mathrm{span}(\\Delta R)/(4\\beta))$ holds (fact 6).",
        _constant_diverges,
        _bound_at_discount_one,
    ),
    Erratum(
        "remark_2_8",
        "Remark 2.8",
        "§2.4",
        "v1",
        "scope",
        "The remark says that under uniqueness the optimal action will generally be measurable in "
        "the state. It is more modest than it needs to be.",
        "It always is, because it is continuous: $Q^*$ is continuous on $S \\times A$ and $A$ is "
        "compact, so $s \\mapsto A^*(s; R)$ has a closed graph, and where it is single-valued that "
        "is continuity.",
        _unique_is_continuous,
        _tie_is_not,
    ),
    Erratum(
        "figure_agents",
        "Honest passes under CoT pressure",
        "§5.1.2",
        "v1",
        "figure",
        "For the agent that passes tests honestly more often the text points to a line of the left "
        "panel. As we read the figure, that panel shows cheating that is caught, and no line of "
        "either panel shows honest passes.",
        "Read: cheats less in all, which the two panels show together. What is neither caught nor "
        "uncaught cheating is no cheating; how much of it passes the tests they do not show.",
        _no_honest_panel,
        _less_cheating_in_all,
    ),
    Erratum(
        "figure_6",
        "Caption of Fig. 6",
        "§5.3",
        "v1",
        "figure",
        "L1 is said to outperform S1 across all budgets and the base model with fewer tokens. The "
        "first holds at every budget. Read with the same “all budgets” the second would not.",
        "Read: at its largest budgets L1 outperforms the base model, with fewer tokens.",
        _below_the_base,
        _above_at_the_largest_budget,
    ),
    Erratum(
        "lemma_c_1_radius",
        "Choosing δ in Lemma C.1",
        "§2.5, Appendix C.1",
        "v1",
        "note",
        "Lemma C.1 leaves $\\delta$ free, and the proof of Proposition 2.9 wants a bump that "
        "vanishes at the other optimal actions. The same paragraph offers Urysohn's lemma with any "
        "desired neighbourhood, which settles it.",
        "With the tent of Lemma C.1 take $\\delta$ at most the distance to the other optimal "
        "actions; or any $\\delta$, because off its centre a tent is below 1.",
        _free_radius,
        _every_radius_will_do,
    ),
    Erratum(
        "figure_sophistry",
        "Error rate in Fig. 7, adapted from Wen et al.",
        "§5.4",
        "v1",
        "note",
        "Who measures the two bars of the evaluation error rate finds a smaller change than the "
        "label's +7.4.",
        "The label is right: it is the change that Wen et al. report. Our figures show what we "
        "read and the label beside it.",
        _label_off,
        _label_right,
    ),
    Erratum(
        "numbering",
        "Two numberings",
        "README",
        "v1",
        "note",
        "The README of the author's repository numbers the results 2.1, 2.2, …, the paper 2.4, "
        "2.5, ….",
        "This book uses the paper's numbers: one counter per section, assumptions and remarks "
        "counted.",
        _other_numbering,
        _paper_numbering,
    ),
)
