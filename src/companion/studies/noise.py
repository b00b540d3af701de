"""Chapter 12: how far does sampling noise alone push two answers that tie?

Fact 14 says that the variance of the log-odds between two tied answers is in proportion to η/B,
the learning rate over the samples a step, and that a KL penalty holds it. Here the two answers are
an edit of the tests that is announced and one that is not. Nothing is paid for either, so whatever
moves one against the other is noise, or what the shared weights make of the other answers.

The unit of variance is the supervised start: every start is trained with several sampling seeds,
and only the variance between seeds of one start counts. Learning rates are compared after the same
training time s = ηT, as in fact 14. Trainers are ours (the policy gradient with samples), but for
one exploratory condition of trl's GRPO.

Fact 14 has free logits and plain steps. Shared weights multiply η by what they make of a step, Adam
by what it divides by; both change the constant. So exponents are forecast, and constants are not.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from companion.results import sharp_14_noise
from companion.rlhf.records import Run
from companion.studies.claims import Claim
from companion.studies.forecasts import Forecast
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

TIED = ("open", "hidden")
TRACES = {"honest": 0.2, "open": 0.2, "hidden": 0.2, "wrong": 0.4}  # of the demonstrations
SEEDS = 4  # sampling seeds a start
BATCHES = (64, 256)
RATES = {"sgd": (0.005, 0.02), "adam": (1.5e-4, 6e-4)}
TIMES = {"sgd": 0.8, "adam": 0.018}  # s = η T
BETAS = (0.05, 0.2, 1.0)
THEORY = "theory"
TRL = "trl's GRPO as it comes"
MATCHED = 0.95  # the share of right answers at which optimisers are compared
NEW_STARTS = (40, 41)  # of the live part; the record has others


def _setting(optimizer: str, eta: float, batch: int, **more: Any) -> dict[str, Any]:
    """The weak grader, and steps enough for the optimiser's training time."""
    setting = {
        "task": "deceptive",
        "trainer": "policy_gradient",
        "rewards": {"weak": 1.0},
        "scale_rewards": "none",
        "traces": TRACES,
        "optimizer": optimizer,
        "learning_rate": eta,
        "batch_size": batch,
    }
    steps = round(TIMES[optimizer] / eta)
    return setting | {"steps": steps, "eval_every": steps // 8} | more


def name_of(optimizer: str, eta: float, batch: int, beta: float = 0.0) -> str:
    """Name of a condition without division of advantages."""
    return f"{optimizer}, η = {eta:g}, B = {batch}" + (f", β = {beta:g}" if beta else "")


def grid(optimizer: str) -> dict[str, tuple[float, int]]:
    """The conditions of an optimiser without a penalty, with learning rate and batch."""
    return {
        name_of(optimizer, eta, batch): (eta, batch)
        for eta in RATES[optimizer]
        for batch in BATCHES
    }


SLOW, FAST = RATES["sgd"]
FREE = name_of("sgd", SLOW, BATCHES[0])  # the control of all penalties
DIVIDED = f"{FREE}, divided by the deviation"
_HELD_STEPS = round(TIMES["sgd"] / SLOW)
_GENTLE = SLOW / 2  # with the large batch, an eighth of the noise of the penalised conditions


def held(beta: float) -> str:
    """Name of the condition that a penalty holds, else like ``FREE``."""
    return name_of("sgd", SLOW, BATCHES[0], beta)


PENALISED = {
    held(BETAS[-1]): (SLOW, BATCHES[0]),
    name_of("sgd", _GENTLE, BATCHES[1], BETAS[-1]): (_GENTLE, BATCHES[1]),
}

STUDY = Study(
    "noise",
    chapter=12,
    question="How far does sampling noise alone push two answers that tie, and what holds them?",
    conditions={
        **{
            name: _setting(optimizer, *cell)
            for optimizer in RATES
            for name, cell in grid(optimizer).items()
        },
        **{held(beta): _setting("sgd", SLOW, BATCHES[0], beta=beta) for beta in BETAS},
        **{
            name: _setting("sgd", *cell, beta=BETAS[-1], steps=_HELD_STEPS, eval_every=20)
            for name, cell in PENALISED.items()
            if name != held(BETAS[-1])
        },
        DIVIDED: _setting("sgd", SLOW, BATCHES[0], scale_rewards="group"),
        TRL: {
            "task": "deceptive",
            "trainer": "grpo",
            "rewards": {"weak": 1.0},
            "traces": TRACES,
            "eval_every": 25,
        },
    },
    starts=range(10),
    own_starts={TRL: range(5)},
    repeats=SEEDS,
)


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built: two seeds a start."""
    condition = name_of("sgd", FAST, BATCHES[0])
    return [Key(condition, start, repeat) for start in starts for repeat in range(2)]


def sound(runs: Runs) -> Runs:
    """The runs whose policies stayed numbers; the others have no log-odds."""
    return Runs(runs.study, {key: run for key, run in runs.items() if run.diverged_at is None})


def diverged(runs: Runs) -> pd.DataFrame:
    """Whether a run diverged. Tidy."""
    return runs.tidy(lambda run: float(run.diverged_at is not None))


def right(runs: Runs) -> pd.DataFrame:
    """Probability of a right answer after training, on the training prompts. Tidy, sound runs."""
    return sound(runs).tidy(lambda run: run.expected("weak"))


@lru_cache(maxsize=4)  # the record and today's runs: all measures of variance ask for the same
def odds(runs: Runs) -> pd.DataFrame:
    """u: log-odds of announced against silent edits, natural logarithm, mean over prompts.

    Returns:
        Tidy, sound runs: ``value`` after training, ``before`` under the supervised policy.
    """
    return sound(runs).tidy(_odds)


def moved(runs: Runs) -> pd.DataFrame:
    """By how much u changed from the start. Tidy."""
    table = odds(runs)
    return table.assign(value=table.value - table.before)


def spread(runs: Runs) -> pd.DataFrame:
    """Logarithm of the variance of u between the sampling seeds of one start.

    Returns:
        Tidy, a row a start (repeat 0), for starts with two sound seeds at least; ``variance`` too.
        The mean of a logarithm is low by an amount that depends on the number of seeds alone:
        differences and slopes are free of it.
    """
    return _between_seeds(odds(runs))


def _between_seeds(table: pd.DataFrame) -> pd.DataFrame:
    by = table.groupby(["condition", "start"], sort=False).value
    found = by.var(ddof=1).dropna().rename("variance").reset_index()
    found = found[found.variance > 0]  # seeds that end alike, as after no step, have no logarithm
    return found.assign(repeat=0, value=np.log(found.variance))


def matched(runs: Runs) -> pd.DataFrame:
    """As ``spread``, where each run's right answers first reach the share ``MATCHED``.

    There the log-odds are those of the two traces' probabilities, each a mean over prompts, and
    between two measurements they are straight against the logit of the share.

    Returns:
        Tidy, the conditions without a penalty and without division; runs that do not reach the
        share are left out.
    """
    free = sound(runs).only(*(name for optimizer in RATES for name in grid(optimizer)))
    return _between_seeds(free.tidy(_odds_when_matched).dropna())


def adam_over_sgd(runs: Runs) -> pd.DataFrame:
    """By how much ``matched`` is larger under Adam than under SGD, at equal batch.

    The smaller learning rates stand side by side, and the larger ones.

    Returns:
        Tidy, the conditions named after batch and rate.
    """
    wide = matched(runs).pivot(index="start", columns="condition", values="value")
    parts = {}
    for (sgd, (eta, batch)), adam in zip(grid("sgd").items(), grid("adam"), strict=True):
        rate = "smaller" if eta == SLOW else "larger"
        parts[f"B = {batch}, {rate} η"] = (wide[adam] - wide[sgd]).dropna().rename("value")
    return pd.concat(parts, names=["condition"]).reset_index().assign(repeat=0)


def slopes(runs: Runs) -> pd.DataFrame:
    """Exponents of the variance: its logarithm against those of learning rate and batch.

    By least squares for each start. ``sgd, η/B`` and ``adam, η/B`` are over all four conditions
    of an optimiser, ``…, η`` at equal batch, ``…, 1/B`` at equal learning rate; ``penalty, η/B``
    over the two conditions under the largest weight. The rows ``theory`` are fact 14's exponent.

    Returns:
        Tidy; starts that lack a condition are left out.
    """
    wide = spread(runs).pivot(index="start", columns="condition", values="value")
    found = []
    for optimizer in RATES:
        cells = grid(optimizer)
        logs = {name: np.log([eta, 1 / batch]) for name, (eta, batch) in cells.items()}
        found += [
            _slope(wide, f"{optimizer}, η/B", {n: x.sum() for n, x in logs.items()}),
            _slope(wide, f"{optimizer}, η", {n: x[0] for n, x in logs.items()}),
            _slope(wide, f"{optimizer}, 1/B", {n: x[1] for n, x in logs.items()}),
        ]
    ratio = {name: np.log(eta / batch) for name, (eta, batch) in PENALISED.items()}
    found.append(_slope(wide, "penalty, η/B", ratio))
    theory = pd.DataFrame({"condition": THEORY, "start": wide.index, "value": exponent()})
    return pd.concat([*found, theory], ignore_index=True).assign(repeat=0)


def _slope(wide: pd.DataFrame, name: str, at: Mapping[str, float]) -> pd.DataFrame:
    """Least-squares slope of each row of ``wide`` over the conditions of ``at``."""
    whole = wide.reindex(columns=list(at)).dropna()
    x = np.array(list(at.values()))
    x = x - x.mean()
    values = whole.to_numpy() @ x / (x @ x)
    return pd.DataFrame({"condition": name, "start": whole.index, "value": values})


def exponent() -> float:
    """Fact 14's: by which power of η/B the variance grows, at equal training time."""
    one, other = (
        sharp_14_noise.spread(time=1.0, eta=eta, batch=64, pair=0.4, lead=0.4) for eta in (0.1, 0.2)
    )
    return float(np.log2(other / one))


def rest(beta: float) -> float:
    """The share of right answers under a penalty at rest (fact 6), from the demonstrations."""
    return float(expit(logit(1 - TRACES["wrong"]) + 1 / beta))


def _odds(run: Run) -> dict[str, float]:
    """Log-odds of the two tied traces, each of which is one completion of every prompt."""
    logs = run.split("train").groupby("label")[["logprob", "start_logprob"]].mean()
    gap = logs.loc[TIED[0]] - logs.loc[TIED[1]]
    return {"value": float(gap.logprob), "before": float(gap.start_logprob)}


def _odds_when_matched(run: Run) -> float:
    metrics = run.metrics
    share = logit(metrics[[f"mass/{trace}" for trace in ("honest", *TIED)]].sum(axis=1).to_numpy())
    gap = np.log(metrics[f"mass/{TIED[0]}"] / metrics[f"mass/{TIED[1]}"]).to_numpy()
    wanted = logit(MATCHED)
    if share.max() < wanted:
        return float("nan")
    after = int(np.argmax(share >= wanted))
    if after == 0:
        return float(gap[0])
    return float(np.interp(wanted, share[after - 1 : after + 1], gap[after - 1 : after + 1]))


# Three runs had been seen when these were written, all of start 30, which the study does not hold:
# B = 64, 60 steps, without a penalty. SGD at η = 0.04, two sampling seeds: right answers 0.51 to
# above 0.99 within 20 steps, u from 0.00 to 1.4 and 2.2; honest answers went out. Adam at 0.0006:
# the same, u to 0.4. Gradients of the supervised policy were longer than 1, where the trainer
# clips. Rates were then taken lower.
CLAIMS = (
    Claim(
        "sgd-slope",
        "Under SGD the variance between sampling seeds grows as η/B, with the power of theory.",
        slopes,
        of="sgd, η/B",
        against=THEORY,
        sign=0,
        margin=0.5,
        confirmatory=True,
    ),
    Claim(
        "adam-slope",
        "Under Adam the variance between sampling seeds grows as η/B, with the power of theory.",
        slopes,
        of="adam, η/B",
        against=THEORY,
        sign=0,
        margin=0.5,
        confirmatory=True,
    ),
    Claim(
        "penalty-slope",
        "Under a penalty at rest the variance grows as η/B, with the power of theory.",
        slopes,
        of="penalty, η/B",
        against=THEORY,
        sign=0,
        margin=0.7,
        confirmatory=True,
    ),
    *(
        Claim(
            f"{optimizer}-noise",
            f"With {optimizer} four times the rate and a quarter of the batch spread the tie more.",
            spread,
            of=name_of(optimizer, RATES[optimizer][1], BATCHES[0]),
            against=name_of(optimizer, RATES[optimizer][0], BATCHES[1]),
            sign=+1,
            confirmatory=True,
        )
        for optimizer in RATES
    ),
    *(
        Claim(
            f"held-{beta:g}",
            f"A penalty of weight {beta:g} holds the tie closer than none.",
            spread,
            of=held(beta),
            against=FREE,
            sign=-1,
            confirmatory=True,
        )
        for beta in BETAS
    ),
    Claim(
        "more-is-less",
        "Without division the largest weight holds the tie less closely than a fifth of it, "
        "since it leaves more failures.",
        spread,
        of=held(BETAS[2]),
        against=held(BETAS[1]),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "divided",
        "Advantages divided by the deviation spread the tie more than undivided ones.",
        spread,
        of=DIVIDED,
        against=FREE,
        sign=+1,
        confirmatory=True,
    ),
)


_SPREAD = "results.sharp_14_noise.spread: in proportion to η/B at equal training time"
_HELD = "results.sharp_14_noise.held_spread: in proportion to η/B"
_ADAM = "that of SGD: fact 14 has no Adam, whose denominators change little in so few steps"
_REST = "fact 6 at rest, with the masses of the demonstrations"

FORECASTS = (
    *(
        Forecast(f"slope: {of}", "exponent of the variance", slopes, of, exponent, margin, source)
        for of, margin, source in (
            ("sgd, η/B", 0.35, _SPREAD),
            ("sgd, η", 0.5, _SPREAD),
            ("sgd, 1/B", 0.5, _SPREAD),
            ("adam, η/B", 0.5, _ADAM),
            ("penalty, η/B", 0.5, _HELD),
        )
    ),
    *(
        Forecast(
            f"right: {held(beta)}",
            "share of right answers",
            right,
            held(beta),
            partial(rest, beta),
            0.1 if beta == BETAS[-1] else 0.03,
            _REST,
        )
        for beta in BETAS
    ),
)
