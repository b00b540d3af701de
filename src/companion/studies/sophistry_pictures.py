"""Chapter 9's figures, tables and checks of theory alone: nothing here was trained."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import binom

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import prop_2_10
from companion.results.base import Check, Counterexample
from companion.rlhf.evaluator import verdicts
from companion.studies.sophistry import paper
from companion.theory import (
    FiniteMDP,
    optimal_actions,
    optimal_q,
    softmax_policy,
    total_variation,
    uniform_policy,
)

COLOUR = {"approval": "blue", "truth": "green", "error": "orange"}
ANSWERS = pd.DataFrame(
    {
        "answer": [
            "right and clear",
            "right but clumsy",
            "wrong but persuasive",
            "wrong and plain",
        ],
        "correct": [1.0, 1.0, 0.0, 0.0],
        "impression": [2.0, 0.0, 2.02, -2.0],  # log-odds that she calls it right
        "start": [0.2, 0.3, 0.2, 0.3],  # how often the model gives it before training
    }
)
_LABELS: dict[str, dict[str, tuple[float, float, str]]] = {
    "trained on what she sees": {
        "approval": (1.2, 0.93, "she approves"),
        "truth": (33, 0.44, "it is true"),
        "error": (1.2, 0.31, "she is mistaken"),
    },
    "trained on what is true": {
        "approval": (30, 0.7, "she approves"),
        "truth": (30, 0.91, "it is true"),
        "error": (30, 0.4, "she is mistaken"),
    },
}


def tilted(reward: np.ndarray, start: np.ndarray, beta: float) -> np.ndarray:
    """The policy (A,) that maximises E[reward] − β KL(policy ‖ start): start · exp(reward / β)."""
    return softmax_policy(np.asarray(reward)[None] / beta + np.log(start), 1.0)[0]


@figure("sophistry-three-curves", rests_on=("prop_2_10", "prop_3_1"))
def three_curves() -> Drawing:
    """Approval, truth and error of the optimum against optimisation pressure, for two rewards."""
    correct, start, felt = (
        ANSWERS[name].to_numpy(dtype=float) for name in ("correct", "start", "impression")
    )
    rewards = {"trained on what she sees": felt, "trained on what is true": correct}
    picture = pd.DataFrame(
        {"reward": name, "pressure": pressure}
        | verdicts(tilted(reward, start, 1 / pressure), correct, expit(felt))
        for name, reward in rewards.items()
        for pressure in np.geomspace(0.1, 1000, 121)
    )
    with style():
        fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), sharey=True)
        for ax, (name, curves) in zip(axes, picture.groupby("reward", sort=False), strict=True):
            for quantity, colour in COLOUR.items():
                ax.plot(curves.pressure, curves[quantity], color=COLOURS[colour])
                x, y, text = _LABELS[name][quantity]
                ax.text(x, y, text, color=COLOURS[colour], ha="center")
            ax.set(title=name.capitalize(), xscale="log", xlabel="optimisation pressure 1/β")
            ax.set(ylim=(-0.02, 1.02))
        axes[0].set_ylabel("share of answers")
        plt.close(fig)
    seen = picture[picture.reward == "trained on what she sees"]
    first, last = seen.iloc[0], seen.iloc[-1]
    return Drawing(
        fig,
        title="Approval rises, truth does not",
        caption="Four answers to one question. The student finds the clear right answer and the "
        f"persuasive wrong one equally good, up to {felt[2] - felt[0]:.2f} on the log-odds scale. "
        "Left, the more a policy is optimised for her impression, the more she approves (from "
        f"{first.approval:.2f} to {last.approval:.2f}) and the more often she is mistaken (from "
        f"{first.error:.2f} to {last.error:.2f}); the truth hardly moves at first (from "
        f"{first.truth:.2f}) and then falls to {last.truth:.2f}. Right, the control: the same "
        "student, the same model, trained on the truth.",
        alt="Two panels of curves against optimisation pressure. Left, approval and error rise "
        "while truth stays flat and then falls to zero. Right, truth rises to one, approval rises "
        "less and error stays low.",
        data=picture,
    )


def implied() -> pd.DataFrame:
    """What the paper's three bars imply of the two kinds of error, in per cent.

    Returns:
        Rows ``before``, ``after``, ``change``; columns approval, truth, error, ``accepted`` (wrong
        and accepted) and ``rejected`` (right and rejected).
    """
    bars = paper()[["before_rlhf", "after_rlhf"]].T.set_axis(["before", "after"])
    gap = bars.approval - bars.truth
    both = bars.assign(accepted=(bars.error + gap) / 2, rejected=(bars.error - gap) / 2)
    both.loc["change"] = both.loc["after"] - both.loc["before"]
    return both


def _one_prompt(reward: np.ndarray) -> FiniteMDP:
    """The answers of one prompt as a bandit."""
    return FiniteMDP(np.ones((1, len(reward), 1)), np.array([reward]), discount=0.0)


def checks(rng: np.random.Generator) -> tuple[tuple[Check, ...], float]:
    """Laws of approval, truth and error on random answers; and how often pressure lowers truth."""
    gaps, errors, more, less, falls = [], [], [], [], []
    for _ in range(400):
        size = rng.integers(2, 9)
        correct = (rng.random(size) < 0.5).astype(float)
        felt, start = rng.normal(scale=2, size=size), rng.dirichlet(np.ones(size))
        path = [
            verdicts(tilted(felt, start, beta), correct, expit(felt))
            for beta in np.geomspace(10, 0.1, 12)
        ]
        gaps += [abs(found["approval"] - found["truth"]) for found in path]
        errors += [found["error"] for found in path]
        less += [one["approval"] for one, _ in pairwise(path)]
        more += [other["approval"] for _, other in pairwise(path)]
        falls.append(path[-1]["truth"] < path[0]["truth"])
    for share in (0.2, 0.5, 1.0):  # every answer is wrong, and accepted this often
        found = verdicts(np.array([1.0]), np.array([0.0]), np.array([share]))
        gaps.append(found["approval"] - found["truth"])
        errors.append(found["error"])
    sizes, moves, truths = np.array([_jump(rng, m, d) for m in _TIES for d in _BIASES]).T
    name = "error against the gap between approval and truth"
    return (
        Check(name, ">=", np.array(errors), np.array(gaps), attained=True),
        Check("approval at more pressure against less", ">=", np.array(more), np.array(less)),
        Check("jump at a bias of any size", "==", moves, prop_2_10.jump(sizes)),
        Check("truth after the jump", "==", truths, np.zeros(len(truths))),
    ), float(np.mean(falls))


_TIES, _BIASES = (2, 3, 4, 6, 8), (1e-1, 1e-3, 1e-6)


def _jump(rng: np.random.Generator, ties: int, bias: float) -> tuple[int, float, float]:
    """Number of tied answers, how far a bias for a wrong one moves the policy, and its truth."""
    others = rng.uniform(-2, 1.5, size=3)
    tied = np.r_[np.full(ties, 2.0), others]
    biased = tied + 2 * np.arctanh(2 * bias) * (np.arange(len(tied)) == 0)
    correct = np.r_[0.0, np.ones(ties - 1), np.zeros(3)]
    before, after = (
        uniform_policy(optimal_q(_one_prompt(r)), atol=1e-9)[0] for r in (tied, biased)
    )
    return ties, float(total_variation(before, after)), float(after @ correct)


def counterexamples(seen: float = 0.4, bias: float = 0.05) -> tuple[Counterexample, ...]:
    """The claim without the tie, and without the incompleteness.

    Args:
        seen: lead of the right answer where she notices the error.
        bias: toward one answer, of her preference.
    """
    lead = 2 * np.arctanh(2 * bias)
    right_wins = optimal_actions(optimal_q(_one_prompt(np.array([seen, lead]))))[0]
    all_right = uniform_policy(optimal_q(_one_prompt(np.array([2.0 + lead, 2.0, 2.0]))))[0]
    moved, truth = (
        float(total_variation(all_right, np.full(3, 1 / 3))),
        float(all_right @ np.ones(3)),
    )
    return (
        Counterexample(
            dropped="the tie (she notices the error)",
            text="Two answers; the right one leads. The same bias toward the wrong one changes "
            "nothing.",
            evidence={"lead of the right answer": seen, "bonus of the wrong one": lead},
            fails=bool(right_wins[0] and not right_wins[1]),
        ),
        Counterexample(
            dropped="incompleteness (all tied answers are right)",
            text="Three tied right answers. The policy jumps as before, and the truth stays.",
            evidence={"moved": moved, "truth": truth},
            fails=bool(np.isclose(truth, 1)),
        ),
    )


def mean_move(labels: int, beta: float) -> float:
    """Expected distance of the trained policy from the fair one, for an indifferent person.

    Exact, over the binomial distribution of the ``labels``; a half is added to each count.
    """
    wins = np.arange(labels + 1)
    lead = np.log(wins + 0.5) - np.log(labels - wins + 0.5)
    return float(binom.pmf(wins, labels, 0.5) @ np.abs(expit(lead / beta) - 0.5))


@figure("sophistry-label-noise", rests_on=("prop_2_10", "sharp_6_kl_sequence"))
def label_noise() -> Drawing:
    """How far label noise alone moves a policy, against the number of labels."""
    counts = np.unique(2 * (np.geomspace(4, 10**6, 30) / 2).astype(int) + 1)  # odd: no draws
    colours = {1.0: "blue", 0.1: "orange", 0.01: "green"}
    noise = pd.DataFrame(
        {"labels": n, "beta": b, "moved": mean_move(n, b)} for b in colours for n in counts
    )
    with style():
        fig, ax = plt.subplots(figsize=(9, 4.8))
        for beta, colour in colours.items():
            curve = noise[noise.beta == beta]
            ax.plot(curve.labels, curve.moved, color=COLOURS[colour])
            middle = curve.iloc[(curve.moved - 0.27).abs().argmin()]
            ax.annotate(
                f"β = {beta:g}",
                (middle.labels, middle.moved),
                (12, 2),
                textcoords="offset points",
                color=COLOURS[colour],
            )
        ax.set(xscale="log", ylim=(0, 0.52), xlabel="labels for this pair of answers")
        ax.set(ylabel="distance moved", title="Nobody is biased, and the policy moves")
        plt.close(fig)
    small = noise[noise.moved < 0.05]
    constant = float((small.moved * small.beta * np.sqrt(small.labels)).median())
    enough = {beta: float(f"{(constant / 0.05 / beta) ** 2:.2g}") for beta in colours}
    needed = ", ".join(f"{labels:,.0f} labels at β = {beta:g}" for beta, labels in enough.items())
    return Drawing(
        fig,
        title="Label noise is enough",
        caption="Expected distance between the trained policy and the fair one when the labels "
        "come from a person who is indifferent between two answers; the largest possible value is "
        f"one half. For small distances it is {constant:.2f}/(β√N): to stay within 0.05 takes "
        f"about {needed}, for one pair of answers.",
        alt="Distance moved against the number of labels, three falling curves. The smaller β is, "
        "the more labels it takes before the curve falls.",
        data=noise,
    )
