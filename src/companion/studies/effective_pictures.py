"""Chapter 7's worked example and its pictures, for which nothing is trained."""

from collections.abc import Sequence
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.theory import (
    FiniteMDP,
    effective_reward,
    optimal_q,
    softmax_policy,
    total_variation,
    uniform_policy,
)

HELP, REFUSE = 0, 1
PROMPTS = ("everyday", "boundary", "dangerous")
SAFETY_WEIGHT = (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10))
_COLOURS = dict(zip(PROMPTS, ("blue", "orange", "green"), strict=True))


def blend(change: Fraction, weights: Sequence[Fraction] = SAFETY_WEIGHT) -> np.ndarray:
    """Effective reward of a judge of safety and one of helpfulness, in exact arithmetic.

    Args:
        change: of the safety judge, which scores a refusal 1 + change instead of 1.
        weights: of the safety judge, one a prompt.

    Returns:
        (prompts, 2) for helping and refusing.
    """
    safety = [[Fraction(0), 1 + change]] * len(PROMPTS)
    helpfulness = [[Fraction(1), Fraction(0)]] * len(PROMPTS)
    router = [[weight, 1 - weight] for weight in weights]
    return effective_reward(np.array([safety, helpfulness]), np.array(router))


def optimum(effective: np.ndarray) -> np.ndarray:
    """The optimal policy that is fair to ties: each prompt is a state, each answer ends it."""
    states, actions = effective.shape
    stay = np.tile(np.eye(states)[:, None], (1, actions, 1))
    return uniform_policy(optimal_q(FiniteMDP(stay, effective, discount=0)))


def at_three_weights() -> pd.DataFrame:
    """What both acts earn and how often the optimum refuses, a row a kind of prompt."""
    blended = blend(Fraction(0))
    return pd.DataFrame(
        {
            "weight of the safety judge": SAFETY_WEIGHT,
            "refusing earns": blended[:, REFUSE],
            "helping earns": blended[:, HELP],
            "share of refusing": optimum(blended)[:, REFUSE],
        }
    )


def ever_smaller(powers: Sequence[int] = (1, 6, 30, 300)) -> pd.DataFrame:
    """What ever smaller changes of the safety judge alone, or of the router alone, move.

    Args:
        powers: the changes are 10 to minus these.

    Returns:
        A row a change, exact numbers: how far the reward of refusing moves on boundary prompts (in
        units of the change), the optimal policy on them, and on all others.
    """
    before, boundary = blend(Fraction(0)), PROMPTS.index("boundary")
    rows = []
    for power in powers:
        tiny = Fraction(1, 10**power)
        weights = [weight + tiny * (i == boundary) for i, weight in enumerate(SAFETY_WEIGHT)]
        moved = {"safety judge": blend(tiny), "router": blend(Fraction(0), weights)}
        for what, after in moved.items():
            far = total_variation(optimum(after), optimum(before))
            shift = after[boundary, REFUSE] - before[boundary, REFUSE]
            rows.append(
                {
                    "what moved": f"{what}, by $10^{{-{power}}}$",
                    "reward of refusing moved by, in units of that": shift / tiny,
                    "boundary policy moved by": far[boundary],
                    "other prompts": sum(far) - far[boundary],
                }
            )
    return pd.DataFrame(rows)


