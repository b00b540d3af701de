"""Chapter 11's table of estimators and its figures: bandit, threshold, trained models."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.integrate import quad
from scipy.special import expit

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_6_kl_sequence as fact_6
from companion.results import sharp_7_cliff_width as fact_7
from companion.results import sharp_12_advantage_normalisation as fact_12
from companion.results import sharp_13_collapse as fact_13
from companion.rlhf.curves import LiveCurves
from companion.studies import normaliser
from companion.studies.demonstrated import TRACES
from companion.studies.demonstrated import reference as demonstrated
from companion.studies.marks import draw_means, draw_runs, exact_curves
from companion.studies.normaliser import BETA, EPSILONS, ESTIMATORS, FAVOURED, WARM
from companion.studies.runs import Runs
from companion.studies.statistics import interval, side_by_side, signed
from companion.theory import Scaling, advantages, collapse_threshold, settle, total_variation

TIES = 3
_TINY = 1e-7  # a bonus far below the guard
_COLOURS = dict(zip(ESTIMATORS, ("blue", "orange", "green", "purple"), strict=True))


@dataclass(frozen=True)
class Estimator:
    """How a trainer makes advantages.

    Attributes:
        name: as the table has it.
        divided_by: in words.
        scaling: as ``companion.theory.advantages`` has it.
        kl_in_reward: whether the penalty is part of what is divided.
    """

    name: str
    divided_by: str
    scaling: Scaling
    kl_in_reward: bool = False


OBSERVED = (
    Estimator("no scaling (Dr. GRPO)", "nothing", "none"),
    Estimator("RLOO, as trl has it", "nothing", "none", kl_in_reward=True),
    Estimator("group deviation (GRPO, trl's default)", "deviation in the group", "group"),
    Estimator("batch deviation", "deviation in the batch", "batch"),
    Estimator("normalise, then sum", "each reward's own deviation", "each"),
    Estimator("GDPO (trl's `normalize_then_sum`)", "each its own, then the batch's", "decoupled"),
    Estimator("PPO's whitening, KL in the loss", "deviation in the batch", "batch"),
    Estimator("PPO's whitening, KL in the reward", "deviation in the batch", "batch", True),
)


def observatory(bonus: float = 0.001) -> pd.DataFrame:
    """Every estimator on three tied answers, one with a bonus: how far its rest point moves.

    A penalty that is divided with the reward leaves the rest point where it is without division.
    """
    reference = np.full((1, TIES), 1 / TIES)
    rows = []
    for estimator in OBSERVED:
        free = estimator.scaling == "none" or estimator.kl_in_reward
        rest: Scaling = "none" if free else estimator.scaling
        moves = [_move(reference, epsilon, BETA, rest) for epsilon in (bonus, _TINY)]
        gains = [m / fact_6.bound(e, BETA) for m, e in zip(moves, (bonus, _TINY), strict=True)]
        counts = [1 if free else len(fact_13.rest_points(beta, TIES)) for beta in (BETA, WARM)]
        rows.append(
            {
                "estimator": estimator.name,
                "divided by": estimator.divided_by,
                "guard": "–" if estimator.scaling == "none" else f"{fact_12.GUARD:g}",
                "temperature at the start": BETA
                if free
                else BETA * _divisor(reference, bonus, estimator.scaling),
                f"gain at ε = {bonus:g}": gains[0],
                f"gain at ε = {_TINY:g}": gains[1],
                f"rest points, β = {BETA:g}": str(counts[0]),
                f"rest points, β = {WARM:g}": str(counts[1]),
            }
        )
    return pd.DataFrame(rows)


def remedies(bonus: float = 0.001) -> pd.DataFrame:
    """What to use instead, on the demonstrations' traces under the weak grader and a bonus."""
    reference = demonstrated()
    passing = np.array([[[float(name != "wrong") for name in TRACES]]])
    deviation = float(np.sqrt(reference[0] @ (passing[0, 0] - reference[0] @ passing[0, 0]) ** 2))
    ways: dict[str, tuple[Scaling, float, float]] = {
        "group deviation": ("group", BETA, fact_12.GUARD),
        "no scaling, or the KL penalty divided with the reward": ("none", BETA, fact_12.GUARD),
        f"a fixed divisor, the deviation at the start ({deviation:.2f})": (
            "none",
            BETA * deviation,
            fact_12.GUARD,
        ),
        "group deviation with a guard of 0.1": ("group", BETA, 0.1),
        "group deviation with a guard of 1": ("group", BETA, 1.0),
    }
    return pd.DataFrame(
        {
            "advantages divided by": way,
            f"moved at ε = {bonus:g}": moved,
            "gain": moved / fact_6.bound(bonus, BETA),
        }
        for way, (scaling, beta, guard) in ways.items()
        for moved in [_move(reference, bonus, beta, scaling, guard, passing)]
    )


