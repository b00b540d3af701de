"""Where the optimal policy changes along a ray of rewards: exactly, with no grid."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.theory._checks import (
    LARGEST,
    Array,
    bounded,
    floats,
    fractions,
    indicator,
    positive,
    real_array,
    shown,
    to_fraction,
)
from companion.theory.linear import PolicySystem
from companion.theory.mdp import FiniteMDP, require_mdp
from companion.theory.rational import solve_policy

MAX_POLICY_STEPS = 1000


@dataclass(frozen=True)
class PolicyBreakpoints:
    """The outcome of `policy_breakpoints`: K breakpoints, N open segments between them.

    Attributes:
        epsilons: (K,), increasing: every ε of the closed interval at which the sets of optimal
            actions change. An end of the interval is listed when the sets at it differ from those
            next to it inside (a tie that the first step breaks).
        segments: (N, 2), the ends of the open segments into which the interior epsilons cut the
            interval, so N is one more than their number.
        optimal: (N, S, A) bool, A*(s; R + εD) on each segment.
        policies: (N, S, A), the deterministic selection from `optimal` with the lowest index.
        intercepts, slopes: (N, S); V*(s; R + εD) = intercepts + ε slopes on each segment, convex
            and piecewise linear in ε over the whole interval.
    """

    epsilons: Array
    segments: Array
    optimal: NDArray[np.bool_]
    policies: Array
    intercepts: Array
    slopes: Array


class _Line(NamedTuple):
    """Under one policy: values V_R + εV_D and advantages A_R + εA_D, none of them rounding alone.

    tie: (S, A, 2), where ε is within tie[0] + |ε| tie[1] of −A_R/A_D the advantage counts as zero.
    """

    choice: NDArray[np.intp]
    values: Array  # (S, 2)
    start: Array  # A_R, (S, A), zero where only rounding
    slope: Array  # A_D, (S, A), zero where parallel
    tie: Array


def policy_breakpoints(
    mdp: FiniteMDP, direction: ArrayLike, interval: tuple[Any, Any], rtol: float = 1e-11
) -> PolicyBreakpoints:
    """All ε in `interval` = (low, high) at which the optimal policy along R + εD changes.

    Parametric policy iteration. At ε, policy iteration with lexicographic comparison (first
    Q_R+εD, then its derivative Q_D) finds a policy that stays optimal just right of ε: it is
    policy iteration for R + (ε + δ)D with an infinitesimal δ, so it ends. Its advantages are
    linear in ε, A_R + εA_D, and the first −A_R/A_D to come is the next breakpoint: it owes its
    digits to that policy alone, not to the interval. Directions that keep a tie tied leave it in
    `optimal`; several states may change at one ε.

    direction: (S, A), D. For an exact MDP all of it is rational, and exact. In floats an A_R or A_D
    counts as zero within `rtol` times max|R| + span(V_R)/2 or the same of D, so breakpoints closer
    to each other (or to zero) than that over A_D become one; where that matters, give the rewards
    as Fractions. Raises ArithmeticError where rounding makes policies go round in circles.

    >>> from fractions import Fraction
    >>> from companion.theory import FiniteMDP
    >>> bandit = FiniteMDP([[[1], [1]]], [[Fraction(1), Fraction(2, 3)]], discount=0)
    >>> found = policy_breakpoints(bandit, [[0, 1]], (0, 1))
    >>> [str(epsilon) for epsilon in found.epsilons]
    ['1/3']
    """
    require_mdp(mdp)
    ray = _Ray(mdp, direction, positive("rtol", rtol))
    low, high = _interval(interval, exact=mdp.exact)
    line = ray.just_right_of(low, np.zeros(mdp.n_states, dtype=np.intp))
    epsilons = [low] if ((ray.sign(line, low) == 0) & (line.slope < 0)).any() else []
    edges, lines = [low], [line]
    while ((ray.sign(line, high) > 0) & (line.slope > 0)).any():
        crossing = ray.next_crossing(line)
        line = ray.just_right_of(crossing, line.choice)
        edges.append(crossing)
        epsilons.append(crossing)
        lines.append(line)
    if ((ray.sign(line, high) == 0) & (line.slope > 0)).any():
        epsilons.append(high)
    edges.append(high)
    optimal = np.array([(line.start == 0) & (line.slope == 0) for line in lines])
    first = optimal.argmax(axis=2)[:, :, None] == np.arange(mdp.n_actions)
    values = np.array([line.values for line in lines])
    dtype = object if mdp.exact else np.float64
    return PolicyBreakpoints(
        epsilons=np.array(epsilons, dtype=dtype),
        segments=np.array([edges[:-1], edges[1:]], dtype=dtype).T,
        optimal=optimal,
        policies=indicator(first, exact=mdp.exact),
        intercepts=values[:, :, 0],
        slopes=values[:, :, 1],
    )


class _Ray:
    """The rewards R + εD of one MDP, and comparisons along them."""

    def __init__(self, mdp: FiniteMDP, direction: ArrayLike, rtol: float) -> None:
        slope = real_array("direction", direction, ndim=2)
        if slope.shape != mdp.rewards.shape:
            raise ValueError(f"direction must have shape {mdp.rewards.shape}, got {slope.shape}")
        if mdp.exact:
            slope = fractions("direction", slope)
        else:
            slope = floats("direction", slope)
            bounded("direction", np.abs(slope).max(), (1 - mdp.discount) * LARGEST)
        self.mdp = mdp
        self.rewards = np.stack([mdp.rewards, slope], axis=2)
        self.rtol = rtol

    def just_right_of(self, epsilon: Any, choice: NDArray[np.intp]) -> _Line:
        """The line of a policy that is optimal at ε and on an interval to the right of it."""
        states = np.arange(self.mdp.n_states)
        for _ in range(MAX_POLICY_STEPS):
            line = self._line(choice)
            sign = self.sign(line, epsilon)
            with np.errstate(over="ignore"):
                at = np.where(sign == 0, 0 * line.start, line.start + epsilon * line.slope)
            best = _lexicographic_argmax(at, line.slope)
            tied = (sign[states, best] == 0) & (line.slope[states, best] > 0)
            better = (sign[states, best] > 0) | tied
            if not better.any():
                return line
            choice = np.where(better, best, choice)
        raise ArithmeticError(
            f"policies tie to within rounding near epsilon = {epsilon}; give exact rewards"
        )

    def sign(self, line: _Line, epsilon: Any) -> NDArray[np.intp]:
        """The sign of each advantage at ε, (S, A), zero where only rounding tells it."""
        moving = line.slope != 0
        root, slope = self._roots(line), np.sign(line.slope).astype(np.intp)
        with np.errstate(over="ignore"):
            past = np.sign(epsilon - root).astype(np.intp)
            past[np.abs(epsilon - root) <= line.tie[..., 0] + abs(epsilon) * line.tie[..., 1]] = 0
        return np.where(moving, past * slope, np.sign(line.start).astype(np.intp))

    def next_crossing(self, line: _Line) -> Any:
        """The ε at which the first other action catches up; there must be one."""
        return self._roots(line)[line.slope > 0].min()

    def _roots(self, line: _Line) -> Array:
        """−A_R/A_D, (S, A); what parallel actions get means nothing."""
        with np.errstate(over="ignore"):
            return -line.start / np.where(line.slope == 0, 1 + 0 * line.slope, line.slope)

    def _line(self, choice: NDArray[np.intp]) -> _Line:
        mdp = self.mdp
        states = np.arange(mdp.n_states)
        earned = self.rewards[states, choice]
        if mdp.exact:
            policy = indicator(choice[:, None] == np.arange(mdp.n_actions), exact=True)
            values = solve_policy(mdp, policy, earned)
        else:
            system = PolicySystem(mdp, choice)
            values = np.stack([system.values(column) for column in earned.T], axis=1)
        after = np.stack([mdp.next_values(values[:, 0]), mdp.next_values(values[:, 1])], axis=2)
        q = self.rewards + mdp.discount * after
        own = q[states, choice]
        advantages = q - own[:, None, :]
        if mdp.exact:
            start, slope = advantages[..., 0], advantages[..., 1]
            return _Line(choice, values, start, slope, tie=0 * advantages)
        # (1 − γ) times the constant that the values lack is what their equation leaves over.
        left = own - values
        constant = (left.min(axis=0) + left.max(axis=0)) / 2 / (1 - mdp.discount)
        sizes = np.abs(self.rewards).max(axis=(0, 1)) + np.abs(values).max(axis=0)
        with np.errstate(over="ignore"):
            noise = self.rtol * sizes
        advantages = np.where(np.abs(advantages) <= noise, 0.0, advantages)
        start, slope = advantages[..., 0], advantages[..., 1]
        with np.errstate(over="ignore"):
            tie = noise / np.where(slope == 0, 1.0, np.abs(slope))[..., None]
        return _Line(choice, values + constant, start, slope, tie)


def _lexicographic_argmax(first: Array, second: Array) -> NDArray[np.intp]:
    """Per row, the index of the largest (first, second)."""
    tied = first == first.max(axis=1, keepdims=True)
    return np.where(tied, second, second.min() - 1).argmax(axis=1).astype(np.intp)


def _interval(interval: tuple[Any, Any], *, exact: bool) -> tuple[Any, Any]:
    try:
        ends = [to_fraction("interval", end) for end in interval]
    except TypeError:
        ends = []
    if len(ends) != 2:
        raise ValueError(f"interval must be a pair of numbers, got {shown(interval)}")
    low, high = ends if exact else floats("interval", np.array(ends)).tolist()
    if not low < high:
        raise ValueError(f"interval must satisfy low < high, got {shown(interval)}")
    return low, high
