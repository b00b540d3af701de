"""The claims on arbitrary small MDPs, degenerate ones included; ties in exact arithmetic."""

from fractions import Fraction

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_mdps import changes, kernels, mdps

from companion.results import (
    lemma_2_5,
    lemma_c_2,
    prop_2_4,
    prop_2_9,
    prop_2_10,
    prop_3_1,
    prop_4_3,
    prop_4_7,
    sharp_1_stability_radius,
    sharp_2_exact_radius,
    sharp_5_softmax,
    sharp_6_kl_sequence,
    sharp_8_shaping,
    sharp_9_mixing,
    sharp_10_price,
    sharp_11_geometry,
)
from companion.results.samples import optimal_gap
from companion.theory import (
    FiniteMDP,
    TokenTree,
    effective_reward,
    evaluate_policy,
    inverse_bellman,
    mixing_coefficient,
    optimal_actions,
    optimal_q,
    shaping_norm,
    soft_optimal_q,
    softmax_policy,
    stability_radius,
    total_variation,
    uniform_policy,
)

TEMPERATURES = st.sampled_from([0.05, 0.3, 1.0, 10.0])
SLACK = 1e-9

# A loaded machine is no reason to fail.
relaxed = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def solve(mdp):
    return optimal_q(mdp, tol=1e-11)


def distance(a, b):
    return float(np.abs(a - b).max())


@relaxed
@given(mdps(), st.data())
def test_prop_2_4(mdp, data):
    other = mdp.with_rewards(mdp.rewards + data.draw(changes(mdp.rewards.shape)))
    claimed = prop_2_4.bound(distance(other.rewards, mdp.rewards), mdp.discount)
    assert distance(solve(other), solve(mdp)) <= claimed + SLACK


@relaxed
@given(mdps(min_actions=2), st.data())
def test_lemma_2_5(mdp, data):
    q = solve(mdp)
    gap = optimal_gap(q, atol=1e-6)
    assume(np.isfinite(gap) and gap > 1e-3)
    change = data.draw(changes(mdp.rewards.shape))
    size = 0.99 * lemma_2_5.radius(gap, mdp.discount)
    after = optimal_actions(solve(mdp.with_rewards(mdp.rewards + size * change)), atol=1e-9)
    assert not (after & ~optimal_actions(q, atol=1e-6)).any()


@st.composite
def exact_ties(draw):
    """Transitions, discount and an exact Q whose state 0 has at least two optimal actions."""
    states, actions = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    q = draw(hnp.arrays(np.int64, (states, actions), elements=st.integers(-3, 3)))
    tied = draw(st.sets(st.integers(0, actions - 1), min_size=2))
    q[0] = np.minimum(q[0], 0)
    q[0, list(tied)] = 1
    exact = np.array([[Fraction(int(v), 7) for v in row] for row in q], dtype=object)
    transitions = draw(kernels(states, actions))
    discount = draw(st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(99, 100)]))
    return exact, sorted(tied), transitions, discount


@relaxed
@given(exact_ties(), st.integers(1, 30), st.data())
def test_the_cliff_in_exact_arithmetic(case, exponent, data):
    q, tied, transitions, discount = case
    epsilon = Fraction(1, 10**exponent)
    lifted = q.copy()
    chosen = data.draw(st.sampled_from(tied))
    lifted[0, chosen] += epsilon
    before = FiniteMDP(transitions, inverse_bellman(q, transitions, discount), discount)
    after = FiniteMDP(transitions, inverse_bellman(lifted, transitions, discount), discount)
    q_before, q_after = optimal_q(before), optimal_q(after)
    assert (q_before == q).all()
    assert optimal_actions(q_after)[0].nonzero()[0].tolist() == [chosen]
    size = max(abs(x) for x in (after.rewards - before.rewards).ravel())
    assert size <= prop_2_9.sharp_bound(epsilon) <= prop_2_9.bound(epsilon, discount)
    jump = total_variation(uniform_policy(q_after)[0], uniform_policy(q_before)[0])
    assert jump == prop_2_10.jump(Fraction(len(tied)))


@relaxed
@given(exact_ties(), st.integers(1, 30), st.data())
def test_one_entry_decides_in_exact_arithmetic(case, exponent, data):
    q, tied, transitions, discount = case
    rewards = inverse_bellman(q, transitions, discount)
    chosen = data.draw(st.sampled_from(tied))
    rewards[0, chosen] += Fraction(1, 10**exponent)
    after = optimal_q(FiniteMDP(transitions, rewards, discount))
    assert optimal_actions(after)[0].nonzero()[0].tolist() == [chosen]


