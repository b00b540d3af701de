"""What the scores of sampled answers say: ties, margins, deviations, and what β makes of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import atanh, isnan, nan, tanh

import numpy as np
from numpy.typing import ArrayLike, NDArray

from companion.theory._checks import (
    LARGEST,
    non_negative,
    plain,
    real_array,
    refuse,
    shown,
)
from companion.theory.linear import UNIT_ROUNDOFF
from companion.theory.normalised import GUARD, collapse_threshold

LINES = {
    "size": ("Prompts (different answers to each)", "–"),
    "rescored": ("Largest difference between scores of one and the same answer", "–"),
    "tied_exactly": ("Prompts where answers tie exactly at the top", "Proposition 2.10"),
    "on_cliff": ("Prompts on the cliff: a tie within the tolerance", "Proposition 2.10"),
    "within_reach": ("Prompts whose winner an error of ε can change", "fact 3"),
    "margin": ("Lead of the best answer over the next, median", "Theorem 2.7"),
    "radius": ("Stability radius, half of the lead, median", "fact 2"),
    "flat": ("Groups without any difference", "fact 12"),
    "noise_only": ("Groups with no difference above the tolerance, but some", "fact 12"),
    "deviation": ("Deviation σ within a group, median", "fact 12"),
    "temperature": ("Temperature under division by it, β(σ + c), median", "fact 12"),
    "move": ("Furthest that an error of ε moves the best policy", "fact 6"),
    "needed_beta": ("Least β that keeps this move within the distance", "fact 6"),
    "collapsing": ("Prompts on the cliff with β below their threshold β_c", "fact 13"),
}
"""The lines of a report in their order: what each says, and what it rests on."""

PROMPT_HEADINGS = ("prompt", "answers", "ties", "exact ones", "lead", "σ", "β(σ + c)", "β_c")
SHOWN_PROMPTS = 20
_LONGEST_LABEL = 40
_ROUNDING = 8 * UNIT_ROUNDOFF
_GAPS = {"None", "nan", "NaT", "<NA>"}
_MARKUP = re.compile(r"([\\`*_{}\[\]<>$|#~&])")


@dataclass(frozen=True)
class PromptScores:
    """The sampled answers to one prompt, under one score.

    Attributes:
        prompt: its text.
        samples: answers sampled, equal ones included.
        answers: different ones among them; such an answer has the median of its samples' scores.
        tied_exactly: answers whose score equals the highest, at least 1.
        ties: answers whose score lies within the tolerance of it.
        margin: lead of the best answer over the next, in units of the score: 0 at an exact tie,
            nan where all samples are one answer.
        deviation: of the samples' scores, with n − 1 as trainers have it.
        temperature: β (deviation + c), what takes the place of β where advantages are divided.
        threshold: β_c(ties), nan without a tie.
        flat: whether all scores are equal, but for rounding.
        noise_only: whether they are not, but all lie within the tolerance of each other.
        within_reach: whether errors of ε in the scores can take the lead from the best answer.
        rescored: largest difference between scores of one and the same answer.
    """

    prompt: str
    samples: int
    answers: int
    tied_exactly: int
    ties: int
    margin: float
    deviation: float
    temperature: float
    threshold: float
    flat: bool
    noise_only: bool
    within_reach: bool
    rescored: float

    @property
    def on_cliff(self) -> bool:
        """Whether several answers share the top, within the tolerance."""
        return self.ties > 1


@dataclass(frozen=True)
class ScoreColumn:
    """All prompts under one score. Counts are of prompts, medians over prompts.

    Attributes:
        name: of the score.
        prompts: in the order in which they first appear.
        tied_exactly: those with an exact tie at the top.
        on_cliff: those with a tie within the tolerance.
        within_reach: those whose winner an error of ε can change.
        margin: median lead, nan if no prompt has two different answers.
        flat: those without any difference.
        noise_only: those with differences that all lie within the tolerance.
        deviation: median.
        temperature: median.
        collapsing: those on the cliff for whose number of ties β lies below the threshold.
        rescored: largest difference between scores of one and the same answer: a hint of the noise.
    """

    name: str
    prompts: tuple[PromptScores, ...]
    tied_exactly: int
    on_cliff: int
    within_reach: int
    margin: float
    flat: int
    noise_only: int
    deviation: float
    temperature: float
    collapsing: int
    rescored: float

    def nearest(self, count: int = SHOWN_PROMPTS) -> list[PromptScores]:
        """The prompts nearest to the cliff, smallest lead first; most ties first among equals."""
        return sorted(self.prompts, key=_nearness)[:count]


@dataclass(frozen=True)
class ScoreReport:
    """The outcome of `score_report`; it shows itself as tables in a notebook.

    Attributes:
        columns: one for each score.
        epsilon, beta, tolerance, distance: as given.
        move: furthest that errors of ε move the best policy under β, in total variation.
        needed_beta: least β that keeps this move within the distance.
    """

    columns: tuple[ScoreColumn, ...]
    epsilon: float
    beta: float
    tolerance: float
    distance: float
    move: float
    needed_beta: float

    @property
    def settings(self) -> str:
        """What was asked for, on one line."""
        names = ("ε", self.epsilon), ("β", self.beta), ("tolerance", self.tolerance)
        return ", ".join(f"{name} = {_number(x)}" for name, x in (*names, ("c", GUARD)))

    def summary(self) -> tuple[list[str], list[list[str]]]:
        """Headings, and a row of texts for each of `LINES`: line, a cell a score, source."""
        headings = ["line", *(column.name for column in self.columns), "rests on"]
        cells = [self._cells(column) for column in self.columns]
        rows = [
            [label, *(cell[key] for cell in cells), source]
            for key, (label, source) in LINES.items()
        ]
        return headings, rows

    def _cells(self, column: ScoreColumn) -> dict[str, str]:
        total = len(column.prompts)
        few, many = (pick(p.answers for p in column.prompts) for pick in (min, max))
        counts = ("tied_exactly", "on_cliff", "within_reach", "flat", "noise_only")
        return {
            "size": f"{total} ({few if few == many else f'{few} to {many}'})",
            **{key: f"{getattr(column, key)} of {total}" for key in counts},
            "rescored": _number(column.rescored),
            "margin": _number(column.margin),
            "radius": _number(column.margin / 2),
            "deviation": _number(column.deviation),
            "temperature": _number(column.temperature),
            "move": _number(self.move),
            "needed_beta": f"{_number(self.needed_beta)} for {_number(self.distance)}",
            "collapsing": f"{column.collapsing} of {column.on_cliff}",
        }

    def _repr_markdown_(self) -> str:
        parts = [f"{self.settings}", _table(*self.summary())]
        for column in self.columns:
            near = column.nearest()
            more = len(column.prompts) - len(near)
            rest = f" ({more} further prompts have larger leads)" if more else ""
            parts.append(f"Prompts by *{_plain_text(column.name)}*, nearest to the cliff{rest}:")
            parts.append(_table(PROMPT_HEADINGS, [prompt_row(prompt) for prompt in near]))
        return "\n\n".join(parts)


def score_report(
    prompts: ArrayLike,
    answers: ArrayLike,
    scores: ArrayLike | Mapping[str, ArrayLike],
    *,
    epsilon: float,
    beta: float,
    tolerance: float = 0.0,
    distance: float = 0.1,
) -> ScoreReport:
    """Where a grader's scores tie, how far they are from a tie, and what β makes of that.

    Each row is one sampled answer. Only answers that were sampled are seen: a tie with another one
    is not. Scores are those of finished answers, so that each prompt is a single choice and its
    stability radius half of its margin (Theorem 2.7, facts 1 and 2). Two scores tie within the
    tolerance if they differ by no more; rounding (8 units of the last digit) is forgiven in all
    comparisons but the exact ones.

    The move is tanh(ε / 2β), the bound of fact 6 for errors of at most ε in every score, whose
    span is at most 2ε; it is 1 at β = 0. It becomes the distance d at β = ε / (2 artanh d).

    Args:
        prompts: (N,) labels.
        answers: (N,) labels; equal ones under one prompt are one answer, sampled more than once.
        scores: (N,) numbers, or such a column for each of several scores by its name.
        epsilon: at least 0, how wrong a score may be.
        beta: at least 0, weight of the KL divergence from the reference policy.
        tolerance: at least 0, the scores' noise: a difference that means nothing.
        distance: between 0 and 1, how far the best policy may move.

    Raises ValueError for columns of different lengths or without rows, missing labels, scores
    that are no finite numbers or whose differences would overflow, a prompt with a single sample,
    and settings out of their range.

    >>> report = score_report(
    ...     ["sum", "sum", "sum", "rhyme", "rhyme"],
    ...     ["42", "forty-two", "43", "soon", "sun"],
    ...     [1.0, 1.0, 0.0, 0.8, 0.3],
    ...     epsilon=0.01,
    ...     beta=0.1,
    ... )
    >>> (column,) = report.columns
    >>> column.on_cliff, [f"{prompt.margin:.1f}" for prompt in column.prompts]
    (1, ['0.0', '0.5'])
    >>> f"{report.move:.3f}"
    '0.050'
    """
    error, weight, noise = (
        float(non_negative(name, value))
        for name, value in (("epsilon", epsilon), ("beta", beta), ("tolerance", tolerance))
    )
    columns = scores if isinstance(scores, Mapping) else {"score": scores}
    if not columns:
        raise ValueError("scores must hold at least one column")
    asked, given = _labels("prompts", prompts), _labels("answers", answers)
    measured = {str(name): _scores(str(name), column) for name, column in columns.items()}
    lengths = [len(asked), len(given), *(len(column) for column in measured.values())]
    if len(set(lengths)) > 1:
        raise ValueError(
            "prompts, answers and scores must have one length, got " + ", ".join(map(str, lengths))
        )
    groups = _groups(asked)
    settings = (error, weight, noise)
    return ScoreReport(
        tuple(_column(name, groups, given, column, settings) for name, column in measured.items()),
        epsilon=error,
        beta=weight,
        tolerance=noise,
        distance=float(distance),
        move=furthest_move(error, weight),
        needed_beta=needed_beta(error, distance),
    )


def furthest_move(epsilon: float, beta: float) -> float:
    """Bound on how far errors of ε in every reward move the best policy: tanh(ε / 2β), fact 6.

    At most 1, the bound at β = 0. Raises ValueError for numbers that are negative or not finite.
    """
    error, weight = (non_negative("epsilon", epsilon), non_negative("beta", beta))
    if error == 0:
        return 0.0
    return tanh(error / weight / 2) if weight else 1.0


def needed_beta(epsilon: float, distance: float) -> float:
    """The least β at which `furthest_move` is no more than a distance: ε / (2 artanh d).

    Raises ValueError unless ε is finite and at least 0, and the distance strictly between 0 and 1.
    """
    error = non_negative("epsilon", epsilon)
    if not 0 < non_negative("distance", distance) < 1:
        raise ValueError(f"distance must lie between 0 and 1, got {shown(distance)}")
    return float(error / (2 * atanh(distance)))


def prompt_row(prompt: PromptScores) -> list[str]:
    """The texts of a prompt under `PROMPT_HEADINGS`."""
    label = " ".join(prompt.prompt.split())
    if len(label) > _LONGEST_LABEL:
        label = f"{label[: _LONGEST_LABEL - 1]}…"
    counts = (prompt.answers, prompt.ties, prompt.tied_exactly)
    numbers = (prompt.margin, prompt.deviation, prompt.temperature, prompt.threshold)
    return [label, *map(str, counts), *map(_number, numbers)]


def _labels(name: str, values: ArrayLike) -> list[str]:
    labels = np.asarray(values, dtype=object)
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"{name} must be a column of labels, got shape {labels.shape}")
    for i, label in enumerate(labels):
        if not isinstance(label, str) and str(label) in _GAPS:
            raise ValueError(f"{name} must not have gaps, got {name}[{i}] = {shown(label)}")
    return [str(label) for label in labels]


def _scores(name: str, values: ArrayLike) -> NDArray[np.float64]:
    column = np.asarray(real_array(name, plain(name, values), ndim=1), dtype=np.float64)
    refuse(name, column, np.abs(column) > LARGEST, f"must lie within ±{LARGEST:.3g}")
    return column


def _groups(prompts: Sequence[str]) -> dict[str, list[int]]:
    """The rows of each prompt, in the order of first appearance."""
    groups: dict[str, list[int]] = {}
    for row, prompt in enumerate(prompts):
        groups.setdefault(prompt, []).append(row)
    for prompt, rows in groups.items():
        if len(rows) < 2:
            raise ValueError(f"prompt {shown(prompt)} has one answer; margins need at least 2")
    return groups


def _column(
    name: str,
    groups: Mapping[str, list[int]],
    answers: Sequence[str],
    scores: NDArray[np.float64],
    settings: tuple[float, float, float],
) -> ScoreColumn:
    prompts = tuple(
        _prompt(prompt, [answers[row] for row in rows], scores[rows], settings)
        for prompt, rows in groups.items()
    )
    _, beta, _ = settings
    margins = [p.margin for p in prompts if not isnan(p.margin)]
    return ScoreColumn(
        name=name,
        prompts=prompts,
        tied_exactly=sum(p.tied_exactly > 1 for p in prompts),
        on_cliff=sum(p.on_cliff for p in prompts),
        within_reach=sum(p.within_reach for p in prompts),
        margin=float(np.median(margins)) if margins else nan,
        flat=sum(p.flat for p in prompts),
        noise_only=sum(p.noise_only for p in prompts),
        deviation=float(np.median([p.deviation for p in prompts])),
        temperature=float(np.median([p.temperature for p in prompts])),
        collapsing=sum(p.on_cliff and beta < p.threshold for p in prompts),
        rescored=max(p.rescored for p in prompts),
    )


def _prompt(
    prompt: str,
    answers: Sequence[str],
    scores: NDArray[np.float64],
    settings: tuple[float, float, float],
) -> PromptScores:
    epsilon, beta, tolerance = settings
    by_answer: dict[str, list[float]] = {}
    for answer, score in zip(answers, scores.tolist(), strict=True):
        by_answer.setdefault(answer, []).append(score)
    # The median of equal numbers is that number; their mean need not be, and would break ties.
    ranked = np.sort([np.median(of_one) for of_one in by_answer.values()])[::-1]
    behind = ranked[0] - ranked
    rounding = _ROUNDING * float(np.abs(scores).max())
    width = float(np.ptp(scores))
    ties = int((behind <= tolerance + rounding).sum())
    margin = float(behind[1]) if ranked.size > 1 else nan
    deviation = _deviation(scores)
    return PromptScores(
        prompt=prompt,
        samples=scores.size,
        answers=ranked.size,
        tied_exactly=int((behind == 0).sum()),
        ties=ties,
        margin=margin,
        deviation=deviation,
        temperature=beta * (deviation + GUARD),
        threshold=_threshold(ties) if ties > 1 else nan,
        flat=width <= rounding,
        noise_only=rounding < width <= tolerance + rounding,
        within_reach=margin <= 2 * epsilon + rounding,
        rescored=max(max(of_one) - min(of_one) for of_one in by_answer.values()),
    )


_threshold = cache(collapse_threshold)


def _deviation(scores: NDArray[np.float64]) -> float:
    """With n − 1; exactly 0 for equal scores, and no overflow for large ones."""
    width = float(np.ptp(scores))
    return width * float(np.std((scores - scores.min()) / width, ddof=1)) if width else 0.0


def _nearness(prompt: PromptScores) -> tuple[bool, float, int]:
    alone = isnan(prompt.margin)
    return alone, 0.0 if alone else prompt.margin, -prompt.ties


def _number(value: float) -> str:
    """Three digits, with an exponent only where the number is tiny or huge."""
    if isnan(value):
        return "–"
    if value and not 1e-6 <= value < 1e21:
        return f"{value:.3g}".replace("-", "−")
    return np.format_float_positional(value, 3, unique=False, fractional=False, trim="-")


def _plain_text(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", text)


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[_plain_text(cell) for cell in line] for line in chain([headings], rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
