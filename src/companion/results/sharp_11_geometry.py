"""Fact 11, beyond the paper: the reward-policy map as the gradient of a support function."""

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
    Proof,
    Step,
    cited,
    identity,
    induct,
    prove,
    tex,
)
from companion.results.elementary import maximum
from companion.results.induction import average_stays_within
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

ITEM = "Fact 11"
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
piecewise-linear function of $\varepsilon$, provided that **$\mu$ has full support**: what changes
in a state that is never reached leaves no kink.

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
    """Flow equations, convexity, the soft gradient and its smoothness, for any size."""
    value, mass = _occupancy_gives_value()
    weights_grow, soft_slope = _soft_gradient()
    alpha, actions = sympy.symbols("alpha A", positive=True)
    constant = identity(smoothness(alpha), lemma_c_2.bound(1, alpha))
    between = _soft_maximum_is_close()
    vanishing = sympy.Limit(alpha * sympy.log(actions), alpha, 0, "+")
    vanishes = identity(vanishing.doit(), sympy.Integer(0))
    optimal, other, here, step = z3.Reals("optimal other here step")
    subgradient = prove(other >= here + step, optimal == here, other >= optimal + step)
    second, mean, spread = z3.Reals("second mean spread")
    at_most_one = prove(spread <= 1, spread == second - mean * mean, second <= 1)
    return Derivation(
        steps=(
            Step(
                "The discounted visits of a policy satisfy the flow equations, and the value is "
                "linear in them (a product of matrices of any size).",
                r"d^\top = \mu^\top (I - \gamma P_\pi)^{-1}, \qquad V_\mu = \langle d, R \rangle, "
                r"\qquad \sum_s d(s) = \frac{1}{1 - \gamma}",
                (value, mass),
            ),
            Step(
                "So the optimal value is a maximum of linear functions of the reward, one for each "
                "policy, however many there are: convex, piecewise linear.",
                r"V^*_\mu(t R_1 + (1-t) R_2) \le t\, V^*_\mu(R_1) + (1-t)\, V^*_\mu(R_2)",
                _maximum_of_lines(),
            ),
            Step(
                "An optimal occupancy $d$ at $R$ is feasible at every $R'$: it is a subgradient.",
                r"V^*_\mu(R') \ge \langle d, R' \rangle = V^*_\mu(R) + \langle d, R' - R \rangle",
                subgradient,
            ),
            Step(
                "With entropy, differentiate the soft Bellman equation along a change $E$ of the "
                "reward: the derivative obeys the evaluation equation of the softmax policy.",
                r"\partial V(s) = \sum_a \pi(a \mid s) \Bigl(E(s, a) + "
                r"\gamma \sum_{s'} P(s' \mid s, a)\, \partial V(s')\Bigr)",
                (weights_grow, soft_slope),
            ),
            Step(
                "whose solution is $\\langle d, E \\rangle$ with the occupancy of the soft policy, "
                "by the first step. For a bandit, differentiate once more along $v$ (Lemma C.2's "
                "first step): the variance of $v$.",
                r"\frac{d^2}{dt^2} V_\alpha(R + t v) = \frac{1}{\alpha} \sum_i \pi_i "
                r"(v_i - \bar v)\, v_i = \frac{\mathrm{Var}_\pi(v)}{\alpha}",
                (_variance(), cited("Lemma C.2")),
            ),
            Step(
                "The variance of numbers in $[-1, 1]$ is at most 1. The gradient is Lipschitz "
                "with the constant of Lemma C.2.",
                r"\lVert v \rVert_\infty \le 1 \implies \frac{\mathrm{Var}_\pi(v)}{\alpha} \le "
                + tex(constant.lhs),
                (average_stays_within(), at_most_one, constant),
            ),
            Step(
                "As $\\alpha \\to 0$ the smooth function becomes the support function: of $A$ "
                "weights $e^{(q_a - \\max q)/\\alpha}$ none exceeds 1 and one is 1, so the sum is "
                "between 1 and $A$.",
                r"0 \le \alpha \log \sum_a e^{q_a/\alpha} - \max_a q_a \le "
                + tex(vanishing.args[0])
                + r" \to 0",
                (*between, vanishes),
            ),
        ),
        scope="all of it for any number of states, actions and policies: values and mass as "
        "identities between products of matrices, derivatives with the sum of weights as a "
        "function (SymPy); convexity, variance and the limit by induction (z3).",
    )


def _occupancy_gives_value() -> tuple[Proof, Proof]:
    """With R = (I − γP)V and μ = d(I − γP): ⟨d, R⟩ = ⟨μ, V⟩, in symbols that do not commute."""
    d, kernel, values = sympy.symbols("d P V", commutative=False)
    gamma, total = sympy.symbols("gamma total", positive=True)
    value = identity(d * (values - gamma * kernel * values), (d - gamma * d * kernel) * values)
    # Rows of P sum to one, so P leaves the vector of ones as it is; μ sums to one.
    mass = identity(sympy.solve(sympy.Eq(total - gamma * total, 1), total)[0], 1 / (1 - gamma))
    return value, mass


def _maximum_of_lines() -> Proof:
    """The maximum of any number of linear functions is convex: a, b are returns at two rewards."""
    a, b, t = z3.Reals("a b t")
    mixed = t * a + (1 - t) * b
    return induct(
        (mixed, a, b),
        lambda both, first, second: (
            maximum(both, mixed),
            maximum(first, a),
            maximum(second, b),
        ),
        lambda both, first, second: both <= t * first + (1 - t) * second,
        t >= 0,
        t <= 1,
    )