def time_to_learn() -> pd.DataFrame:
    """Steps of the exact gradient from a rate of success to 0.9, undivided and divided.

    One answer is right and earns 1. Its log-odds move at p(1−p) without division and at √(p(1−p))
    with it, up to one factor for both.
    """
    rows = []
    for rate in (0.5, 0.1, 0.01, 0.001):
        plain, divided = (quad(lambda p, k=k: (p * (1 - p)) ** -k, rate, 0.9)[0] for k in (2, 1.5))
        rows.append(
            {
                "success at the start": rate,
                "time, undivided": plain,
                "time, divided": divided,
                "ratio": plain / divided,
            }
        )
    return pd.DataFrame(rows)


def _rewards(answers: int, bonus: float, base: np.ndarray | None = None) -> np.ndarray:
    """(2, 1, answers): what all but some earn, and a bonus for one."""
    paid = np.zeros((1, answers))
    paid[0, list(TRACES).index(FAVOURED) if base is not None else 0] = bonus
    return np.stack([np.ones((1, answers)) if base is None else base[0], paid])


def _move(
    reference: np.ndarray,
    bonus: float,
    beta: float,
    scaling: Scaling,
    guard: float = fact_12.GUARD,
    base: np.ndarray | None = None,
) -> float:
    """Distance of the rest point with a bonus from the one without."""
    bare, paid = (
        settle(reference, _rewards(reference.shape[1], b, base), [1.0, 1.0], beta, scaling, guard)
        for b in (0.0, bonus)
    )
    return float(total_variation(bare, paid)[0])


def _divisor(reference: np.ndarray, bonus: float, scaling: Scaling) -> float:
    followed = advantages(
        reference, _rewards(reference.shape[1], bonus), [1.0, 1.0], scaling, fact_12.GUARD
    )
    return float(bonus / np.ptp(followed))


@figure(
    "normaliser-bandit",
    rests_on=("sharp_12_advantage_normalisation", "sharp_6_kl_sequence", "sharp_7_cliff_width"),
)
def bandit() -> Drawing:
    """How far three tied answers move for a bonus on one: undivided, divided, and the promise."""
    bonuses = np.geomspace(1e-7, 1.0, 141)
    guard = fact_12.GUARD
    divided = np.array([fact_12.rest_point(e, BETA, TIES) - 1 / TIES for e in bonuses])
    lines = {
        "divided by the deviation": divided,
        "not divided": fact_7.move(bonuses / BETA, TIES),
        "promised": fact_6.bound(bonuses, BETA),
        "promised by the guard": fact_12.upper_bound(bonuses, BETA),
    }
    looks = {
        "divided by the deviation": ("orange", "-"),
        "not divided": ("blue", "-"),
        "promised": ("ink", ":"),
        "promised by the guard": ("faint", ":"),
    }
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.2))
        for name, values in lines.items():
            colour, dashes = looks[name]
            ax.plot(bonuses, values, dashes, color=COLOURS[colour], label=name)
        ax.axvline(guard, color=COLOURS["faint"], lw=1)
        ax.text(guard * 1.15, 2e-7, "guard", color=COLOURS["faint"])
        ax.set(xscale="log", yscale="log", ylim=(1e-7, 1.5))
        ax.set(xlabel="bonus ε for one of the tied answers", ylabel="how far the policy moves")
        ax.legend(loc="lower right")
        plt.close(fig)
    at = int(np.abs(bonuses - 0.001).argmin())
    table = pd.DataFrame(lines).assign(bonus=bonuses)
    return Drawing(
        fig,
        title="Division takes the promise back",
        caption=f"{TIES} tied answers, one with a bonus ε, KL weight β = {BETA:g}. Undivided "
        "(blue) the policy that training rests at keeps below what fact 6 promises (dotted), and "
        "the move vanishes with the bonus. Divided by the deviation (orange) it moves by "
        f"{divided[at]:.2f} for a bonus of {bonuses[at]:.3f}, where "
        f"{lines['promised'][at]:.5f} is promised; "
        f"only below the guard of {guard:g}, which is added to the deviation, does the move "
        "shrink with the bonus.",
        alt="Two rising curves of the distance moved against the bonus, on logarithmic axes. The "
        "undivided one follows a dotted bound closely; the divided one lies thousands of times "
        "higher and is flat at about two thirds for every bonus above the guard.",
        data=table,
    )


