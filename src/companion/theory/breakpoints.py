"""Where the optimal policy changes along a ray of rewards: exactly, with no grid."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.theory._checks import (
    Array,
    fractions,
    indicator,
    is_exact,
    positive,
    real_array,
    to_fraction,
)
from companion.theory.bellman import discounted_sums
from companion.theory.mdp import FiniteMDP

MAX_POLICY_STEPS = 1000


@dataclass(frozen=True)
class PolicyBreakpoints:
    """The outcome of `policy_breakpoints`: K breakpoints, N open segments between them.

    epsilons: (K,), increasing: every ε of the closed interval at which the sets of optimal
        actions change. An end of the interval is listed when the sets at it differ from those
        next to it inside (a tie that the first step breaks).
    segments: (N, 2), the ends of the open segments into which the interior epsilons cut the
        interval, so N is one more than their number.
    optimal: (N, S, A) bool, A*(s; R + εD) on each segment.
    policies: (N, S, A), the deterministic selection from `optimal` with the lowest index.
    intercepts, slopes: (N, S); V*(s; R + εD) = intercepts + ε slopes on each segment, convex and
        piecewise linear in ε over the whole interval.
    """

    epsilons: Array
    segments: Array
    optimal: NDArray[np.bool_]
    policies: Array
    intercepts: Array
    slopes: Array


class _Line(NamedTuple):
    """Under one policy: values V_R + εV_D, advantages A_R + εA_D, and the advantages at ε."""

    choice: NDArray[np.intp]
    values: Array  # (S, 2)
    advantages: Array  # (S, A, 2)
    at: Array  # (S, A), zero where tied
    slope: Array  # (S, A), zero where parallel


def policy_breakpoints(
    mdp: FiniteMDP, direction: ArrayLike, interval: tuple[Any, Any], rtol: float = 1e-11
) -> PolicyBreakpoints:
    """All ε in `interval` = (low, high) at which the optimal policy along R + εD changes.

    Parametric policy iteration. At ε, policy iteration with lexicographic comparison (first
    Q_R+εD, then its derivative Q_D) finds a policy that stays optimal just right of ε: it is
    policy iteration for R + (ε + δ)D with an infinitesimal δ, so it ends. Its advantages are
    linear in ε, and the first that reaches zero is the next breakpoint. Directions that keep a
    tie tied leave it in `optimal`; several states may change at one ε.

    direction: (S, A), D. For an exact MDP all of it is rational, and exact. In floats two numbers
    count as equal within `rtol` times the largest |Q|, so breakpoints closer than that over
    |slope difference| become one; where that matters, give the rewards as Fractions.
    """
    ray = _Ray(mdp, direction, positive("rtol", rtol))
    low, high = _interval(interval, exact=mdp.exact)
    line = ray.just_right_of(low, np.zeros(mdp.n_states, dtype=np.intp))
    epsilons = [low] if ((line.at == 0) & (line.slope < 0)).any() else []
    edges, lines = [low], [line]
    while ((ray.at(line, high) > 0) & (line.slope > 0)).any():
        crossing = ray.next_crossing(line, edges[-1])
        line = ray.just_right_of(crossing, line.choice)
        edges.append(crossing)
        epsilons.append(crossing)
        lines.append(line)
    if ((ray.at(line, high) == 0) & (line.slope > 0)).any():
        epsilons.append(high)
    edges.append(high)
    optimal = np.array([ray.optimal(line) for line in lines])
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
        elif is_exact(slope):
            slope = slope.astype(np.float64)
        self.mdp = mdp
        self.rewards = np.stack([mdp.rewards, slope], axis=2)
        self.rtol = 0 if mdp.exact else rtol

    def just_right_of(self, epsilon: Any, choice: NDArray[np.intp]) -> _Line:
        """The line of a policy that is optimal at ε and on an interval to the right of it."""
        states = np.arange(self.mdp.n_states)
        for _ in range(MAX_POLICY_STEPS):
            line = self._line(epsilon, choice)
            best = _lexicographic_argmax(line.at, line.slope)
            better = (line.at[states, best] > 0) | (
                (line.at[states, best] == 0) & (line.slope[states, best] > 0)
            )
            if not better.any():
                return line
            choice = np.where(better, best, choice)
        raise ArithmeticError(
            f"policies tie to within rounding near epsilon = {epsilon}; give exact rewards"
        )

    def at(self, line: _Line, epsilon: Any) -> Array:
        """The advantages of a line's policy at ε, (S, A)."""
        return self._at(line.advantages, epsilon, line.values)

    def next_crossing(self, line: _Line, epsilon: Any) -> Any:
        """The first ε' > ε at which another action catches up; there must be one."""
        catching = line.slope > 0
        return epsilon + (-line.at[catching] / line.slope[catching]).min()

    def optimal(self, line: _Line) -> NDArray[np.bool_]:
        """The optimal actions on the whole segment: tied, and moving in parallel."""
        return (line.at == 0) & (line.slope == 0)

    def _line(self, epsilon: Any, choice: NDArray[np.intp]) -> _Line:
        mdp = self.mdp
        states = np.arange(mdp.n_states)
        policy = indicator(choice[:, None] == np.arange(mdp.n_actions), exact=mdp.exact)
        values = discounted_sums(mdp, policy, self.rewards[states, choice])
        after = np.stack([mdp.next_values(values[:, 0]), mdp.next_values(values[:, 1])], axis=2)
        advantages = self.rewards + mdp.discount * after - values[:, None, :]
        # Zero by definition; in floats only up to rounding.
        advantages[states, choice] = 0 * advantages[0, 0]
        slope = self._snap(advantages[..., 1], self._sizes(values)[1])
        return _Line(choice, values, advantages, self._at(advantages, epsilon, values), slope)

    def _at(self, advantages: Array, epsilon: Any, values: Array) -> Array:
        sizes = self._sizes(values)
        there = advantages[..., 0] + epsilon * advantages[..., 1]
        return self._snap(there, sizes[0] + abs(epsilon) * sizes[1])

    def _sizes(self, values: Array) -> Array:
        """The largest |Q_R| and |Q_D|, or a little more."""
        return np.abs(self.rewards).max(axis=(0, 1)) + np.abs(values).max(axis=0)

    def _snap(self, advantages: Array, size: Any) -> Array:
        """Advantages with those that are rounding errors of numbers up to `size` set to zero."""
        if self.mdp.exact:
            return advantages
        return np.where(np.abs(advantages) <= self.rtol * size, 0.0, advantages)


def _lexicographic_argmax(first: Array, second: Array) -> NDArray[np.intp]:
    """Per row, the index of the largest (first, second)."""
    tied = first == first.max(axis=1, keepdims=True)
    return np.where(tied, second, second.min() - 1).argmax(axis=1).astype(np.intp)


def _interval(interval: tuple[Any, Any], *, exact: bool) -> tuple[Any, Any]:
    try:
        low, high = (to_fraction("interval", end) for end in interval)
    except TypeError:
        raise ValueError(f"interval must be a pair of numbers, got {interval!r}") from None
    if not low < high:
        raise ValueError(f"interval must satisfy low < high, got {interval!r}")
    return (low, high) if exact else (float(low), float(high))