@relaxed
@given(mdps(min_actions=2), st.data())
def test_prop_3_1(mdp, data):
    """The gain formula for any policy, any state and action, any split of the reward."""
    missing = data.draw(changes(mdp.rewards.shape))
    state = data.draw(st.integers(0, mdp.n_states - 1))
    action = data.draw(st.integers(0, mdp.n_actions - 1))
    policy = np.full(mdp.rewards.shape, 1 / mdp.n_actions)
    switched = policy.copy()
    switched[state] = np.eye(mdp.n_actions)[action]
    true = mdp.with_rewards(mdp.rewards + missing)
    marks = np.zeros(mdp.rewards.shape)
    marks[state] = 1.0
    visits = evaluate_policy(mdp.with_rewards(marks), switched)
    parts = [
        prop_3_1.advantage(mdp.with_rewards(r), policy)[state, action]
        for r in (mdp.rewards, missing)
    ]
    gained = evaluate_policy(true, switched) - evaluate_policy(true, policy)
    claimed = prop_3_1.gain(visits, *parts)
    np.testing.assert_allclose(gained, claimed, atol=1e-7, rtol=1e-7)


@relaxed
@given(mdps(), st.integers(1, 3), st.data())
def test_prop_4_3(mdp, count, data):
    shape = (count, *mdp.rewards.shape)
    rewards, change = data.draw(changes(shape)), data.draw(changes(shape))
    weights = data.draw(
        hnp.arrays(float, (mdp.n_states, count), elements=st.floats(0, 1, width=32))
    )
    assume((weights.sum(axis=1) > 0.1).all())
    weights = weights / weights.sum(axis=1, keepdims=True)
    before, after = (
        solve(mdp.with_rewards(effective_reward(r, weights))) for r in (rewards, rewards + change)
    )
    assert distance(before, after) <= prop_4_3.bound(np.abs(change).max(), mdp.discount) + SLACK


@relaxed
@given(mdps(), TEMPERATURES, st.data())
def test_prop_4_7_and_its_sharp_form(mdp, temperature, data):
    change = data.draw(changes(mdp.rewards.shape))
    before, after = (
        softmax_policy(soft_optimal_q(m, temperature, tol=1e-11), temperature)
        for m in (mdp, mdp.with_rewards(mdp.rewards + change))
    )
    moved = total_variation(before, after).max()
    size = np.abs(change).max()
    sharp = sharp_5_softmax.soft_policy_bound(size, temperature, mdp.discount)
    assert moved <= sharp + SLACK
    assert sharp <= prop_4_7.bound(size, temperature, mdp.discount) + SLACK


@relaxed
@given(st.integers(1, 6), TEMPERATURES, st.data())
def test_sharp_softmax(actions, temperature, data):
    x, y = (
        data.draw(changes((1, actions))) * data.draw(st.sampled_from([1.0, 30.0])) for _ in "xy"
    )
    moved = total_variation(softmax_policy(x, temperature), softmax_policy(y, temperature))[0]
    assert moved <= sharp_5_softmax.bound(np.ptp(x - y), temperature) + 1e-12
    assert 2 * moved <= lemma_c_2.bound(np.abs(x - y).max(), temperature) + 1e-12


@relaxed
@given(st.integers(1, 4), TEMPERATURES, st.data())
def test_kl_optimum_over_completions(depth, beta, data):
    tree = TokenTree("ab", depth)
    count = len(list(tree.completions()))
    rewards = [data.draw(changes(count)), data.draw(changes(count))]
    reference = [np.full(tree.shape(t), 1 / 3) for t in range(depth)]
    optima = []
    for reward in rewards:
        values = iter(reward)
        optimum = TokenTree.from_completions("ab", depth, lambda _, values=values: next(values))
        policy = optimum.soft_optimal_policy(beta, reference)
        optima.append(optimum.completion_probabilities(policy))
    moved = total_variation(*optima)
    assert moved <= sharp_6_kl_sequence.bound(np.ptp(rewards[0] - rewards[1]), beta) + 1e-12