@figure(
    "effective-one-judge",
    rests_on=("lemma_4_2", "lemma_4_4", "prop_4_5", "prop_4_6", "sharp_4_one_reward"),
)
def one_judge() -> Drawing:
    """Lead of refusing over helping, and what the optimal policy does, against one judge's slip."""
    rows = []
    for step in range(-40, 41):
        effective = blend(Fraction(step, 400))
        policy = optimum(effective)
        for state, prompt in enumerate(PROMPTS):
            lead = effective[state, REFUSE] - effective[state, HELP]
            rows.append((prompt, step / 400, float(lead), float(policy[state, REFUSE])))
    table = pd.DataFrame(rows, columns=["prompt", "change", "lead", "refuses"])
    boundary = table[table.prompt == "boundary"]
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.6))
        for prompt, part in table.groupby("prompt", sort=False):
            colour = COLOURS[_COLOURS[str(prompt)]]
            left.plot(part.change, part.lead, color=colour)
            left.text(0, part.lead.mean() + 0.07, str(prompt), color=colour, ha="center")
            for side in (part[part.change < 0], part[part.change > 0]):
                if prompt == "boundary":
                    right.plot(side.change, side.refuses, color=colour, zorder=3)
                else:
                    right.plot(side.change, side.refuses, color=colour, lw=9, alpha=0.35)
        tie = boundary[boundary.change == 0]
        right.plot(tie.change, tie.refuses, "o", color=COLOURS["orange"])
        for prompt, x, y in (("dangerous", -0.09, 0.89), ("everyday", 0.03, 0.07)):
            right.text(x, y, prompt, color=COLOURS[_COLOURS[prompt]])
        right.text(0.012, 0.47, "boundary", color=COLOURS["orange"])
        left.set(title="What the policy is trained on", ylabel="lead of refusing over helping")
        right.set(title="What it does", ylabel="share of refusals")
        for ax in (left, right):
            ax.set(xlabel="change of the safety judge", xticks=[-0.1, -0.05, 0, 0.05, 0.1])
        plt.close(fig)
    slopes = [
        np.polyfit(part.change, part.lead, 1)[0] for _, part in table.groupby("prompt", sort=False)
    ]
    low, middle, high = sorted(boundary.refuses.unique())
    return Drawing(
        fig,
        title="One judge slips, one kind of prompt falls",
        caption="Two judges, one of safety and one of helpfulness, are blended by weights that "
        "depend on the prompt. Only the safety judge is changed. The effective reward (left) "
        f"follows with slope {slopes[0]:.1f}, {slopes[1]:.1f} and {slopes[2]:.1f}, the weight of "
        "that judge: never faster than the judge itself. The optimal policy (right) does not move "
        "on everyday and dangerous prompts. On the boundary prompt, where the judges cancel, "
        f"refusals go from {low:.0f} through {middle:.1f} to {high:.0f} at once.",
        alt="Left, three straight lines: the lead of refusing over helping against the change of "
        "the safety judge, for everyday, boundary and dangerous prompts. Right, the share of "
        "refusals: flat at zero for everyday prompts, flat at one for dangerous prompts, a step "
        "from zero to one for boundary prompts.",
        data=table,
    )


def moved_by(slip: float, weight: float, temperature: float) -> float:
    """Distance moved at a tie of two answers when one of two judges slips.

    Args:
        slip: added to that judge's score of one answer.
        weight: of that judge.
        temperature: weight of the entropy term; 0 is the plain optimum, fair to ties.
    """
    judges = np.zeros((2, 1, 2))
    before = judges[0].copy()
    judges[0, 0, REFUSE] = slip
    after = effective_reward(judges, np.array([[weight, 1 - weight]]))
    if not temperature:
        return float(total_variation(uniform_policy(before), uniform_policy(after))[0])
    first, second = (softmax_policy(reward, temperature) for reward in (before, after))
    return float(total_variation(first, second)[0])


@figure(
    "effective-weight-and-slip",
    rests_on=("prop_4_3", "prop_4_6", "prop_4_7", "sharp_4_one_reward"),
)
def weight_and_slip(temperature: float = 0.01) -> Drawing:
    """Distance moved at a tie against the slip of one judge, by its weight."""
    lines = ((1.0, temperature), (0.1, temperature), (0.01, temperature), (0.01, 0.0))
    rows = [
        (weight, held, slip, moved_by(slip, weight, held))
        for weight, held in lines
        for slip in np.geomspace(1e-4, 1, 81)
    ]
    table = pd.DataFrame(rows, columns=["weight", "temperature", "slip", "moved"])
    held, free = table[table.temperature > 0], table[table.temperature == 0]
    assert np.allclose(held.moved, np.tanh(held.weight * held.slip / (2 * temperature)) / 2)
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        ax.plot(free.slip, free.moved, color=COLOURS["ink"], linestyle="--")
        ax.text(3e-4, 0.515, "no temperature, any weight")
        for (weight, part), colour in zip(
            held.groupby("weight"), ("green", "orange", "blue"), strict=True
        ):
            ax.plot(part.slip, part.moved, color=COLOURS[colour])
            middle = part.iloc[(part.moved - 0.2).abs().argmin()]
            ax.annotate(
                f"weight {weight:g}",
                (middle.slip, middle.moved),
                (8, -14),
                textcoords="offset points",
                color=COLOURS[colour],
            )
        ax.set(xscale="log", ylim=(0, 0.57), xlabel="slip of one judge", ylabel="distance moved")
        plt.close(fig)
    return Drawing(
        fig,
        title="A small weight protects only with a temperature",
        caption=f"Two tied answers, one judge slips. At temperature {temperature:g} the policy "
        "moves less the less weight the judge has: the three curves are one curve of weight × "
        f"slip. Without a temperature (dashed, at weight {free.weight.iloc[0]:g}) it moves by "
        f"{free.moved.min():.1f} at every slip.",
        alt="Distance moved against the slip of one judge. Three rising curves for weights one, a "
        "tenth and a hundredth, each shifted to the right by a factor of ten, below a dashed "
        "horizontal line at one half.",
        data=table,
    )
