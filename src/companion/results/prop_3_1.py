"""Proposition 3.1: the clever slacker is strictly suboptimal for the true reward."""

from typing import Any

import numpy as np
import sympy
import z3

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Step,
    identity,
    prove,
    tex,
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
    """The performance difference for two and three states, all symbols; then the signs."""
    for states in (2, 3):
        _performance_difference(states)
    visits, train, missing = z3.Reals("visits train missing")
    prove(gain(visits, train, missing) > 0, visits > 0, train == 0, missing > 0)
    first, discount = z3.Reals("first discount")
    prove(visits > 0, visits >= first * discount, first > 0, discount > 0, discount < 1)
    n = sympy.Symbol("N")
    a_train, a_missing = (
        sympy.Symbol(rf"A^{{\pi}}_{{\mathrm{{{part}}}}}") for part in ("train", "missing")
    )
    return Derivation(
        steps=(
            Step(
                "Values of a fixed policy are linear in the reward, so advantages add.",
                rf"A^{{\pi}}_{{\mathrm{{true}}}} = {tex(a_train)} + {tex(a_missing)}",
            ),
            Step(
                "Change the policy in $s_0$ only, to $a_2$. From any start the value rises by the "
                "discounted visits $N$ to $s_0$ under the new policy, times the advantage "
                "(performance difference; for two and three states an identity in all symbols).",
                r"V^{\pi'}_{\mathrm{true}}(\mu) - V^{\pi}_{\mathrm{true}}(\mu) = "
                + tex(gain(n, a_train, a_missing))
                + "(s_0, a_2)",
            ),
            Step(
                "$a_2$ is optimal for the training reward and so is $\\pi$: no training advantage.",
                r"A^{\pi}_{\mathrm{train}}(s_0, a_2) = Q^*_{\mathrm{train}}(s_0, a_2) "
                r"- V^*_{\mathrm{train}}(s_0) = 0",
            ),
            Step(
                "Up to the first visit of $s_0$ the two policies agree, so $N \\ge \\gamma^T "
                "\\Pr(\\text{first visit at } T) > 0$ for some $T$.",
                r"\Pr(\text{first visit at } T) > 0,\ \gamma^T > 0 \implies N > 0",
            ),
            Step(
                "Both factors are positive: the return rises strictly.",
                rf"{tex(n)}\, {tex(a_missing)}(s_0, a_2) > 0",
            ),
        ),
        scope="the performance difference as an identity in all transition probabilities, "
        "rewards and the discount for two and three states (SymPy; any number by the same "
        "telescoping sum); the sign for all reals (z3).",
    )


def _performance_difference(states: int) -> None:
    """V' − V from every start, by solving both linear systems, against visits times advantage."""
    gamma = sympy.Symbol("gamma", positive=True)
    kernel = sympy.Matrix(states, states, lambda i, j: sympy.Symbol(f"p{i}{j}"))
    reward = sympy.Matrix(states, 1, lambda i, _: sympy.Symbol(f"r{i}"))
    row = sympy.Matrix(1, states, lambda _, j: sympy.Symbol(f"t{j}"))
    bonus, train = sympy.symbols("b_missing b_train")
    switched_kernel, switched_reward = kernel.copy(), reward.copy()
    switched_kernel[0, :] = row
    switched_reward[0] = bonus + train

    def values(p: sympy.Matrix, r: sympy.Matrix) -> sympy.Matrix:
        return (
            (sympy.eye(states) - gamma * p).adjugate() * r / (sympy.eye(states) - gamma * p).det()
        )

    before, after = values(kernel, reward), values(switched_kernel, switched_reward)
    first = sympy.eye(states)[:, 0]
    visits = values(switched_kernel, first)
    # Split the advantage in two: the reward of the switched action, and what follows it.
    follow = (gamma * row * before)[0] - before[0]
    for start in range(states):
        claim = gain(visits[start], train + follow, bonus)
        difference = sympy.together(after[start] - before[start] - claim)
        identity(sympy.expand(sympy.numer(difference)), sympy.Integer(0))


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
