"""Proposition 3.1: the clever slacker is strictly suboptimal for the true reward."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    BY_DEFINITION,
    Check,
    Counterexample,
    Derivation,
    Proof,
    Step,
    induct,
    prove,
    tex,
)
from companion.results.induction import (
    average_of_a_difference,
    average_stays_within,
    no_rise_without_reward,
)
from companion.results.samples import tied_mdp
from companion.theory import FiniteMDP, evaluate_policy, optimal_q

ITEM = "Proposition 3.1"
TITLE = "The clever slacker: optimal for an incomplete reward, not for the true one"
CHAPTER = 5
uses: tuple[str, ...] = ()

STATEMENT = r"""
Let $R_{\mathrm{true}} = R_{\mathrm{train}} + R_{\mathrm{missing}}$, and let $\pi$ be any optimal
policy for $R_{\mathrm{train}}$ (it may randomise over tied actions). Suppose an action
$a_2 \in A^*(s_0; R_{\mathrm{train}})$ has a positive advantage
$A^{\pi}_{\mathrm{missing}}(s_0, a_2) > 0$, and $s_0$ is reached from the start distribution under
$\pi$ with positive **discounted** probability. Then $\pi$ is strictly suboptimal for
$R_{\mathrm{true}}$ from that start.

*How much (ours).* Playing $a_2$ in $s_0$ and $\pi$ elsewhere gains exactly
$$N \cdot \bigl(A^{\pi}_{\mathrm{train}} + A^{\pi}_{\mathrm{missing}}\bigr)(s_0, a_2),$$
with $N$ the discounted number of visits to $s_0$ under the new policy, and
$A^{\pi}_{\mathrm{train}}(s_0, a_2) = 0$.

*Mended hypothesis.* "Reached with positive probability at some step" is not enough when
$\gamma = 0$: later steps then carry no weight. For $\gamma > 0$ the two agree.
"""


def gain(visits: Any, train_advantage: Any, missing_advantage: Any) -> Any:
    """Gain in true return from switching to the action at every visit of the state."""
    return visits * (train_advantage + missing_advantage)


def symbolic() -> Derivation:
    """The performance difference row by row and by uniqueness; then the signs."""
    visits, train, missing = z3.Reals("visits train missing")
    gains = prove(gain(visits, train, missing) > 0, visits > 0, train == 0, missing > 0)
    elsewhere, switched = _same_equations()
    step, power, discount, term = z3.Reals("step power discount term")
    decays = induct(
        (z3.RealVal(1),),
        lambda so_far: (so_far * discount,),
        lambda so_far: so_far > 0,
        discount > 0,
        discount < 1,
    )
    visited = prove(step * power > 0, step > 0, power > 0)
    sum_exceeds = induct(
        (term, term),
        lambda total, one: (total + term, one),
        lambda total, one: total >= one,
        term >= 0,
    )
    n = sympy.Symbol("N")
    a_train, a_missing = (
        sympy.Symbol(rf"A^{{\pi}}_{{\mathrm{{{part}}}}}") for part in ("train", "missing")
    )
    return Derivation(
        steps=(
            Step(
                "Values of a fixed policy are linear in the reward, so advantages add.",
                rf"A^{{\pi}}_{{\mathrm{{true}}}} = {tex(a_train)} + {tex(a_missing)}",
                _values_are_linear(),
            ),
            Step(
                "Change the policy in $s_0$ only, to $a_2$, and let $N(s)$ be the discounted "
                "visits to $s_0$ from $s$ under the new policy. The rise $V' - V$ and $N$ times "
                "the advantage solve the same equations: in $s_0$ the advantage comes in, "
                "elsewhere both are passed on.",
                r"x(s) = A^{\pi}_{\mathrm{true}}(s_0, a_2)\, 1[s = s_0] + "
                r"\gamma \sum_{s'} P'(s' \mid s)\, x(s')",
                (elsewhere, switched, average_of_a_difference()),
            ),
            Step(
                "Such equations have one solution (an average stays within, and $D \\le \\gamma D$ "
                "leaves only $D = 0$), so the two are equal from every start: the performance "
                "difference, for any number of states.",
                r"V^{\pi'}_{\mathrm{true}}(\mu) - V^{\pi}_{\mathrm{true}}(\mu) = "
                + tex(gain(n, a_train, a_missing))
                + "(s_0, a_2)",
                (average_stays_within(), no_rise_without_reward()),
            ),
            Step(
                "$a_2$ is optimal for the training reward and so is $\\pi$: no training advantage.",
                r"A^{\pi}_{\mathrm{train}}(s_0, a_2) = Q^*_{\mathrm{train}}(s_0, a_2) "
                r"- V^*_{\mathrm{train}}(s_0) = 0",
                BY_DEFINITION,
            ),
            Step(
                "Up to the first visit of $s_0$ the two policies agree, and a sum of terms that "
                "are not negative is at least each of them: $N \\ge \\gamma^T "
                "\\Pr(\\text{first visit at } T) > 0$ for some $T$.",
                r"\Pr(\text{first visit at } T) > 0,\ \gamma^T > 0 \implies N > 0",
                (decays, sum_exceeds, visited),
            ),
            Step(
                "Both factors are positive: the return rises strictly.",
                rf"{tex(n)}\, {tex(a_missing)}(s_0, a_2) > 0",
                gains,
            ),
        ),
        scope="all of it for any number of states and actions and all reals (z3; sums by induction "
        "on the number of terms, the powers of $\\gamma$ on their exponent).",
    )


def _same_equations() -> tuple[Proof, Proof]:
    """V' − V − N·A is γ times its own average, in a state with the old policy and in s_0."""
    new, old, visits, reward, gamma = z3.Reals("new old visits reward gamma")  # in the state
    next_new, next_old, next_visits = z3.Reals("next_new next_old next_visits")  # averages
    train, missing = z3.Reals("train missing")
    rest = new - old - gain(visits, train, missing)
    next_rest = next_new - next_old - gain(next_visits, train, missing)
    return (
        prove(
            rest == gamma * next_rest,
            new == reward + gamma * next_new,
            old == reward + gamma * next_old,
            visits == gamma * next_visits,
        ),
        prove(
            rest == gamma * next_rest,
            new == reward + gamma * next_new,
            train + missing == reward + gamma * next_old - old,  # the advantage of the action
            visits == 1 + gamma * next_visits,
        ),
    )