def _soft_gradient() -> tuple[Proof, Proof]:
    """d/dt α log Σ exp(q(t)/α) is the average of q'(t) under the softmax, for any sum."""
    alpha, t = sympy.symbols("alpha t", positive=True)
    q, total = sympy.Function("q")(t), sympy.Function("Z")(t)
    weight = sympy.exp(q / alpha)
    each = identity(sympy.diff(weight, t), weight * sympy.diff(q, t) / alpha)
    average = sympy.Symbol(r"\bar{q}")  # Σ π_a q_a', so that Z' = Z times it over α
    slope = sympy.diff(alpha * sympy.log(total), t).subs(
        sympy.Derivative(total, t), total * average / alpha
    )
    return each, identity(slope, average)


def _soft_maximum_is_close() -> tuple[Proof, Proof]:
    """α log Σ e^(q/α) = m + α log S, where S sums weights of at most 1 that start with a 1."""
    alpha, top, total = sympy.symbols("alpha m S", positive=True)
    shifted = identity(
        sympy.expand_log(alpha * sympy.log(sympy.exp(top / alpha) * total)),
        top + alpha * sympy.log(total),
    )
    weight = z3.Real("weight")
    between = induct(
        (z3.RealVal(1), z3.RealVal(1)),
        lambda total, count: (total + weight, count + 1),
        lambda total, count: z3.And(total >= 1, total <= count),
        weight > 0,
        weight <= 1,
    )
    return shifted, between


def _variance() -> Proof:
    """Σ π (v − m) v = Σ π (v − m)² + m Σ π (v − m), for any number of terms."""
    pi, v, mean = z3.Reals("pi v mean")

    def add(*so_far: z3.ArithRef) -> tuple[z3.ArithRef, ...]:
        new = (pi * (v - mean) * v, pi * (v - mean) * (v - mean), pi * (v - mean))
        return tuple(old + more for old, more in zip(so_far, new, strict=True))

    return induct(
        add(*[z3.RealVal(0)] * 3), add, lambda left, square, rest: left == square + mean * rest
    )


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
        _every_cliff_is_a_kink(rng),
    )


def _linear_programme(mdp: FiniteMDP, start: np.ndarray) -> float:
    flow = np.einsum("st,sa->tsa", np.eye(mdp.n_states), np.ones(mdp.rewards.shape))
    flow = flow - mdp.discount * np.moveaxis(mdp.transitions, 2, 0)
    solved = linprog(-mdp.rewards.ravel(), A_eq=flow.reshape(mdp.n_states, -1), b_eq=start)
    return -float(solved.fun)


def _soft_slope(mdp: FiniteMDP, start: np.ndarray, direction: np.ndarray, alpha: float) -> float:
    """Derivative of the soft value along a direction, by a difference of fourth order."""
    step = 2e-3
    values = {}
    for k in (-2, -1, 1, 2):
        q = soft_optimal_q(mdp.with_rewards(mdp.rewards + k * step * direction), alpha, 1e-12)
        policy = softmax_policy(q, alpha)
        entropy = -(policy * np.log(policy)).sum(axis=1)
        values[k] = start @ ((policy * q).sum(axis=1) + alpha * entropy)
    return float(8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * step)


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


def _every_cliff_is_a_kink(rng: np.random.Generator) -> Check:
    """With a start in every state the slope of the value rises at each change of the policy."""
    rises, cliffs = [], []
    for discount in DISCOUNTS[:3]:
        for _ in range(4):
            mdp = FiniteMDP(random_transitions(rng, 3, 3), rng.normal(size=(3, 3)), discount)
            kinks = policy_breakpoints(mdp, rng.normal(size=(3, 3)), (-3.0, 3.0))
            slopes = kinks.slopes @ rng.dirichlet(np.ones(3))
            rises.append((np.diff(slopes) > 1e-9).sum())
            cliffs.append(kinks.epsilons.size)
    return Check("kinks", "==", np.array(rises, dtype=float), np.array(cliffs, dtype=float))


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


def without_full_support() -> Counterexample:
    """A start that never reaches the state of the cliff: the value along the ray is straight."""
    transitions = np.zeros((2, 2, 2))
    transitions[0, :, 0] = transitions[1, :, 1] = 1.0
    mdp = FiniteMDP(transitions, np.array([[1.0, 0.0], [0.0, 0.0]]), 0.5)
    direction = np.array([[0.0, 0.0], [1.0, -1.0]])
    kinks = policy_breakpoints(mdp, direction, (-1.0, 1.0))
    first, everywhere = (np.ptp(kinks.slopes @ start) for start in ([1.0, 0.0], [0.5, 0.5]))
    return Counterexample(
        dropped="μ with full support (for cliffs as kinks)",
        text="Two absorbing states; along the ray the best action of the second changes at 0. "
        "Seen from the first, the value does not bend.",
        evidence={
            "changes of the policy": float(kinks.epsilons.size),
            "bend from the first state": float(first),
            "bend from both": float(everywhere),
        },
        fails=bool(kinks.epsilons.size == 1 and first == 0 and everywhere > 0),
    )


also_dropped = (without_full_support,)
