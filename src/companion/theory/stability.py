"""How far rewards may move before an optimal policy changes (beyond the paper)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from companion.theory._checks import Array, fractions, indicator, plain, positive
from companion.theory.bellman import discounted_sums, error_bound, optimal_q
from companion.theory.linear import UNIT_ROUNDOFF
from companion.theory.mdp import FiniteMDP, require_mdp
from companion.theory.token_tree import TokenTree, as_levels

# Above this many cells of a densified (S·A, S) matrix the exact radius is not computed.
EXACT_CELLS = 50_000_000


@dataclass(frozen=True)
class StabilityRadius:
    """The outcome of `stability_radius`.

    Attributes:
        gap: Δ, the smallest difference between the best and the second-best action over all states.
        guaranteed: a radius that needs Δ and γ alone.
        exact: the largest radius, or None where it was not computed.
        binding: (state, action) whose action takes over first; in a token tree the state is
            (level, prefix). None with `exact` None, or where no perturbation changes the policy
            (`exact` = ∞).
        direction: the perturbation D, entries in {-1, 0, 1} and shaped like the rewards (a list
            of levels in a token tree), for which R + exact·D has a tie at `binding` and R + εD
            another optimal policy for every ε just above `exact`. None where `binding` is.
    """

    gap: Any
    guaranteed: Any
    exact: Any | None
    binding: tuple[Any, int] | None = None
    direction: Any | None = None


def stability_radius(
    mdp: FiniteMDP | TokenTree, perturbed: Any | None = None, tol: float = 1e-9
) -> StabilityRadius:
    """The sup-norm radius around R within which the set of optimal actions cannot change.

    Perturbed is R(s, a) for every pair, or for those where the mask `perturbed` holds: (S, A),
    or for a tree a list of levels, such as `tree.terminal()`. The norm is the sup norm over
    them; the policy must stay the same in *every* state, reachable or not. At a tie that some
    permitted perturbation breaks, the radius is 0 (as in an absorbing state whose actions are
    all alike: leave its rewards out of `perturbed`). In floats a gap of at most 2 (tol + ρ) counts
    as a tie, where ρ is the rounding in `optimal_q`, and 2 H u max|Q| in a tree of depth H.

    guaranteed = (1 − γ)Δ/2, from Prop 2.4 (Q moves by at most ‖ΔR‖/(1 − γ)); in a tree of depth H,
    where Q moves by at most ‖ΔR‖ Σ_{t<H} γ^t, it is Δ/(2 Σ_{t<H} γ^t).

    exact: while π* stays optimal, V^π*(s) − Q^π*(s, b) = Δ(s, b) + ⟨l_sb, ΔR⟩ is linear in ΔR, so
    the rewards that keep π* are a polyhedron (Ng and Russell 2000) and the distance to its wall
    (s, b) in the sup norm is Δ(s, b) / ‖l_sb‖₁. Here l_sb = d^π*_s − d^π*_(s,b) is the difference
    of the two discounted occupancies over S × A, masked by `perturbed`. As both have mass
    1/(1 − γ), ‖l_sb‖₁ ≤ 2/(1 − γ), which is the guarantee again, with equality where the two
    occupancies are disjoint. In a tree they are disjoint paths: Δ/(2 Σ_{t<H} γ^t) when the gap
    at the root binds and both strings have length H, and Δ/2 for terminal rewards with γ = 1.
    One step: Δ/2.

    >>> from companion.theory import FiniteMDP
    >>> bandit = FiniteMDP([[[1], [1]]], [[1.0, 0.7]], discount=0.0)
    >>> f"{stability_radius(bandit).exact:.3f}"
    '0.150'
    """
    if isinstance(mdp, TokenTree):
        return _tree_radius(mdp, perturbed, positive("tol", tol))
    require_mdp(mdp)
    q = optimal_q(mdp, positive("tol", tol))
    tie = 2 * error_bound(mdp, q, float(tol))
    gaps, best = action_gaps(q, tie)
    gap = gaps.min() if mdp.n_actions > 1 else np.inf
    guaranteed = (1 - mdp.discount) * gap / 2
    mask = _mask("perturbed", perturbed, mdp.rewards.shape)
    if mdp.rewards.size * mdp.n_states > EXACT_CELLS:
        return StabilityRadius(gap, guaranteed, exact=None)
    return _exact_radius(mdp, gaps, best, mask, StabilityRadius(gap, guaranteed, np.inf))


def action_gaps(q: Array, tie: Any) -> tuple[Array, NDArray[np.intp]]:
    """(max_a Q − Q, at most `tie` set to zero; ∞ at the first best action itself), that action."""
    best = q.argmax(axis=1)
    gaps = np.take_along_axis(q, best[:, None], axis=1) - q
    gaps[gaps <= tie] = 0 * gaps[0, 0]
    np.put_along_axis(gaps, best[:, None], np.inf, axis=1)
    return gaps, best


def _exact_radius(
    mdp: FiniteMDP,
    gaps: Array,
    best: NDArray[np.intp],
    mask: NDArray[np.bool_],
    known: StabilityRadius,
) -> StabilityRadius:
    states, actions = mdp.rewards.shape
    policy = indicator(best[:, None] == np.arange(actions), exact=mdp.exact)
    identity = indicator(np.eye(states, dtype=bool), exact=mdp.exact)
    visits = discounted_sums(mdp, policy, identity)
    transitions = mdp.transitions
    if sp.issparse(transitions):
        transitions = transitions.toarray().reshape(states, actions, states)
        transitions = fractions("transitions", transitions) if mdp.exact else transitions
    # Over the pairs (s', π*(s')); the pair (s, b) itself adds one where it may be perturbed.
    shift = visits[:, None, :] - mdp.discount * (transitions @ visits)
    norms = np.abs(shift)[:, :, mask[np.arange(states), best]].sum(axis=2) + mask
    # Rounding, not influence: no permitted perturbation moves this comparison.
    still = norms <= (0 if mdp.exact else 1e-12 / (1 - mdp.discount))
    radii = np.where(still, np.inf, gaps / np.where(still, 1, norms))
    state, action = divmod(int(radii.argmin()), actions)
    if radii[state, action] == np.inf:
        return known
    direction = np.zeros(mask.shape)
    direction[np.arange(states), best] = -np.sign(shift[state, action]).astype(np.float64)
    direction[state, action] = 1
    return StabilityRadius(
        gap=known.gap,
        guaranteed=known.guaranteed,
        exact=radii[state, action],
        binding=(state, action),
        direction=direction * mask,
    )


def _tree_radius(tree: TokenTree, perturbed: Any | None, tol: float) -> StabilityRadius:
    """`stability_radius` of a tree: ‖l_sb‖₁ is the discounted number of perturbed rewards on the
    two paths that start with π*(s) and with b and then follow π*.
    """
    levels = tree.optimal_q()
    if tree.exact:
        tie = 0.0
    else:
        largest = max(float(np.abs(level).max()) for level in levels)
        tie = 2 * (tol + 2 * tree.depth * UNIT_ROUNDOFF * largest)
    masks = _tree_masks(tree, perturbed)
    gamma, below = tree.discount, None
    gap = radius = np.inf
    binding, best = None, [np.empty(0, dtype=np.intp)] * tree.depth
    for t in reversed(range(tree.depth)):
        gaps, best[t] = action_gaps(levels[t], tie)
        lengths = masks[t] * (1 + 0 * gamma)
        if below is not None:
            lengths[:, : len(tree.vocabulary)] += gamma * below.reshape(-1, gaps.shape[0]).T
        below = np.take_along_axis(lengths, best[t][:, None], axis=1)[:, 0]
        norms = lengths + below[:, None]
        radii = np.where(norms > 0, gaps / np.where(norms > 0, norms, 1), np.inf)
        node, action = np.unravel_index(radii.argmin(), radii.shape)
        gap = min(gap, gaps.min())
        if radii[node, action] < radius:
            radius, binding = radii[node, action], ((t, int(node)), int(action))
    guaranteed = gap / (2 * sum(gamma**t for t in range(tree.depth)))
    if binding is None:
        return StabilityRadius(gap, guaranteed, radius)
    direction = _tree_direction(tree, masks, best, binding)
    return StabilityRadius(gap, guaranteed, radius, binding, direction)


def _tree_direction(
    tree: TokenTree,
    masks: list[NDArray[np.bool_]],
    best: list[NDArray[np.intp]],
    binding: tuple[tuple[int, int], int],
) -> list[NDArray[np.float64]]:
    """−1 on the optimal path from the binding prefix, +1 on the path of the rival action."""
    direction = [np.zeros(mask.shape, order="F") for mask in masks]
    (level, prefix), rival = binding
    for sign, action in ((-1, int(best[level][prefix])), (1, rival)):
        t, node = level, prefix
        while True:
            direction[t][node, action] = sign * masks[t][node, action]
            if action == len(tree.vocabulary) or t == tree.depth - 1:
                break
            t, node = t + 1, node + action * masks[t].shape[0]
            action = int(best[t][node])
    return direction


def _tree_masks(tree: TokenTree, perturbed: Any | None) -> list[NDArray[np.bool_]]:
    given = [None] * tree.depth if perturbed is None else perturbed
    given = as_levels("perturbed", given, tree.depth)
    return [_mask(f"perturbed[{t}]", level, tree.shape(t)) for t, level in enumerate(given)]


def _mask(name: str, perturbed: Any | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if perturbed is None:
        return np.ones(shape, dtype=bool)
    mask = plain(name, perturbed)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"{name} must be a mask of shape {shape}, got {mask.dtype} of shape {mask.shape}"
        )
    return mask
