"""A language model's decision process: the tree of token strings, solved level by level."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from companion.theory._checks import (
    Array,
    bounded,
    discount_factor,
    distributions,
    feasible,
    floats,
    fractions,
    frozen,
    is_exact,
    positive,
    real_array,
    shown,
    whole,
)
from companion.theory.mdp import FiniteMDP
from companion.theory.policies import softmax_policy

# One array a level: levels[t] has shape (n**t, A), a row for each unfinished prefix of t tokens.
Levels = Sequence[Any]

# Columns of so many nodes stay in the processor's cache while one level is backed up.
BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class TokenTree:
    """All strings over a vocabulary up to a length, as a deterministic MDP (paper, section 2).

    Attributes:
        vocabulary: the n ordinary tokens, without the end-of-sequence token.
        depth: H ≥ 1, the largest number of actions; a string of H tokens is cut off there.
        rewards: H arrays, `rewards[t][i, a]` of shape (n**t, A) for taking action a at the
            unfinished prefix i of t tokens; None is zero everywhere. A terminal reward sits on the
            actions that end a string (`terminal`). Fractions make the hard optimum exact.
        discount: γ in [0, 1]; one is allowed because the horizon is finite.
        end_of_sequence: the token that ends a string at any length; action n, the last one, so that
            A = n + 1. With None all strings have length H and A = n.

    Arrays are copied and read-only: what becomes of the caller's own does not matter. Raises
    ValueError, naming the argument and its value, for all else.

    The prefix (k_0, …, k_{t-1}) of token indices has index Σ_j k_j n^j: the children under one
    action then lie side by side, and every backup runs over contiguous memory.
    """

    vocabulary: Sequence[Hashable]
    depth: int
    rewards: Any = None
    discount: Any = 1.0
    end_of_sequence: Hashable | None = "<eos>"

    def __post_init__(self) -> None:
        object.__setattr__(self, "vocabulary", self._tokens())
        object.__setattr__(self, "depth", whole("depth", self.depth, 1))
        feasible("prefixes are", len(self.vocabulary), self.depth - 1, len(self.actions))
        given = self.rewards
        if given is None:
            given = [np.zeros(self.shape(t), order="F") for t in range(self.depth)]
        levels = self._levels("rewards", given)
        exact = any(is_exact(level) for level in levels)
        if exact:
            levels = [fractions("rewards", level) for level in levels]
        else:
            bounded("rewards", _largest_sum(levels))
        object.__setattr__(self, "rewards", tuple(frozen(level, order="F") for level in levels))
        gamma = discount_factor(self.discount, exact=exact, one_allowed=True)
        object.__setattr__(self, "discount", gamma)

    @classmethod
    def from_completions(
        cls,
        vocabulary: Sequence[Hashable],
        depth: int,
        reward: Callable[[tuple[Hashable, ...]], Any],
        discount: Any = 1.0,
        end_of_sequence: Hashable | None = "<eos>",
    ) -> "TokenTree":
        """A tree whose terminal rewards are `reward(completion)`, as RLHF has them.

        A completion is the tuple of its tokens, with the end-of-sequence token if it has one.
        """
        tree = cls(vocabulary, depth, None, discount, end_of_sequence)
        if not callable(reward):
            raise ValueError(f"reward must be a function of a completion, got {shown(reward)}")
        values = real_array("reward", [reward(y) for y in tree.completions()], ndim=1)
        levels = [np.zeros(tree.shape(t), values.dtype, order="F") for t in range(tree.depth)]
        start = 0
        for level, ends in zip(levels, tree.terminal(), strict=True):
            stop = start + int(ends.sum())
            level.T[ends.T] = values[start:stop]
            start = stop
        return cls(vocabulary, depth, levels, discount, end_of_sequence)

    @property
    def exact(self) -> bool:
        """Whether rewards and discount are rationals."""
        return is_exact(self.rewards[0])

    @property
    def actions(self) -> tuple[Hashable, ...]:
        """The A actions: the tokens in order, then the end-of-sequence token if there is one."""
        end = () if self.end_of_sequence is None else (self.end_of_sequence,)
        return (*self.vocabulary, *end)

    @property
    def n_prefixes(self) -> int:
        """The number of unfinished prefixes, Σ_{t<H} n^t: the states where there is a choice."""
        return sum(self.shape(t)[0] for t in range(self.depth))

    def shape(self, level: int) -> tuple[int, int]:
        """(n**t, A) for level t."""
        return len(self.vocabulary) ** level, len(self.actions)

    def terminal(self) -> list[NDArray[np.bool_]]:
        """Per level, a mask of the actions that end a string."""
        masks = [np.zeros(self.shape(t), dtype=bool, order="F") for t in range(self.depth)]
        for mask in masks:
            mask[:, len(self.vocabulary) :] = True
        masks[-1][:] = True
        return masks

    def completions(self) -> Iterator[tuple[Hashable, ...]]:
        """All complete strings, shortest first, in the order of every array over completions."""
        end = () if self.end_of_sequence is None else (self.end_of_sequence,)
        prefixes: list[tuple[Hashable, ...]] = [()]
        for _ in range(self.depth - 1):
            yield from (prefix + end for prefix in prefixes if end)
            prefixes = [(*prefix, token) for token in self.vocabulary for prefix in prefixes]
        yield from ((*prefix, action) for action in self.actions for prefix in prefixes)

    def optimal_q(self) -> list[Array]:
        """Q* per level, (n**t, A), by backward induction; exact for exact rewards.

        The last level is the rewards themselves, not a copy.
        """
        return _backward(self.rewards, self.discount, _maximum)

    def soft_optimal_q(self, temperature: float, reference: Levels | None = None) -> list[Array]:
        """Q of the regularised optimum, per level; the last level is the rewards, as above.

        With a `reference` policy (levels of rows in the simplex) the objective is
        E Σ γ^t (R − α KL(π ‖ π_ref)), whose values are V = α log Σ_a π_ref(a) exp(Q(a)/α); with
        None it is E Σ γ^t (R + α H(π)), the same with 1 in place of π_ref(a).
        """
        alpha = positive("temperature", temperature)
        weights = None if reference is None else self._policy("reference", reference)
        rewards = [floats("rewards", level) for level in self.rewards]
        entropy = self.depth * alpha * len(self.actions)  # or a little less
        bounded("rewards and entropy", _largest_sum(rewards) + entropy)

        def backup(q: Array, level: int, block: slice) -> Array:
            prior = None if weights is None else weights[level][block]
            allowed = q if prior is None else np.where(prior > 0, q, -np.inf)
            best = allowed.max(axis=1)
            total = np.zeros(best.size)
            with np.errstate(over="ignore"):  # a tiny temperature: exp(-inf) = 0 is right
                for a in range(q.shape[1]):
                    factor = 1.0 if prior is None else prior[:, a]
                    total += factor * np.exp((allowed[:, a] - best) / alpha)
            return best + alpha * np.log(total)

        return _backward(rewards, float(self.discount), backup)

    def soft_optimal_policy(
        self, temperature: float, reference: Levels | None = None
    ) -> list[NDArray[np.float64]]:
        """The regularised optimal policy π(a) ∝ π_ref(a) exp(Q(a)/α), (n**t, A) per level."""
        levels = self.soft_optimal_q(temperature, reference)
        if reference is None:
            return [softmax_policy(q, temperature) for q in levels]
        prior = self._policy("reference", reference)
        alpha = positive("temperature", temperature)
        return [_tilted(p, q, alpha) for p, q in zip(prior, levels, strict=True)]

    def completion_returns(self) -> Array:
        """Σ_t γ^t R of each completion, shape (C,), in the order of `completions`."""
        levels = [self.discount**t * level for t, level in enumerate(self.rewards)]
        return self._forward(levels, np.add, 0 * levels[0][:1, 0])

    def completion_probabilities(self, policy: Levels) -> Array:
        """The probability of each completion under a policy given per level, shape (C,)."""
        return self._forward(self._policy("policy", policy), np.multiply, np.ones(1))

    def kl_optimal_completions(self, temperature: float, reference: Levels) -> NDArray[np.float64]:
        """π(y) ∝ π_ref(y) exp(G(y)/α) over whole completions, (C,): KL-regularised RLHF's optimum.

        It maximises E G − α KL over distributions of completions, with G = `completion_returns`.
        At γ = 1 it is what `soft_optimal_policy` induces, as KL adds up along a string; below
        one the two differ, because the per-step penalty is discounted, too.
        """
        alpha = positive("temperature", temperature)
        returns = floats("returns", self.completion_returns())
        return _tilted(self.completion_probabilities(reference), returns, alpha)

    def to_mdp(self) -> FiniteMDP:
        """The tree as a FiniteMDP with sparse transitions; needs a discount below one.

        State Σ_{s<t} n^s + i is prefix i of level t; the last state is the end, which every
        ending action leads to and where all actions give 0 for ever. It is `terminal`, so that
        the regularised optimum, too, is the tree's own.
        """
        states, actions = self.n_prefixes + 1, len(self.actions)
        successor = np.full((states, actions), states - 1)
        start = 0
        for t in range(self.depth - 1):
            nodes, n = self.shape(t)[0], len(self.vocabulary)
            children = start + nodes + np.arange(nodes * n).reshape(n, nodes).T
            successor[start : start + nodes, :n] = children
            start += nodes
        rows = np.arange(states * actions + 1)
        cells = (np.ones(states * actions), successor.ravel(), rows)
        rewards = np.concatenate([*self.rewards, 0 * self.rewards[0]])
        transitions = sp.csr_array(cells, shape=(states * actions, states))
        return FiniteMDP(transitions, rewards, self.discount, np.arange(states) == states - 1)

    def _forward(self, levels: Levels, combine: np.ufunc, start: Array) -> Array:
        """Combine each completion's path, level by level, into one number."""
        tokens, reached, done = len(self.vocabulary), start, []
        for level in levels[:-1]:
            here = combine(reached[:, None], level)
            done.append(here[:, tokens:].ravel(order="F"))
            reached = here[:, :tokens].ravel(order="F")
        done.append(combine(reached[:, None], levels[-1]).ravel(order="F"))
        return np.concatenate(done)

    def _tokens(self) -> tuple[Hashable, ...]:
        try:
            tokens = tuple(self.vocabulary)
            distinct = len(set(self.actions))
        except TypeError as error:
            raise ValueError(f"vocabulary must hold hashable tokens: {error}") from None
        if not tokens or distinct != len(self.actions):
            raise ValueError(f"vocabulary must hold distinct tokens, got {shown(self.vocabulary)}")
        return tokens

    def _levels(self, name: str, levels: Levels) -> list[Array]:
        given = as_levels(name, levels, self.depth)
        arrays = [real_array(f"{name}[{t}]", level, ndim=2) for t, level in enumerate(given)]
        for t, array in enumerate(arrays):
            if array.shape != self.shape(t):
                raise ValueError(f"{name}[{t}] must have shape {self.shape(t)}, got {array.shape}")
        return arrays

    def _policy(self, name: str, policy: Levels) -> list[Array]:
        levels = enumerate(self._levels(name, policy))
        named = [(f"{name}[{t}]", level) for t, level in levels]
        return [floats(key, distributions(key, level)) for key, level in named]


