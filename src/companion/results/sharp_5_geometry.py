"""Fact 5, beyond the paper: the reward-policy map as the gradient of a support function."""

from typing import Any

import numpy as np
import sympy
import z3
from scipy.optimize import linprog

from companion.results import lemma_c_2
from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    identity,
    prove,
    tex,
)
from companion.results.elementary import maximum
from companion.results.samples import DISCOUNTS, random_transitions
from companion.theory import (
    FiniteMDP,
    deterministic_policies,
    evaluate_policy,
    occupancy,
    optimal_q,
    policy_breakpoints,
    soft_optimal_q,
    softmax_policy,
)

ITEM = "Fact 5"
TITLE = "The geometry of the cliff"
CHAPTER = 10
uses: tuple[str, ...] = ("prop_2_4", "lemma_2_5", "lemma_c_2")

STATEMENT = r"""
Let $S$, $A$ be finite, $\mu$ a start distribution and
$$D = \Bigl\{ d \ge 0 : \sum_a d(s, a) = \mu(s) + \gamma \sum_{s', a'} P(s \mid s', a')\, d(s', a')
\ \text{for all } s \Bigr\}$$
the polytope of discounted occupancies. Then $V^*_\mu(R) = \max_{d \in D} \langle d, R \rangle$: the
optimal value is the support function of $D$, convex and piecewise linear in $R$. Its subgradients
are the occupancies of the policies that are optimal from $\mu$; where there is only one, it is the
gradient. The cliffs are the walls between the cones of rewards with the same optimal vertex (the
normal fan of $D$), and along a ray $R_0 + \varepsilon\, E$ they are the kinks of a convex
piecewise-linear function of $\varepsilon$.

Entropy smooths the support function: with temperature $\alpha$ the value is differentiable, its
gradient is the occupancy of the soft optimal policy, and for a bandit the second derivative along
$v$ is $\mathrm{Var}_\pi(v)/\alpha \le \lVert v \rVert_\infty^2/\alpha$. Smoothness with constant
$1/\alpha$ is the dual of the strong convexity of negative entropy, and the same statement as
Lemma C.2.
"""


def support(occupancies: np.ndarray, reward: np.ndarray) -> float:
    """Support function of the polytope at a reward ``(S, A)``, from its vertices ``(n, S, A)``."""
    return float(np.tensordot(occupancies, reward, axes=2).max())


def smoothness(temperature: Any) -> Any:
    """Lipschitz constant of the gradient of the soft value of a bandit."""
    return 1 / temperature


def slope_along(occupancy: np.ndarray, direction: np.ndarray) -> float:
    """Derivative of the optimal value along a direction ``(S, A)``."""
    return float((occupancy * direction).sum())


def vertices(mdp: FiniteMDP, start: np.ndarray) -> np.ndarray:
    """Occupancies ``(A ** S, S, A)`` of all deterministic policies, among them every vertex."""
    policies = deterministic_policies(mdp.n_states, mdp.n_actions)
    return np.array([occupancy(mdp, policy, start) for policy in policies])


def symbolic() -> Derivation:
    """Flow equations, convexity, the soft gradient of a two-state MDP, and the smoothness."""
    _occupancy_gives_value()
    a1, a2, b1, b2, t = z3.Reals("a1 a2 b1 b2 t")
    prove(  # two policies with returns a1, a2 at one reward and b1, b2 at the other
        maximum(t * a1 + (1 - t) * b1, t * a2 + (1 - t) * b2)
        <= t * maximum(a1, a2) + (1 - t) * maximum(b1, b2),
        t >= 0,
        t <= 1,
    )
    _soft_gradient()
    _soft_curvature()
    alpha, gap = sympy.symbols("alpha g", positive=True)
    constant = identity(smoothness(alpha), lemma_c_2.bound(1, alpha))
    soft = alpha * sympy.log(1 + sympy.exp(-gap / alpha))
    vanishing = sympy.Limit(soft, alpha, 0, "+")
    identity(vanishing.doit(), sympy.Integer(0))
    p, squares = z3.Reals("p1 p2 p3"), z3.Reals("v1^2 v2^2 v3^2")
    mean = z3.Real("mean")
    prove(
        z3.Sum([x * y for x, y in zip(p, squares, strict=True)]) - mean * mean <= 1,
        *(x >= 0 for x in p),
        z3.Sum(p) == 1,
        *(z3.And(y >= 0, y <= 1) for y in squares),
    )
    return Derivation(
        steps=(
            Step(
                "The discounted visits of a policy satisfy the flow equations, and the value is "
                "linear in them (two states, all symbols).",
                r"d^\top = \mu^\top (I - \gamma P_\pi)^{-1}, \qquad V_\mu = \langle d, R \rangle, "
                r"\qquad \sum_s d(s) = \frac{1}{1 - \gamma}",
            ),
            Step(
                "So the optimal value is a maximum of linear functions of the reward: convex, "
                "piecewise linear.",
                r"V^*_\mu(t R_1 + (1-t) R_2) \le t\, V^*_\mu(R_1) + (1-t)\, V^*_\mu(R_2)",
            ),
            Step(
                "An optimal occupancy $d$ at $R$ is feasible at every $R'$: it is a subgradient.",
                r"V^*_\mu(R') \ge \langle d, R' \rangle = V^*_\mu(R) + \langle d, R' - R \rangle",
            ),
            Step(
                "With entropy, differentiate the soft Bellman equation: the derivative obeys the "
                "evaluation equation of the softmax policy (two states, two actions).",
                r"\frac{\partial V(s)}{\partial R(x, b)} = \pi(b \mid s)\, 1[s = x] + "
                r"\gamma \sum_{a, s'} \pi(a \mid s) P(s' \mid s, a) "
                r"\frac{\partial V(s')}{\partial R(x, b)}",
            ),
            Step(
                "whose solution is the occupancy of the soft policy. For a bandit, differentiate "
                "once more along $v$: the variance of $v$.",
                r"\frac{d^2}{dt^2} V_\alpha(R + t v) = \frac{\mathrm{Var}_\pi(v)}{\alpha}",
            ),
            Step(
                "The variance of numbers in $[-1, 1]$ is at most 1. The gradient is Lipschitz "
                "with the constant of Lemma C.2.",
                r"\lVert v \rVert_\infty \le 1 \implies \frac{\mathrm{Var}_\pi(v)}{\alpha} \le "
                + tex(constant.lhs),
            ),
            Step(
                "As $\\alpha \\to 0$ the smooth function becomes the support function; for two "
                "actions with gap $g$ the difference is",
                sympy.Eq(vanishing, 0, evaluate=False),
            ),
        ),
        scope="identities for two states (values, soft gradient) and three actions (curvature) in "
        "all symbols (SymPy); convexity and the variance bound for all reals (z3; a maximum of "
        "two, more by induction; three actions).",
    )