def _values_are_linear() -> Proof:
    """V_1 + V_2 solves the evaluation equation of R_1 + R_2."""
    v1, v2, r1, r2, next1, next2, gamma = z3.Reals("v1 v2 r1 r2 next1 next2 gamma")
    return prove(
        v1 + v2 == (r1 + r2) + gamma * (next1 + next2),
        v1 == r1 + gamma * next1,
        v2 == r2 + gamma * next2,
    )


def numeric(rng: np.random.Generator, repeats: int = 100) -> tuple[Check, ...]:
    """Random training rewards with a tie and random missing rewards: the gain, to rounding."""
    rows = [_one_case(rng) for _ in range(repeats)]
    measured, claimed, room, discount = np.array(rows).T
    columns = {"discount": discount}
    return (
        Check("gain in true return", "==", measured, claimed, columns),
        Check("room up to the true optimum", ">=", room, claimed, columns),
    )


def _one_case(rng: np.random.Generator) -> tuple[float, ...]:
    states, discount = 4, float(rng.choice([0.3, 0.9, 0.99]))
    train, q = tied_mdp(rng, states, actions=3, ties=2, discount=discount)
    policy = np.zeros_like(q)
    policy[np.arange(states), q.argmax(axis=1)] = 1.0
    policy[0, :2] = rng.dirichlet([1.0, 1.0]) if rng.random() < 0.5 else [1.0, 0.0]
    missing = rng.normal(size=q.shape)
    if advantage(train.with_rewards(missing), policy)[0, 1] < 0:
        missing = -missing
    true = train.with_rewards(train.rewards + missing)
    switched = policy.copy()
    switched[0] = [0.0, 1.0, 0.0]
    start = np.full(states, 1 / states)
    visits_reward = np.zeros_like(q)
    visits_reward[0] = 1.0
    visits = start @ evaluate_policy(train.with_rewards(visits_reward), switched)
    parts = [advantage(train.with_rewards(r), policy)[0, 1] for r in (train.rewards, missing)]
    before = start @ evaluate_policy(true, policy)
    return (
        start @ evaluate_policy(true, switched) - before,
        gain(visits, *parts),
        start @ optimal_q(true, tol=1e-12).max(axis=1) - before,
        discount,
    )


def advantage(mdp: FiniteMDP, policy: np.ndarray) -> np.ndarray:
    """Advantage ``(S, A)`` of every action over a policy ``(S, A)``."""
    values = evaluate_policy(mdp, policy)
    return mdp.rewards + mdp.discount * mdp.next_values(values) - values[:, None]


def counterexample() -> Counterexample:
    """The state with the neglected action is never visited: nothing is lost."""
    transitions = np.zeros((2, 2, 2))
    transitions[0, :, 0] = transitions[1, :, 1] = 1.0
    true = FiniteMDP(transitions, np.array([[0.0, 1.0], [1.0, 0.0]]), 0.9)
    policy = np.array([[1.0, 0.0], [1.0, 0.0]])  # optimal for the training reward 0 in state 0
    start = np.array([0.0, 1.0])
    lost = float(start @ (optimal_q(true).max(axis=1) - evaluate_policy(true, policy)))
    missed = float(advantage(true, policy)[0, 1])
    return Counterexample(
        dropped="s_0 is reachable from the start",
        text="Two absorbing states. In the first the policy neglects an action worth 1 more in "
        "the missing reward, but every episode starts in the second: no return is lost.",
        evidence={"advantage neglected": missed, "return lost from the start": lost},
        fails=missed > 0 and abs(lost) < 1e-9,
    )