@relaxed
@given(mdps(min_actions=2), st.data())
def test_stability_radius(mdp, data):
    q = solve(mdp)
    ordered = np.sort(q, axis=1)
    gap = (ordered[:, -1] - ordered[:, -2]).min()
    assume(gap > 1e-3)
    size = 0.99 * sharp_1_stability_radius.guaranteed(gap, mdp.discount)
    change = size * data.draw(changes(mdp.rewards.shape))
    after = solve(mdp.with_rewards(mdp.rewards + change))
    assert (after.argmax(axis=1) == q.argmax(axis=1)).all()


@relaxed
@given(mdps(), st.data())
def test_value_is_the_support_function(mdp, data):
    start = np.full(mdp.n_states, 1 / mdp.n_states)
    value = start @ solve(mdp).max(axis=1)
    support = sharp_11_geometry.support(sharp_11_geometry.vertices(mdp, start), mdp.rewards)
    np.testing.assert_allclose(support, value, atol=1e-7, rtol=1e-9)


@relaxed
@given(mdps(min_actions=2), st.data())
def test_exact_radius(mdp, data):
    """Inside the radius no change takes the optimum; the walls give the same radius."""
    assume(sharp_gap(mdp) > 1e-3)
    radius = stability_radius(mdp)
    gaps, norms = sharp_2_exact_radius.walls(mdp)
    wall = norms > 1e-9
    claimed = sharp_2_exact_radius.wall_distance(gaps[wall], norms[wall]).min()
    np.testing.assert_allclose(radius.exact, claimed, rtol=1e-6)
    change = 0.99 * radius.exact * data.draw(changes(mdp.rewards.shape))
    after = solve(mdp.with_rewards(mdp.rewards + change))
    assert (after.argmax(axis=1) == solve(mdp).argmax(axis=1)).all()


def sharp_gap(mdp):
    ordered = np.sort(solve(mdp), axis=1)
    return (ordered[:, -1] - ordered[:, -2]).min()


@relaxed
@given(mdps(), TEMPERATURES, st.data())
def test_regularised_policies_agree_up_to_shaping(mdp, temperature, data):
    change = data.draw(changes(mdp.rewards.shape))
    norm = shaping_norm(mdp, change)
    logs = [
        sharp_8_shaping.log_policy(m, temperature)
        for m in (mdp, mdp.with_rewards(mdp.rewards + change))
    ]
    moved = temperature * distance(*logs)
    slack = 1e-6 * (1 + temperature)
    assert norm - slack <= moved <= sharp_8_shaping.log_policy_bound(norm, mdp.discount) + slack
    bound = sharp_8_shaping.policy_bound(norm, temperature, mdp.discount)
    assert total_variation(*np.exp(logs)).max() <= bound + slack


@relaxed
@given(mdps(), TEMPERATURES, st.data())
def test_mixing(mdp, temperature, data):
    change = data.draw(changes(mdp.rewards.shape))
    other = mdp.with_rewards(mdp.rewards + change)
    span, tau = np.ptp(change), mixing_coefficient(mdp.transitions)
    bound = sharp_9_mixing.q_bound(span, mdp.discount, tau) + 1e-7
    assert np.ptp(solve(other) - solve(mdp)) <= bound
    soft = [soft_optimal_q(m, temperature, tol=1e-11) for m in (mdp, other)]
    assert np.ptp(soft[1] - soft[0]) <= bound
    moved = total_variation(*(softmax_policy(q, temperature) for q in soft)).max()
    assert moved <= sharp_9_mixing.policy_bound(span, temperature, mdp.discount, tau) + 1e-7


@relaxed
@given(
    hnp.arrays(float, 80, elements=st.floats(-1, 1)),
    st.floats(0, 1),
    st.sampled_from([0.1, 1.0, 30.0]),
)
def test_no_rule_is_cheaper_than_the_price_of_continuity(slopes, start, constant):
    """Rules that are linear between grid points, with slopes up to L/2 in the lead."""
    grid = np.linspace(-2, 2, 81) / constant  # the leads ±1/(2L) are among them
    steps = np.r_[0, np.cumsum(slopes * constant / 2 * np.diff(grid))]
    share = np.clip(start + steps - steps[40], 0, 1)
    regret = np.where(grid > 0, grid * (1 - share), -grid * share).max()
    assert regret >= sharp_10_price.least_price(constant) * (1 - 1e-9)