def _occupancy_gives_value() -> None:
    p, q, gamma, mu, r1, r2 = sympy.symbols("p q gamma mu r_1 r_2", positive=True)
    kernel = sympy.Matrix([[1 - p, p], [q, 1 - q]])
    start = sympy.Matrix([[mu, 1 - mu]])
    rewards = sympy.Matrix([r1, r2])
    visits = sympy.simplify(start * (sympy.eye(2) - gamma * kernel).inv())
    flow = visits - gamma * visits * kernel - start
    identity(flow[0], sympy.Integer(0))
    identity(flow[1], sympy.Integer(0))
    identity(visits[0] + visits[1], 1 / (1 - gamma))
    solved = (sympy.eye(2) - gamma * kernel).inv() * rewards
    identity((start * solved)[0], (visits * rewards)[0])


def _soft_gradient() -> None:
    """Differentiate F(V, R) = α log Σ exp((R + γPV)/α) − V: −F_V = I − γP_π and F_R = π."""
    alpha, gamma = sympy.symbols("alpha gamma", positive=True)
    values = sympy.symbols("V0 V1")
    for state in (0, 1):
        rewards, moves = sympy.symbols("R0 R1"), sympy.symbols("p0 p1", positive=True)
        q = [
            r + gamma * (p * values[0] + (1 - p) * values[1])
            for r, p in zip(rewards, moves, strict=True)
        ]
        total = sum(sympy.exp(x / alpha) for x in q)
        policy = [sympy.exp(x / alpha) / total for x in q]
        soft = alpha * sympy.log(total) - values[state]
        to_first = sum(pi * p for pi, p in zip(policy, moves, strict=True))
        kernel_row = (to_first, 1 - to_first)
        for other in (0, 1):
            slope = gamma * kernel_row[other] - (1 if other == state else 0)
            identity(sympy.diff(soft, values[other]), slope)
        for r, pi in zip(rewards, policy, strict=True):
            identity(sympy.diff(soft, r), pi)


def _soft_curvature() -> None:
    alpha, t = sympy.symbols("alpha t", positive=True)
    r, v = sympy.symbols("r1:4", real=True), sympy.symbols("v1:4", real=True)
    powers = [sympy.exp((x + t * y) / alpha) for x, y in zip(r, v, strict=True)]
    second = sympy.diff(alpha * sympy.log(sum(powers)), t, 2)
    weights = sympy.symbols("u1:4", positive=True)
    second = second.subs(dict(zip(powers, weights, strict=True)))
    policy = [u / sum(weights) for u in weights]
    mean = sum(p * y for p, y in zip(policy, v, strict=True))
    variance = sum(p * (y - mean) ** 2 for p, y in zip(policy, v, strict=True))
    identity(sympy.cancel(second - variance / alpha), sympy.Integer(0))


