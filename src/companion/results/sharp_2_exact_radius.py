"""Fact 2, beyond the paper: the rewards that keep a policy are a polyhedron with known walls."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results import sharp_1_stability_radius, thm_2_7
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.elementary import absolute, maximum
from companion.results.induction import hoelder, hoelder_is_attained
from companion.results.samples import (
    DISCOUNTS,
    random_mdps,
    tied_mdp,
    two_branches,
    worst_direction,
)
from companion.theory import (
    FiniteMDP,
    TokenTree,
    greedy_policy,
    occupancy,
    optimal_q,
    policy_breakpoints,
    stability_radius,
)

ITEM = "Fact 2"
TITLE = "The exact stability radius"
CHAPTER = 3
uses: tuple[str, ...] = ("prop_2_4", "thm_2_7", "sharp_1_stability_radius", "sharp_11_geometry")

STATEMENT = r"""
Let $S$ and $A$ be finite and $\pi^*$ a deterministic optimal policy of $R_0$. Write $d_s$ for the
discounted occupancy of $\pi^*$ from $s$, $d_{(s,b)}$ for that of doing $b$ in $s$ once and
following $\pi^*$ afterwards, and $\ell_{(s,b)} = d_s - d_{(s,b)}$. Then $\pi^*$ is optimal for $R$
exactly if
$$\langle \ell_{(s,b)}, R \rangle \ge 0 \quad \text{for all } s \text{ and } b:$$
the rewards that keep $\pi^*$ are a polyhedral cone (Ng and Russell 2000). With the action gap
$\Delta(s, b) = \langle \ell_{(s,b)}, R_0 \rangle$, the sup-norm distance of $R_0$ to the wall
$(s, b)$ is
$$\frac{\Delta(s, b)}{\lVert \ell_{(s,b)} \rVert_1},$$
reached along $-\mathrm{sign}(\ell_{(s,b)})$, and the smallest of these distances is the exact
radius within which no change of the rewards takes the optimum from $\pi^*$. As
$\lVert \ell_{(s,b)} \rVert_1 \le 2/(1-\gamma)$ it is never below fact 1's guarantee. If only some
rewards may change, the norm runs over those.
"""


def wall_distance(gap: Any, norm: Any) -> Any:
    """Sup-norm distance to the wall where a gap closes, whose normal has the given L1 norm."""
    return gap / norm


def norm_bound(discount: Any) -> Any:
    """Bound on the L1 norm of the difference of two occupancies."""
    return 2 / (1 - discount)


def symbolic() -> Derivation:
    """Optimality as linear inequalities, Hölder's inequality and its equality, the guarantee."""
    kept, lost = _optimal_if_no_gap_is_negative()
    delta, norm, rho, discount = sympy.symbols("Delta ell rho gamma", positive=True)
    at_wall = identity(sympy.solve(delta - rho * norm, rho)[0], wall_distance(delta, norm))
    guarantee = identity(
        wall_distance(delta, norm_bound(discount)),
        sharp_1_stability_radius.guaranteed(delta, discount),
    )
    gap, size, length, change, gamma = z3.Reals("gap size length change gamma")
    inside = prove(
        gap + change > 0,
        absolute(change) <= size * length,
        size < wall_distance(gap, length),
        length > 0,
        gap > 0,
    )
    beyond = prove(gap - size * length < 0, size > wall_distance(gap, length), length > 0, gap >= 0)
    never_below = prove(
        wall_distance(gap, length) >= sharp_1_stability_radius.guaranteed(gap, gamma),
        length > 0,
        length <= norm_bound(gamma),
        gap >= 0,
        gamma >= 0,
        gamma < 1,
    )
    return Derivation(
        steps=(
            Step(
                "The value of a policy is linear in the reward (fact 11), so the lead of $\\pi^*$ "
                "over doing $b$ in $s$ once is linear, too:",
                r"V^{\pi^*}_R(s) - Q^{\pi^*}_R(s, b) = \langle d_s, R \rangle - "
                r"\langle d_{(s,b)}, R \rangle = \langle \ell_{(s,b)}, R \rangle",
                cited("fact 11"),
            ),
            Step(
                "If no lead is negative, the maximum over any number of actions is the value "
                "itself, so $V^{\\pi^*}$ solves the optimality equation, which has one solution "
                "(Proposition 2.4). If one is negative, it does not.",
                r"\pi^* \text{ optimal for } R \iff \langle \ell_{(s,b)}, R \rangle \ge 0 "
                r"\text{ for all } (s, b)",
                (kept, lost, cited("Proposition 2.4")),
            ),
            Step(
                "By Hölder's inequality a change of size $\\rho$ moves the lead by at most "
                "$\\rho \\lVert \\ell \\rVert_1$ (any number of states and actions), so it stays "
                "positive up to the wall.",
                r"|\langle \ell, R - R_0 \rangle| \le \rho\, \lVert \ell \rVert_1, \quad "
                rf"\rho < {tex(wall_distance(delta, norm))} \implies \langle \ell, R \rangle > 0, "
                r"\qquad \ell = \lVert \ell_{(s,b)} \rVert_1",
                (hoelder(), inside),
            ),
            Step(
                "Along $-\\mathrm{sign}(\\ell)$ the inequality is an equality: the lead is gone at "
                "the wall and negative behind it.",
                rf"{tex(delta - rho * norm)} = 0 \iff \rho = {tex(at_wall.rhs)}",
                (hoelder_is_attained(), at_wall, beyond),
            ),
            Step(
                "Two occupancies of mass $1/(1-\\gamma)$ differ by at most twice that, which is "
                "fact 1's guarantee.",
                rf"\lVert \ell \rVert_1 \le {tex(norm_bound(discount))} \implies "
                rf"\frac{{\Delta}}{{\lVert \ell \rVert_1}} \ge {tex(guarantee.rhs)}",
                (_occupancies_differ_by_at_most_their_sum(), guarantee, never_below),
            ),
        ),
        scope="all of it for any number of states and actions and all reals (z3; sums and maxima "
        "by induction). Linearity is fact 11's first step, uniqueness of the solution Proposition "
        "2.4.",
    )


