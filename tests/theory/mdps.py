"""MDPs that the tests of companion.theory share, and Hypothesis strategies that draw them."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from companion.theory import FiniteMDP


def random_mdp(seed, states=6, actions=3, discount=0.9, tied=False):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(states), size=(states, actions))
    rewards = rng.normal(size=(states, actions))
    if tied:
        transitions[:, -1] = transitions[:, 0]
        rewards[:, -1] = rewards[:, 0]
    return FiniteMDP(transitions, rewards, discount)


@st.composite
def mdps(draw, discounts=(0.0, 0.5, 0.9, 0.9999), max_states=5, max_actions=4, exact=False):
    """Small MDPs, most of them degenerate: zero rewards, ties, one action, absorbing states."""
    states = draw(st.integers(1, max_states))
    actions = draw(st.integers(1, max_actions))
    # Few distinct small integers: ties and zero rewards are common, not rare.
    cells = states * actions
    rewards = draw(st.lists(st.integers(-2, 2), min_size=cells, max_size=cells))
    weights = draw(st.lists(st.integers(0, 3), min_size=cells * states, max_size=cells * states))
    mass = np.array(weights, dtype=object).reshape(states, actions, states)
    absorbing = draw(st.lists(st.booleans(), min_size=states, max_size=states))
    for s in range(states):
        for a in range(actions):
            if absorbing[s] or not mass[s, a].any():
                mass[s, a] = 0
                mass[s, a, s] = 1
    transitions = np.empty(mass.shape, dtype=object)
    for index in np.ndindex(mass.shape[:2]):
        transitions[index] = [Fraction(int(w), int(mass[index].sum())) for w in mass[index]]
    discount = draw(st.sampled_from(discounts))
    gamma = discount if isinstance(discount, Fraction) else Fraction(str(discount))
    reward = np.array(rewards, dtype=float).reshape(states, actions)
    if not exact:
        return FiniteMDP(transitions.astype(float), reward, float(discount))
    rational = np.array([Fraction(r) for r in rewards], dtype=object).reshape(states, actions)
    return FiniteMDP(transitions, rational, gamma)


@st.composite
def twins(draw, discounts, scales=(1.0,)):
    """An MDP in floats and the same numbers as Fractions: nothing is lost between the two."""
    states, actions = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    cells = states * actions
    halves = draw(st.lists(st.integers(0, states - 1), min_size=4 * cells, max_size=4 * cells))
    transitions = np.zeros((states, actions, states))
    for cell, (s, a) in enumerate(np.ndindex(states, actions)):
        np.add.at(transitions[s, a], halves[4 * cell : 4 * cell + 4], 0.25)
    for s in draw(st.sets(st.integers(0, states - 1))):
        transitions[s] = np.eye(states)[s]
    rewards = draw(st.lists(st.integers(-2, 2), min_size=cells, max_size=cells))
    rewards = draw(st.sampled_from(scales)) * np.array(rewards, float).reshape(states, actions)
    discount = draw(st.sampled_from(discounts))
    exact = np.vectorize(Fraction, otypes=[object])
    return (
        FiniteMDP(transitions, rewards, discount),
        FiniteMDP(exact(transitions), exact(rewards), Fraction(discount)),
    )


def patient_mdp(rng):
    """1 − γ from 1e-6 to 1e-12; recurrent classes, near decomposition and ties are common."""
    states, actions = rng.integers(1, 9), rng.integers(1, 5)
    weights = rng.integers(0, 4, size=(states, actions, states)).astype(object)
    kind = rng.integers(4)
    if kind == 1:  # classes that hardly leak into each other
        weights *= (2**20) ** rng.integers(0, 3, size=weights.shape).astype(object)
    if kind > 1:  # few successors
        weights = (rng.random(weights.shape) < 0.25).astype(int).astype(object)
    for s, a in np.ndindex(states, actions):
        if a == 0:
            absorbing = rng.random() < 0.3
        if absorbing or not weights[s, a].any():
            weights[s, a] = 0
            weights[s, a, s if absorbing else rng.integers(states)] = 1
    rewards = rng.integers(-2, 3, size=(states, actions)).astype(float)
    if rng.random() < 0.3:
        rewards = rng.normal(size=(states, actions))
    totals = weights.sum(axis=2, keepdims=True)
    transitions = np.vectorize(Fraction, otypes=[object])(weights, totals)
    discount = 1 - 10 ** -rng.uniform(6, 12)
    return FiniteMDP(transitions.astype(float), rewards, discount), transitions