def numeric(rng: np.random.Generator) -> tuple[Check, ...]:
    """Linear programme, vertices and value agree; slopes between kinks; the soft gradient."""
    programme, corners, values, slopes, inner, finite, gradient = [], [], [], [], [], [], []
    for discount in DISCOUNTS[:3]:
        for _ in range(6):
            mdp = FiniteMDP(random_transitions(rng, 3, 3), rng.normal(size=(3, 3)), discount)
            start = rng.dirichlet(np.ones(3))
            values.append(start @ optimal_q(mdp).max(axis=1))
            programme.append(_linear_programme(mdp, start))
            corners.append(support(vertices(mdp, start), mdp.rewards))
            direction = rng.normal(size=(3, 3))
            kinks = policy_breakpoints(mdp, direction, (-3.0, 3.0))
            for policy, slope in zip(kinks.policies, kinks.slopes, strict=True):
                slopes.append(start @ slope)
                inner.append(slope_along(occupancy(mdp, policy, start), direction))
            finite.append(_soft_slope(mdp, start, direction, 0.5))
            soft = softmax_policy(soft_optimal_q(mdp, 0.5), 0.5)
            gradient.append(slope_along(occupancy(mdp, soft, start), direction))
    return (
        Check("linear programme", "==", np.array(programme), np.array(values)),
        Check("support function", "==", np.array(corners), np.array(values)),
        Check("slope between kinks", "==", np.array(slopes), np.array(inner)),
        Check(
            "slope of the soft value", "==", np.array(finite), np.array(gradient), tolerance=1e-6
        ),
        _curvature_check(rng),
        _kinks_check(rng),
    )


def _linear_programme(mdp: FiniteMDP, start: np.ndarray) -> float:
    flow = np.einsum("st,sa->tsa", np.eye(mdp.n_states), np.ones(mdp.rewards.shape))
    flow = flow - mdp.discount * np.moveaxis(mdp.transitions, 2, 0)
    solved = linprog(-mdp.rewards.ravel(), A_eq=flow.reshape(mdp.n_states, -1), b_eq=start)
    return -float(solved.fun)


def _soft_slope(mdp: FiniteMDP, start: np.ndarray, direction: np.ndarray, alpha: float) -> float:
    step = 1e-4
    values = []
    for sign in (-1, 1):
        q = soft_optimal_q(mdp.with_rewards(mdp.rewards + sign * step * direction), alpha, 1e-12)
        policy = softmax_policy(q, alpha)
        entropy = -(policy * np.log(policy)).sum(axis=1)
        values.append(start @ ((policy * q).sum(axis=1) + alpha * entropy))
    return float(values[1] - values[0]) / (2 * step)


def _curvature_check(rng: np.random.Generator) -> Check:
    """Move of the bandit's gradient per step, over temperatures; ±1 at mass one half attains."""
    temperatures = np.array([0.05, 0.2, 1.0, 5.0])
    measured = []
    for alpha in temperatures:
        ratios = []
        for logits in (np.zeros((1, 2)), alpha * rng.normal(size=(20, 4))):
            step = 1e-5 * alpha * rng.choice([-1.0, 1.0], size=logits.shape)
            if logits.shape == (1, 2):
                step = 1e-5 * alpha * np.array([[1.0, -1.0]])
            change = softmax_policy(logits + step, alpha) - softmax_policy(logits - step, alpha)
            ratios.append(np.abs(change).sum(axis=1).max() / (2e-5 * alpha))
        measured.append(max(ratios))
    columns = {"temperature": temperatures}
    return Check(
        "steepest gradient", "<=", np.array(measured), smoothness(temperatures), columns, True
    )


def _kinks_check(rng: np.random.Generator) -> Check:
    """Between and at the kinks the value is the largest of its linear pieces: no kink missing."""
    measured, claimed = [], []
    for discount in DISCOUNTS[:3]:
        mdp = FiniteMDP(random_transitions(rng, 3, 3), rng.normal(size=(3, 3)), discount)
        direction, start = rng.normal(size=(3, 3)), np.full(3, 1 / 3)
        kinks = policy_breakpoints(mdp, direction, (-3.0, 3.0))
        for epsilon in (*rng.uniform(-3, 3, size=20), *kinks.epsilons):
            moved = mdp.with_rewards(mdp.rewards + epsilon * direction)
            measured.append(start @ evaluate_policy(moved, _greedy(moved)))
            pieces = kinks.intercepts @ start + epsilon * (kinks.slopes @ start)
            claimed.append(pieces.max())
    return Check("value from its linear pieces", "==", np.array(measured), np.array(claimed))


def _greedy(mdp: FiniteMDP) -> np.ndarray:
    return np.eye(mdp.n_actions)[optimal_q(mdp).argmax(axis=1)]


def counterexample() -> Counterexample:
    """No entropy: at a wall of the normal fan the value has a kink."""
    bandit = FiniteMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.0)
    corners, direction = vertices(bandit, np.ones(1)), np.array([[1.0, -1.0]])
    step = 1e-9
    left = -support(corners, -step * direction) / step
    right = support(corners, step * direction) / step
    return Counterexample(
        dropped="α > 0 (for the smoothness)",
        text="Two arms, equal rewards: the derivative of the optimal value along (1, -1) is -1 "
        "from the left and 1 from the right, so the gradient jumps.",
        evidence={"slope from the left": left, "slope from the right": right},
        fails=right - left > 1,
    )
