"""Chapter 12's figures and tables: the bandit, the trained models, and what a spread costs."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy import stats
from scipy.special import expit

from companion.figures import COLOURS, Drawing, figure, style
from companion.results import sharp_14_noise as fact_14
from companion.rlhf.curves import LiveCurves
from companion.studies import noise
from companion.studies.marks import draw_means, draw_runs
from companion.studies.runs import Runs
from companion.studies.statistics import Interval, interval, per_start

_REFERENCE = np.array([0.15, 0.15, 0.15, 0.55])  # three tied answers and a wrong one
_TIES = 3
_BATCHES = (32, 128, 512)
_FREE_TIME, _HELD_TIME = 4.0, 30.0  # s = η T: before p is at rest, and after
_BETA = 1.0
_RUNS = 500


def simulated() -> pd.DataFrame:
    """The variance of u over simulated training of a bandit, and what fact 14 says of it.

    Returns:
        Columns ``penalty``, ``eta``, ``batch``, ``ratio`` (η/B), ``variance``, ``theory``.
    """
    rng = np.random.default_rng(20150)
    rows = []
    for beta, time, rates in (
        (0.0, _FREE_TIME, (0.02, 0.05, 0.1)),
        (_BETA, _HELD_TIME, (0.05, 0.1, 0.2)),
    ):
        for eta in rates:
            for batch in _BATCHES:
                steps = round(time / eta)
                u, path = fact_14.train(rng, _RUNS, steps, eta, batch, beta, False, _REFERENCE)
                said = (
                    fact_14.held_spread(eta, batch, beta, 1 - path[-1])
                    if beta
                    else fact_14.spread_along(path, eta, batch, _TIES, scaled=False)
                )
                rows.append((f"β = {beta:g}", eta, batch, eta / batch, u.var(), said))
    columns = ["penalty", "eta", "batch", "ratio", "variance", "theory"]
    return pd.DataFrame(rows, columns=columns)


@figure("noise-bandit", rests_on=("sharp_14_noise",))
def bandit(table: pd.DataFrame) -> Drawing:
    """Variance of the log-odds between two tied answers against η/B; ``table``: ``simulated``."""
    with style():
        fig, ax = plt.subplots(figsize=(10, 5.4))
        for (name, part), colour in zip(
            table.groupby("penalty", sort=False), ("orange", "blue"), strict=True
        ):
            line = part.sort_values("ratio")
            label = f"{name}, " + ("without a penalty" if name == "β = 0" else "at rest")
            ax.plot(line.ratio, line.theory, color=COLOURS[colour])
            ax.plot(part.ratio, part.variance, "o", color=COLOURS[colour], label=label)
        ax.set(xscale="log", yscale="log")
        ax.set(xlabel="learning rate over batch size, η/B", ylabel="variance of the log-odds")
        ax.legend(loc="upper left")
        plt.close(fig)
    off = table.variance / table.theory
    return Drawing(
        fig,
        title="Noise moves a tie by η/B",
        caption="Nothing is paid for either of two tied answers, and yet training moves one "
        f"against the other. Dots: variance of their log-odds over {_RUNS} simulated runs, three "
        "learning rates and three batch sizes. Lines: fact 14. Without a penalty (orange) after "
        f"the time s = {_FREE_TIME:g}, with a KL weight of {_BETA:g} (blue) at rest. Simulated "
        f"over predicted: from {off.min():.2f} to {off.max():.2f}.",
        alt="Two rising straight lines on logarithmic axes: the variance grows in proportion to "
        "the learning rate over the batch size, with a penalty and without. The dots of simulated "
        "runs lie on them.",
        data=table,
    )


@figure("noise-live", rests_on=("sharp_14_noise",), family="deceptive")
def live(curves: LiveCurves) -> Drawing:
    """Probability of announced edits in the runs trained just now."""
    return Drawing(
        curves.drawn(),
        title="One start, two seeds",
        caption=f"Probability of announcing the edit in the {curves.data.run.nunique()} runs that "
        f"were trained while this page was built: {len(noise.NEW_STARTS)} starts that the record "
        "does not hold, two sampling seeds each. Each thin line is a run; nothing is paid for "
        "announcing.",
        alt=curves.alt,
        data=curves.data,
    )


@figure("noise-trained", rests_on=("sharp_14_noise",), family="deceptive")
def trained(recorded: Runs, today: Runs) -> Drawing:
    """Variance between the seeds of a start: against η/B, and under what holds or frees it."""
    old, new = (_decimal(noise.spread(runs)) for runs in (recorded, today))
    free = _decimal_of(noise.FREE, old)
    others = {
        "no\npenalty": noise.FREE,
        **{f"β =\n{beta:g}": noise.held(beta) for beta in noise.BETAS},
        "divided": noise.DIVIDED,
    }
    with style():
        fig, (left, right) = plt.subplots(
            1, 2, figsize=(11, 5.4), sharey=True, width_ratios=(1.15, 1)
        )
        for optimizer, colour in (("sgd", "blue"), ("adam", "orange")):
            _against_ratio(left, optimizer, colour, old, new)
        left.set(xlabel="log₁₀ of η/B", ylabel="log₁₀ of the variance between seeds")
        left.set_title("Without a penalty")
        left.legend(loc="upper left")
        draw_means(right, range(len(others)), old, list(others.values()), "purple", ls="none")
        right.axhline(free, color=COLOURS["faint"], lw=1)
        right.set_xticks(range(len(others)), list(others))
        right.set_title("SGD, held or divided")
        plt.close(fig)
    starts = len({key.start for key in recorded.keys})
    return Drawing(
        fig,
        title="The same start, other seeds",
        caption="Variance of the log-odds of announced against silent edits, between sampling "
        f"seeds of one start, on a logarithmic scale; {starts} starts. Left: against η/B at equal "
        "training time; dotted lines have the slope of theory, 1, and the height that fits. Right: "
        f"{noise.FREE} with penalties, and with advantages divided by their deviation. Dots are "
        "starts, bars means with Student t intervals (95 %); crosses are other starts, trained "
        "while this page was built.",
        alt=_in_words(old, others),
        data=pd.concat([old.assign(run="recorded"), new.assign(run="live")]),
    )


def _decimal(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(value=table.value / np.log(10))


def _decimal_of(condition: str, table: pd.DataFrame) -> float:
    return float(table[table.condition == condition].value.mean())


def _against_ratio(
    ax: Axes, optimizer: str, colour: str, old: pd.DataFrame, new: pd.DataFrame
) -> None:
    """An optimiser's conditions over η/B, slightly apart, and the line of slope 1."""
    cells = noise.grid(optimizer)
    place = {
        name: float(np.log10(eta / batch)) + 0.06 * (eta == max(noise.RATES[optimizer])) - 0.03
        for name, (eta, batch) in cells.items()
    }
    draw_means(ax, list(place.values()), old, list(place), colour, ls="none", label=optimizer)
    for name, x in place.items():
        draw_runs(ax, x + 0.05, new, name, colour, new=True)
    places = np.array(list(place.values()))
    height = np.mean([_decimal_of(name, old) for name in place]) - places.mean()
    ends = np.array([places.min(), places.max()])
    ax.plot(ends, noise.exponent() * ends + height, ls=":", color=COLOURS[colour])


