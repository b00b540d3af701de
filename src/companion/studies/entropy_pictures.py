"""Chapter 8's figures and tables of theory alone: nothing here was trained."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import prop_4_7, sharp_6_kl_sequence, sharp_10_price
from companion.results.base import Check
from companion.theory import TokenTree, softmax_policy, total_variation, uniform_policy

RIGHT, WRONG = 3, 5  # answers that earn 1, and answers that earn 0
_CURVES = {  # of the first picture, by temperature: colour and place of the label
    0.0: ("ink", (-0.17, 0.93)),
    0.05: ("orange", (0.11, 0.76)),
    0.2: ("blue", (0.24, 0.53)),
}


def soft_policy(rewards: np.ndarray, temperature: float) -> np.ndarray:
    """Optimal policy (A,) of a bandit at a temperature; zero is the plain optimum."""
    q = np.asarray(rewards, dtype=float)[None]
    if temperature == 0:
        return uniform_policy(q, atol=1e-12)[0]
    return softmax_policy(q, temperature)[0]


def answers(bonus: float = 0.0) -> np.ndarray:
    """Rewards (A,) of the right answers, the first with a bonus, and of the wrong ones."""
    return np.r_[1 + bonus, np.ones(RIGHT - 1), np.zeros(WRONG)]


@figure("entropy-slope-and-price", rests_on=("prop_4_7", "lemma_c_2", "sharp_7_cliff_width"))
def slope_and_price() -> Drawing:
    """Share of the favoured answer against its bonus, and expected reward against temperature."""
    rows: list[tuple[str, float, float, float]] = []
    for temperature in _CURVES:
        for bonus in np.linspace(-0.5, 0.5, 401):
            pi = soft_policy(answers(bonus), temperature)
            rows.append(("share", temperature, bonus, pi[0] / pi[:RIGHT].sum()))
    for temperature in np.linspace(0, 1, 101):
        rows.append(("reward", temperature, 0.0, soft_policy(answers(), temperature) @ answers()))
    picture = pd.DataFrame(rows, columns=["panel", "temperature", "bonus", "value"])
    share, reward = (picture[picture.panel == panel] for panel in ("share", "reward"))
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6))
        for temperature, (colour, at) in _CURVES.items():
            curve = share[share.temperature == temperature]
            jumps = temperature == 0
            sides = [curve[curve.bonus < -1e-9], curve[curve.bonus > 1e-9]] if jumps else [curve]
            for side in sides:
                left.plot(side.bonus, side.value, color=COLOURS[colour])
            left.text(*at, f"β = {temperature:g}", color=COLOURS[colour])
        left.set(title="What entropy buys", xlabel="bonus ε", ylim=(-0.05, 1.05))
        left.set_ylabel("share of the favoured answer")
        right.plot(reward.temperature, reward.value, color=COLOURS["green"])
        right.set(title="What it costs", xlabel="temperature β", ylim=(-0.05, 1.05))
        right.set_ylabel("expected reward")
        plt.close(fig)
    costs = {t: 1 - soft_policy(answers(), t) @ answers() for t in (0.2, 0.5, 1.0)}
    return Drawing(
        fig,
        title="Entropy turns the cliff into a slope, and is paid in reward",
        caption=f"{RIGHT} right answers and {WRONG} wrong ones. Left: the share of the first among "
        "the right answers when it gets a bonus ε; a step without entropy (β = 0), a slope with "
        "it. Right: the expected reward when no answer has a bonus. At β = 0.2 the policy loses "
        f"{costs[0.2]:.2g}, at β = 0.5 {costs[0.5]:.2g}, at β = 1 {costs[1.0]:.2g} of a reward of "
        f"1; choosing blindly would lose {WRONG / (RIGHT + WRONG):.3g}.",
        alt="Left, share of the favoured answer against its bonus: a step at temperature zero, a "
        "steep S-shaped curve at 0.05 and a gentle one at 0.2. Right, expected reward against "
        "temperature: flat at one while cold, then falling.",
        data=picture,
    )


def moves_and_bounds(checks: Sequence[Check]) -> pd.DataFrame:
    """The rows of Proposition 4.7's checks whose bound can be told from zero.

    Returns:
        Columns of ``Check.table`` and ``case``: ``random`` or ``two branches``.
    """
    by_name = {check.name: check for check in checks}
    frame = pd.concat(
        by_name[f"move of the soft policy, {case}"].table().assign(case=case)
        for case in ("random", "two branches")
    )
    return frame[frame.claimed > 1e-3]


@figure("entropy-two-bounds", rests_on=("prop_4_7", "sharp_5_softmax"))
def two_bounds(frame: pd.DataFrame) -> Drawing:
    """Distance moved against the bound of Proposition 4.7.

    Args:
        frame: of ``moves_and_bounds``.
    """
    line = np.geomspace(1e-3, 1e2, 300)
    with style():
        fig, ax = plt.subplots(figsize=(9, 5.2))
        ax.plot(line, line, color=COLOURS["ink"], linestyle="--")
        ax.plot(line, np.tanh(line), color=COLOURS["orange"])
        for case, colour, marker in (("random", "faint", "."), ("two branches", "blue", "o")):
            points = frame[frame.case == case]
            ax.plot(points.claimed, points.measured, marker, color=COLOURS[colour])
        ax.set(xscale="log", xlim=(1e-3, 1e2), ylim=(-0.02, 1.25))
        ax.set(xlabel="bound of Proposition 4.7", ylabel="distance moved")
        ax.text(0.9, 1.14, "Prop. 4.7", ha="right")
        ax.text(14, 1.04, "sharp bound", color=COLOURS["orange"])
        ax.text(0.36, 0.46, "two branches", color=COLOURS["blue"], ha="right")
        ax.text(1.9, 0.66, "random", color=COLOURS["faint"])
        plt.close(fig)
    cases = frame.case.value_counts()
    return Drawing(
        fig,
        title="The straight bound and the sharp one",
        caption="Distance moved by the soft optimal policy against the bound of Proposition 4.7, "
        f"for {cases['random']} random processes and {cases['two branches']} pairs of branches. In "
        f"{(frame.claimed > 1).mean():.0%} of these cases the straight bound exceeds 1 and says "
        "nothing. The sharp bound, its hyperbolic tangent, is never exceeded, and the two branches "
        "lie on it.",
        alt="Distance moved on a logarithmic axis of the bound. The dashed line of Proposition 4.7 "
        "leaves the plot at one. The sharp bound follows it while small and bends towards one; the "
        "two branches lie on the bend, random cases below it.",
        data=frame[["case", "temperature", "discount", "reward_distance", "measured", "claimed"]],
    )


def strings(rng: np.random.Generator, temperature: float = 0.5, span: float = 0.5) -> pd.DataFrame:
    """How far KL-regularised optima over strings of growing length move, and what bounds say.

    Args:
        rng: draws the random changes.
        temperature: weight of the divergence from uniform strings.
        span: of the change of reward; half of it up, half of it down.

    Returns:
        A row a length: the largest of 20 random moves, the move of strings that change places, and
        the two bounds.
    """
    rows = []
    for length in (1, 3, 5, 7, 9):
        letters = list(TokenTree(("a", "b"), length, end_of_sequence=None).completions())
        sign = np.array([1.0 if 2 * y.count("a") > length else -1.0 for y in letters])
        before = rng.normal(size=(20, len(letters)))
        changes = span / 2 * rng.choice([-1.0, 1.0], size=before.shape)
        typical = [
            _distance(length, temperature, one, one + change)
            for one, change in zip(before, changes, strict=True)
        ]
        rows.append(
            {
                "tokens H": length,
                "strings": len(letters),
                "random, largest of 20": max(typical),
                "changing places": _distance(
                    length, temperature, -span / 4 * sign, span / 4 * sign
                ),
                "fact 6": float(sharp_6_kl_sequence.bound(span, temperature)),
                r"Prop. 4.7, $\gamma = 1 - 1/H$": prop_4_7.bound(
                    span / 2, temperature, 1 - 1 / length
                ),
            }
        )
    return pd.DataFrame(rows)


def _distance(length: int, temperature: float, before: np.ndarray, after: np.ndarray) -> float:
    """Between the optima for two rewards (strings,), from a uniform reference policy."""
    one, other = (_optimum(length, temperature, rewards) for rewards in (before, after))
    return float(total_variation(one, other))


def _optimum(length: int, temperature: float, rewards: np.ndarray) -> np.ndarray:
    reference = [np.full((2**t, 2), 0.5) for t in range(length)]
    given = iter(rewards)
    tree = TokenTree.from_completions(
        ("a", "b"), length, lambda _: next(given), end_of_sequence=None
    )
    return tree.kl_optimal_completions(temperature, reference)


def prices(rng: np.random.Generator) -> tuple[Check, ...]:
    """Reward that the regularised optimum gives up, against β log(1/π_ref(best))."""
    random, rare = [], []
    for _ in range(2000):
        size = rng.integers(2, 10)
        rewards = np.r_[1.0, np.round(rng.uniform(-1, 1, size=size - 1), 1), -1.0]
        reference = rng.dirichlet(np.ones(size + 1))
        random.append(_price(rewards, reference, 10.0 ** rng.uniform(-2, 1)))
    for rarity in 10.0 ** -np.array([1.0, 3.0, 10.0, 30.0, 100.0, 300.0]):
        surprise = np.log(1 / rarity)
        rewards = np.array([surprise - np.log(surprise), 0.0])
        rare.append(_price(rewards, np.array([rarity, 1 - rarity]), 1.0))
    return (
        Check("price, random", "<=", *np.array(random).T),
        Check("price, one rare right answer", "<=", *np.array(rare).T),
    )


def _price(rewards: np.ndarray, reference: np.ndarray, temperature: float) -> tuple[float, float]:
    """Reward lost by the regularised optimum, and the most that it can lose."""
    pi = softmax_policy((np.log(reference) + rewards / temperature)[None], 1.0)[0]
    best = rewards == rewards.max()
    most = temperature * np.log(1 / reference[best].sum())
    return float(rewards.max() - pi @ rewards), float(most)


def regrets() -> pd.DataFrame:
    """Reward lost on two arms by two rules with the same Lipschitz constant L, in units of 1/L.

    Returns:
        Columns ``rule``, ``lead`` of the better arm, ``regret``.
    """
    leads = np.linspace(0, 4, 401)
    rules = {"clipped line": sharp_10_price.clipped_line, "softmax": sharp_10_price.softmax_rule}
    return pd.concat(
        pd.DataFrame({"rule": name, "lead": leads, "regret": leads * (1 - rule(leads, 1.0))})
        for name, rule in rules.items()
    )


@figure("entropy-price-of-continuity", rests_on=("sharp_10_price",))
def price_of_continuity(lost: pd.DataFrame) -> Drawing:
    """Regret of two rules against the lead of the better arm.

    Args:
        lost: of ``regrets``.
    """
    floor = sharp_10_price.least_price(1.0)
    worst = lost.groupby("rule").regret.max()
    with style():
        fig, ax = plt.subplots(figsize=(7.5, 4.2))
        ax.axhline(floor, color=COLOURS["ink"], linestyle="--", lw=1.5)
        for name, colour in (("clipped line", "blue"), ("softmax", "orange")):
            rows = lost[lost.rule == name]
            ax.plot(rows.lead, rows.regret, color=COLOURS[colour])
        ax.text(3.9, floor + 0.003, "no rule's worst is lower", ha="right")
        ax.text(0.98, 0.03, "clipped line", color=COLOURS["blue"])
        ax.text(1.75, 0.085, "softmax", color=COLOURS["orange"])
        ax.set(xlabel="lead of the better arm · L", ylabel="regret · L", ylim=(-0.005, 0.16))
        ax.set_yticks([0, 0.05, 0.1, 0.15])
        plt.close(fig)
    return Drawing(
        fig,
        title="What continuity costs",
        caption="Reward lost on two arms against the lead of the better one, for two rules with "
        f"the same Lipschitz constant L. The clipped line loses at most {worst['clipped line']:.4f}"
        f"/L, the least that any such rule can. The softmax loses up to {worst['softmax']:.4f}/L, "
        f"{worst['softmax'] / floor:.3f} times as much, and never stops losing.",
        alt="Regret against the lead. The clipped line rises to a dashed floor and falls back to "
        "zero; the softmax rises above the floor and falls off slowly.",
        data=lost,
    )
