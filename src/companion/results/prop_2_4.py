"""Proposition 2.4: optimal values are Lipschitz in the reward."""

from typing import Any

import numpy as np
import sympy

from companion.results.base import (
    Check,
    Counterexample,
    Derivation,
    Relation,
    Step,
    identity,
    tex,
)
from companion.results.induction import (
    average_stays_within,
    fixed_point_moves_at_most,
    maximum_is_nonexpansive,
)
from companion.results.samples import random_mdps
from companion.theory import FiniteMDP, optimal_q

ITEM = "Proposition 2.4"
TITLE = "Optimal values are Lipschitz in the reward"
CHAPTER = 1
uses: tuple[str, ...] = ()

STATEMENT = r"""
Let $S$, $A$ be compact metric spaces, $P$ a Feller kernel and $\gamma \in [0, 1)$. For all
continuous rewards $R_1, R_2$,
$$\lVert Q^*_{R_1} - Q^*_{R_2} \rVert_\infty \le 
\frac{\lVert R_1 - R_2 \rVert_\infty}{1 - \gamma}.$$

*Sharpness (ours).* The constant is the best possible: adding a constant $c$ to every reward moves
every $Q$ by exactly $c/(1-\gamma)$.
"""


def bound(reward_distance: Any, discount: Any) -> Any:
    """Bound on the sup distance of the two optimal Q."""
    return reward_distance / (1 - discount)


def symbolic() -> Derivation:
    """The maximum is nonexpansive, an average stays within, and the fixed-point inequality."""
    delta, discount, c, dist = sympy.symbols("delta gamma c D", positive=True)
    solved = sympy.solve(sympy.Eq(dist, delta + discount * dist), dist)[0]
    largest = identity(solved, bound(delta, discount))
    shift = identity(c + discount * bound(c, discount), bound(c, discount))
    return Derivation(
        steps=(
            Step(
                "The maximum over actions is nonexpansive, whatever their number.",
                r"\bigl|\max_a f(a) - \max_a g(a)\bigr| \le \max_a |f(a) - g(a)|",
                maximum_is_nonexpansive(),
            ),
            Step(
                "An average over next states lies between the extremes of what it averages, "
                "whatever their number.",
                r"\min_{s'} x(s') \le \sum_{s'} P(s' \mid s, a)\, x(s') \le \max_{s'} x(s')",
                average_stays_within(),
            ),
            Step(
                "Subtract the two Bellman equations. By the two steps before, with "
                "$D = \\lVert Q_1 - Q_2 \\rVert_\\infty$ and "
                "$\\delta = \\lVert R_1 - R_2 \\rVert_\\infty$,",
                rf"D \le {tex(delta + discount * dist)} \implies D \le {tex(largest.rhs)}",
                (fixed_point_moves_at_most(bound), largest),
            ),
            Step(
                "It cannot be improved: if every reward rises by $c$, the constant shift "
                "$c/(1-\\gamma)$ of $Q$ reproduces itself in the Bellman equation.",
                shift,
            ),
        ),
        scope="all of it for any number of states and actions, every kernel, all real rewards and "
        "$0 \\le \\gamma < 1$ (z3; maxima and averages by induction on the number of terms). For "
        "infinite $S$ and $A$ the same inequalities are read with suprema; continuity of $Q^*$ is "
        "Banach's fixed point.",
    )


def numeric(rng: np.random.Generator, repeats: int = 25) -> tuple[Check, ...]:
    """Random and degenerate MDPs; random reward changes, and the constant shift that attains."""
    rows = []
    for mdp in random_mdps(rng, repeats):
        size = 10.0 ** rng.uniform(-3, 1)
        noise = rng.uniform(-1.0, 1.0, size=mdp.rewards.shape)
        corner = rng.choice([-1.0, 1.0], size=mdp.rewards.shape)
        changes = (size * noise, size * corner, np.full_like(noise, size))
        rows.append((mdp.discount, *(x for change in changes for x in _moves(mdp, change))))
    discount, *moves = np.array(rows).T
    checks = []
    for kind, distance, q_distance in zip(
        ("random change", "random signs", "constant shift"), moves[::2], moves[1::2], strict=True
    ):
        columns = {"discount": discount, "reward_distance": distance}
        relation: Relation = "==" if kind == "constant shift" else "<="
        checks.append(
            Check(
                f"move of optimal Q, {kind}",
                relation,
                q_distance,
                bound(distance, discount),
                columns,
            )
        )
    return tuple(checks)


def _moves(mdp: FiniteMDP, change: np.ndarray) -> tuple[float, float]:
    moved = mdp.with_rewards(mdp.rewards + change)
    q_distance = np.abs(optimal_q(moved, tol=1e-12) - optimal_q(mdp, tol=1e-12)).max()
    return np.abs(moved.rewards - mdp.rewards).max(), q_distance


def counterexample() -> Counterexample:
    """Discount 1: equal rewards, and two solutions of the Bellman equation at distance 1."""
    transitions, reward = np.ones((1, 1, 1)), np.zeros((1, 1))
    residuals = [
        float(np.abs(reward + transitions @ q.max(axis=1) - q).max())
        for q in (np.zeros((1, 1)), np.ones((1, 1)))
    ]
    return Counterexample(
        dropped="γ < 1",
        text="One absorbing state, reward 0, discount 1: Q = 0 and Q = 1 both solve the Bellman "
        "equation, so Q is not a function of R, and equal rewards do not bound the distance.",
        evidence={
            "residual of Q = 0": residuals[0],
            "residual of Q = 1": residuals[1],
            "distance of the rewards": 0.0,
            "distance of the solutions": 1.0,
        },
        fails=residuals == [0.0, 0.0],
    )