def _in_words(old: pd.DataFrame, others: Mapping[str, str]) -> str:
    names = [name for optimizer in noise.RATES for name in noise.grid(optimizer)]
    means = {name: _decimal_of(name, old) for name in dict.fromkeys([*names, *others.values()])}
    told = [f"{name}: {value:.1f}." for name, value in means.items()]
    return " ".join(["Logarithm of the variance between seeds, mean over starts.", *told])


def components(runs: Runs) -> pd.DataFrame:
    """Where the variance of the moved log-odds comes from, a row a condition.

    One-way analysis of variance: sampling seeds nested in starts. The interval of the variance
    within starts is that of χ², for normal values.

    Returns:
        Columns ``condition``, ``between seeds`` (an interval), ``between starts``, ``from seeds``
        (share of the sum), ``moved`` (an interval) and ``bad`` (runs that diverged).
    """
    moved, lost = noise.moved(runs), noise.diverged(runs)
    rows = []
    for name, part in moved.groupby("condition", sort=False):
        within, between = _nested(part)
        rows.append(
            {
                "condition": name,
                "between seeds": within,
                "between starts": between,
                "from seeds": within.value / (within.value + between),
                "moved": interval(moved, str(name)),
                "bad": int(lost[lost.condition == name].value.sum()),
            }
        )
    return pd.DataFrame(rows)


def _nested(part: pd.DataFrame, level: float = 0.95) -> tuple[Interval, float]:
    """Variance within starts with its interval, and between them (0 where the estimate is less)."""
    groups = part.groupby("start").value
    freedom = int((groups.size() - 1).sum())
    squares = float((groups.var(ddof=1).fillna(0) * (groups.size() - 1)).sum())
    within = squares / freedom
    low, high = (
        squares / stats.chi2.ppf(end, freedom) for end in ((1 + level) / 2, (1 - level) / 2)
    )
    means = per_start(part.value, part.start)
    between = max(0.0, float(means.var(ddof=1)) - within / float(groups.size().mean()))
    return Interval(within, low, high, len(means), "χ²"), between


def components_table(runs: Runs) -> pd.DataFrame:
    """``components`` as the page shows them, in thousandths, and the share of right answers."""
    right = noise.right(runs)
    return pd.DataFrame(
        {
            "condition": row.condition,
            "variance between seeds": f"{1000 * row['between seeds']:.2f}",
            "between starts": f"{1000 * row['between starts']:.2f}",
            "share from seeds": f"{row['from seeds']:.2f}",
            "log-odds moved": f"{row.moved:.2f}",
            "right": f"{interval(right, row.condition).value:.3f}",
            "diverged": str(row.bad),
        }
        for _, row in components(runs).iterrows()
    )


def lost() -> pd.DataFrame:
    """What a spread of log-odds leaves of the rarer of two tied answers, in the median run.

    The share of the rarer one among both for normal u, and how likely a group of samples is
    to hold none of it, if the two answers have half of all samples.
    """
    rows = []
    for variance in (0.01, 0.1, 1.0, 4.0, 16.0):
        u = float(stats.norm.ppf(0.75)) * np.sqrt(variance)  # the median of |u|
        rarer = float(expit(-u))
        rows.append(
            {"variance of u": variance, "share of the rarer": rarer}
            | {f"unseen in {n} samples": (1 - rarer / 2) ** n for n in (8, 16, 64)}
        )
    return pd.DataFrame(rows)
