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
    reward = np.array(rewards, dtype=float).reshape(states, actions)
    if not exact:
        return FiniteMDP(transitions.astype(float), reward, discount)
    rational = np.array([Fraction(r) for r in rewards], dtype=object).reshape(states, actions)
    return FiniteMDP(transitions, rational, Fraction(discount).limit_denominator(10_000))