def _optimal_if_no_gap_is_negative() -> tuple[Proof, Proof]:
    """max_b Q(s, b) = V(s) if every Q(s, b) ≤ V(s) = Q(s, π(s)); and > V(s) if one is larger."""
    value, q, most = z3.Reals("value q most")
    kept = induct(
        (value,), lambda best: (maximum(best, q),), lambda best: best == value, q <= value
    )
    lost = prove(maximum(most, q) > value, most >= value, q > value)
    return kept, lost


def _occupancies_differ_by_at_most_their_sum() -> Proof:
    first, second = z3.Reals("first second")
    return induct(
        (absolute(first - second), first, second),
        lambda norm, one, other: (norm + absolute(first - second), one + first, other + second),
        lambda norm, one, other: norm <= one + other,
        first >= 0,
        second >= 0,
    )


def walls(mdp: FiniteMDP) -> tuple[np.ndarray, np.ndarray]:
    """Gaps ``(S, A)`` and L1 norms ``(S, A)`` of all walls of an MDP's optimal policy.

    Straight from the definition; the optimal actions themselves have norm 0.
    """
    q = optimal_q(mdp, tol=1e-12)
    policy = greedy_policy(q)
    starts = np.eye(mdp.n_states)
    from_state = np.array([occupancy(mdp, policy, start) for start in starts])  # (S, S, A)
    norms = np.empty_like(q)
    for s in range(mdp.n_states):
        for b in range(mdp.n_actions):
            follows = np.tensordot(mdp.transitions[s, b], from_state, axes=1)
            other = mdp.discount * follows
            other[s, b] += 1.0
            norms[s, b] = np.abs(from_state[s] - other).sum()
    return q.max(axis=1, keepdims=True) - q, np.where(policy > 0, 0.0, norms)


def numeric(rng: np.random.Generator, repeats: int = 8) -> tuple[Check, ...]:
    """The radius from its definition; the policy just inside and just outside of it."""
    distances, exact, discounts, norms, kinks, random_kinks = [], [], [], [], [], []
    moved, multiples = [], []
    for mdp in _unique(rng, repeats):
        gaps, lengths = walls(mdp)
        radius, direction = worst_direction(mdp)
        is_wall = lengths > 1e-9
        distances.append(wall_distance(gaps[is_wall], lengths[is_wall]).min())
        exact.append(radius)
        discounts.append(mdp.discount)
        norms.append(lengths.max())
        size = 2 * radius
        kinks.append(policy_breakpoints(mdp, direction, (0.0, size)).epsilons[0])
        corner = rng.choice([-1.0, 1.0], size=mdp.rewards.shape)
        found = policy_breakpoints(mdp, corner, (0.0, size)).epsilons
        random_kinks.append(found[0] if found.size else size)
        for multiple in (0.999, 1.001):
            moved.append(thm_2_7.policy_moves(mdp, multiple * radius * direction))
            multiples.append(multiple)
    claimed, discount = np.array(distances), np.array(discounts)
    columns = {"discount": discount}
    side = np.array(multiples)
    return (
        Check("exact radius", "==", np.array(exact), claimed, columns),
        Check("first kink along the worst direction", "==", np.array(kinks), claimed, columns),
        Check("first kink along a random corner", ">=", np.array(random_kinks), claimed, columns),
        Check("L1 norm of a wall", "<=", np.array(norms), norm_bound(discount), columns, True),
        Check(
            "policy moved along the worst direction",
            "==",
            np.array(moved, dtype=float),
            (side > 1).astype(float),
            {"multiple of the radius": side},
        ),
    )


def _unique(rng: np.random.Generator, repeats: int) -> list[FiniteMDP]:
    """MDPs with a clear optimum in every state: random ones, and branches that never meet."""
    random = [mdp for mdp in random_mdps(rng, repeats) if mdp.n_actions > 1]
    one_best = [tied_mdp(rng, 4, 3, 1, d)[0] for d in DISCOUNTS for _ in range(repeats)]
    branches = [two_branches(gap, d) for d in DISCOUNTS for gap in (0.1, 1.0)]
    clear = (mdp for mdp in (*random, *one_best) if stability_radius(mdp).gap > 1e-3)
    return [*clear, *branches]


def counterexample() -> Counterexample:
    """Only the rewards that end a string may change: the wall of all rewards is not reached."""
    rewards = [np.array([[1.0, 0.0]]), np.array([[9.0, 0.0], [9.0, 0.0]])]
    tree = TokenTree("ab", 2, rewards, 1.0, end_of_sequence=None)
    radius, direction = worst_direction(tree)
    at_the_end, _ = worst_direction(tree, tree.terminal())
    moved = [rewards[0], rewards[1] + 1.001 * radius * direction[1]]
    root = TokenTree("ab", 2, moved, 1.0, end_of_sequence=None).optimal_q()[0][0]
    return Counterexample(
        dropped="every reward may change",
        text="Two tokens, a gap of 1 at the first: with all rewards free the wall is at 1/4. If "
        "only the reward at the end may change, the worst change of that size leaves the policy "
        "where it is; the norm runs over the rewards that may change, and the wall is at 1/2.",
        evidence={
            "radius, all rewards": radius,
            "radius, end rewards": at_the_end,
            "lead left at 1.001 of the first": float(root[0] - root[1]),
        },
        fails=bool(root[0] > root[1]),
    )