def as_levels(name: str, levels: Any, depth: int) -> list[Any]:
    """The entries of a sequence, which must be `depth` of them."""
    try:
        given = list(levels)
    except TypeError:
        raise ValueError(f"{name} must be a list of {depth} levels, got {shown(levels)}") from None
    if len(given) != depth:
        raise ValueError(f"{name} must have {depth} levels, got {len(given)}")
    return given


def _largest_sum(levels: Levels) -> float:
    """A bound on the sum of the rewards along any path."""
    return sum(float(np.abs(level).max()) for level in levels)


def _backward(
    rewards: Levels, discount: Any, backup: Callable[[Array, int, slice], Array]
) -> list[Array]:
    """Q per level, where `backup` gives the values of a run of prefixes of a level from their Q."""
    levels = list(rewards)
    for t in reversed(range(len(levels) - 1)):
        below, nodes = levels[t + 1], levels[t].shape[0]
        q = levels[t].copy(order="F")
        # A run of `nodes` rows below holds the children of all prefixes under one action.
        for a in range(below.shape[0] // nodes):
            for i in range(0, nodes, BLOCK):
                run = slice(i, min(i + BLOCK, nodes))
                child = slice(a * nodes + run.start, a * nodes + run.stop)
                q[run, a] += discount * backup(below[child], t + 1, child)
        levels[t] = q
    return levels


def _tilted(
    prior: NDArray[np.float64], values: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """prior · exp(values / temperature), normalised along the last axis."""
    allowed = np.where(prior > 0, values, -np.inf)
    with np.errstate(over="ignore"):
        exponents = (allowed - allowed.max(axis=-1, keepdims=True)) / temperature
    weights = prior * np.exp(exponents)
    return weights / weights.sum(axis=-1, keepdims=True)


def _maximum(q: Array, _level: int, _block: slice) -> Array:
    return q.max(axis=1)