@figure("normaliser-threshold", rests_on=("sharp_13_collapse",))
def threshold() -> Drawing:
    """Share of the favoured answer at the rest point against β, and where there is none."""
    betas = np.linspace(0.05, 4.0, 400)
    rows = []
    for ties in (2, 3, 8):
        for beta in betas:
            points = fact_13.rest_points(float(beta), ties)
            share = float(expit(2 * min(points))) if points else 1.0
            rows.append({"ties": ties, "beta": beta, "share": share, "rest points": len(points)})
    table = pd.DataFrame(rows)
    thresholds = {ties: collapse_threshold(ties) for ties in (2, 3, 8)}
    with style():
        fig, ax = plt.subplots(figsize=(10, 5))
        for (ties, edge), name in zip(thresholds.items(), ("blue", "orange", "green"), strict=True):
            part = table[table.ties == ties]
            for side, label in ((part.beta < edge, None), (part.beta >= edge, f"{ties} ties")):
                ax.plot(part.beta[side], part.share[side], color=COLOURS[name], label=label)
            ax.axvline(edge, color=COLOURS[name], ls=":", lw=1.2)
        for beta in (BETA, WARM):
            ax.axvline(beta, color=COLOURS["faint"], lw=1)
        ax.set(xlabel="KL weight β", ylabel="share of the favoured answer", ylim=(0, 1.05))
        ax.legend(loc="upper right")
        plt.close(fig)
    edges = ", ".join(f"{edge:.2f} for {ties}" for ties, edge in thresholds.items())
    return Drawing(
        fig,
        title="Below a threshold, nowhere to stop",
        caption="The favoured answer's share where normalised training stops, without a guard and "
        "for a bonus of any size. Below the threshold (dotted: "
        f"{edges} ties) it does not stop, and the share goes to 1. Grey: the two weights that "
        f"the study trains with, {BETA:g} and {WARM:g}.",
        alt="Three curves of the favoured answer's share against the KL weight: 1 up to a "
        "threshold, then a jump down and a slow fall. The threshold is lower the more ties.",
        data=table,
    )


@figure("normaliser-live", rests_on=("sharp_12_advantage_normalisation",), family="deceptive")
def live(curves: LiveCurves) -> Drawing:
    """The favoured trace's probability in the runs trained just now."""
    return exact_curves(
        curves, "The same bonus, divided and not", FAVOURED, len(normaliser.NEW_STARTS)
    )


@figure(
    "normaliser-trained",
    rests_on=("sharp_12_advantage_normalisation", "sharp_6_kl_sequence"),
    family="deceptive",
)
def trained(recorded: Runs, today: Runs) -> Drawing:
    """Distance over guarantee, and the favoured trace's share, against the bonus."""
    parts = {
        "gain": [normaliser.gain(runs) for runs in (recorded, today)],
        "share": [normaliser.share(runs) for runs in (recorded, today)],
    }
    with style():
        fig, (left, right) = plt.subplots(1, 2, figsize=(11, 5.2), sharex=True)
        for ax, (old, new) in zip((left, right), parts.values(), strict=True):
            for estimator in ESTIMATORS:
                _against_bonus(ax, estimator, old, new)
        left.axhline(1, color=COLOURS["ink"], ls=":", lw=2)
        left.set(xscale="log", yscale="log", title="Distance over what is promised")
        right.set(ylim=(-0.04, 1.04), title="Share of the favoured trace")
        for ax in (left, right):
            ax.set_xlabel("bonus ε")
        fig.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        plt.close(fig)
    starts = len({key.start for key in recorded.keys})
    return Drawing(
        fig,
        title="Undivided, the promise is kept",
        caption="One of three equally rewarded traces gets a bonus ε; exact gradient, KL weight "
        f"β = {BETA:g}, {starts} starts. Left: distance to the run of the same start without the "
        "bonus, over the distance that fact 6 promises not to be exceeded (dotted, at 1). Right: "
        "the favoured trace's probability after training. Dots are starts, lines their mean, bars "
        "Student t intervals (95 %); crosses are other starts, trained while this page was built.",
        alt=_in_words(parts["gain"][0]),
        data=pd.concat(
            part.assign(measure=measure, run=run)
            for measure, pair in parts.items()
            for part, run in zip(pair, ("recorded", "live"), strict=True)
        ),
    )


def measured(runs: Runs, conditions: list[str]) -> pd.DataFrame:
    """Conditions side by side, as a page shows them: moved, gain, share, still moving."""
    measures = {
        "moved": (normaliser.moved(runs), ".3f"),
        "gain": (normaliser.gain(runs), ".1f"),
        "share of the favoured trace": (normaliser.share(runs), ".2f"),
        "still moving by": (normaliser.unrest(runs), ".3f"),
    }
    return side_by_side(conditions, measures)


def _against_bonus(ax: Axes, estimator: str, old: pd.DataFrame, new: pd.DataFrame) -> None:
    """Dots, mean and interval of an estimator over its bonuses, and crosses for new runs."""
    names = [normaliser.name_of(estimator, bonus) for bonus in EPSILONS]
    colour = _COLOURS[estimator]
    # Group and batch coincide where all prompts are alike: one shows through the other.
    line = {"ls": "--", "ms": 4} if estimator == "batch" else {}
    draw_means(ax, EPSILONS, old, names, colour, label=estimator, **line)
    for name, bonus in zip(names, EPSILONS, strict=True):
        draw_runs(ax, 1.12 * bonus, new, name, colour, new=True)


def _in_words(gains: pd.DataFrame) -> str:
    ends = [
        f"{estimator}: from {signed(interval(gains, first).value, '.3g')} at the smallest bonus to "
        f"{signed(interval(gains, last).value, '.3g')} at the largest."
        for estimator in ESTIMATORS
        for first, last in [
            [normaliser.name_of(estimator, bonus) for bonus in (EPSILONS[0], EPSILONS[-1])]
        ]
    ]
    return " ".join(["Left, the distance over what is promised, against the bonus.", *ends])
