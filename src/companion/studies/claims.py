"""Claims of a study: declared with sign, measure and control, judged on the recorded runs."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from companion.errors import CompanionError
from companion.studies.registry import module_of
from companion.studies.runs import Runs
from companion.studies.statistics import (
    Interval,
    equivalence,
    holm,
    mean_interval,
    mean_test,
    not_beyond,
    paired,
    per_start,
    share_difference,
    share_interval,
    share_test,
)
from companion.studies.store import load
from companion.studies.study import Study

LEVEL = 0.05
ENOUGH_STARTS = 10  # of a confirmatory claim
_LEAST_STARTS = 2  # that an interval needs


@dataclass(frozen=True)
class Claim:
    """One sentence about a study that its runs can contradict.

    ``measure`` gives a tidy table; its rows of condition ``of`` are compared with those of
    condition ``against``, start by start. A condition here is any name in that table, so that a
    measure may add rows such as ``noise floor``.

    Attributes:
        id: a word or a section of the paper, unique in the study.
        text: the claim, a sentence.
        measure: of the runs, a table with columns ``condition``, ``start``, ``repeat``, ``value``.
        of: the condition it is about.
        against: its control.
        sign: +1 if ``of`` is greater, -1 if it is less, 0 if it is the same within ``margin``.
        margin: the largest difference that counts as none, in the measure's unit. With a sign the
            claim is one-sided: "less, or at most ``margin`` more" at -1 (it stagnates or declines),
            "more, or at most ``margin`` less" at +1.
        outcome: ``mean`` of numbers (Student's t), or ``share`` of starts in which something that
            is all or nothing happens (exact test).
        section: of the paper whose empirical claim this is, such as ``5.4``; the index of claims
            lists the claims that have one.
        short: a few words for a row of a figure.
        paper: the paper's number for the difference, in the measure's unit, if it has one; a
            function where it is read from ``data/paper``, since a page may read only the data that
            it declares.
        confirmatory: declared before the runs were made; its p-value is then corrected together
            with those of the study's other confirmatory claims (Holm).
    """

    id: str
    text: str
    measure: Callable[[Runs], pd.DataFrame]
    of: str
    against: str
    sign: Literal[-1, 0, 1]
    margin: float | None = None
    outcome: Literal["mean", "share"] = "mean"
    section: str = ""
    short: str = ""
    paper: float | Callable[[], float] | None = None
    confirmatory: bool = False

    def __post_init__(self) -> None:
        if self.sign == 0 and self.margin is None:
            raise CompanionError(f"claim {self.id}: sign 0 needs a margin")
        if self.margin is not None and (self.margin <= 0 or self.outcome == "share"):
            raise CompanionError(f"claim {self.id}: margin must be > 0, for means alone")
        if not self.against or self.against == self.of:
            raise CompanionError(f"claim {self.id}: needs a control other than {self.of!r}")
        if self.section and not re.fullmatch(r"\d+(\.\d+)*", self.section):
            raise CompanionError(f"claim {self.id}: section must be like 5.4, is {self.section!r}")

    @property
    def reported(self) -> float | None:
        """The paper's number, read when it is asked for."""
        return self.paper() if callable(self.paper) else self.paper


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim.

    Attributes:
        claim: the claim.
        ours: the measure under its condition.
        control: the measure under its control.
        difference: of the two, paired by start; with a margin its interval is the 90 % one.
        p: two-sided p-value of no difference; with a margin that of a difference beyond it.
        corrected: ``p``, for a confirmatory claim after Holm's correction.
    """

    claim: Claim
    ours: Interval
    control: Interval
    difference: Interval
    p: float
    corrected: float

    @property
    def n(self) -> int:
        """Number of starts."""
        return self.difference.n

    @property
    def holds(self) -> bool:
        """Whether the runs show what the claim says."""
        sign = self.claim.sign
        right_way = self.claim.margin is not None or sign * self.difference.value > 0
        return right_way and self.corrected < LEVEL

    @property
    def words(self) -> str:
        """``holds``, ``not shown`` or ``contradicted``."""
        if self.holds:
            return "holds"
        sign, margin, difference = self.claim.sign, self.claim.margin, self.difference
        if margin is None:
            return "contradicted" if self.corrected < LEVEL else "not shown"
        above, below = difference.low > margin, difference.high < -margin
        beyond = (above and sign <= 0) or (below and sign >= 0)
        return "contradicted" if beyond else "not shown"

    def told(self, holds: str, that: str) -> str:
        """The sentence of a page, as the verdict has it.

        Args:
            holds: the whole sentence where the claim holds.
            that: what is claimed, to follow "That" and be followed by the verdict's words.

        Returns:
            ``holds``, or "That … is not shown." or "That … is contradicted."
        """
        return holds if self.holds else f"That {that} is {self.words}."

    @property
    def standing(self) -> str:
        """Confirmatory or exploratory, with the number of starts it rests on."""
        if not self.claim.confirmatory:
            return f"exploratory, {self.n} starts"
        if self.n < ENOUGH_STARTS:
            return f"confirmatory, {self.n} of {ENOUGH_STARTS} starts so far"
        return f"confirmatory, {self.n} starts"


def judge(study: Study | str, runs: Runs | None = None) -> list[Verdict]:
    """Verdicts on the claims of a study; the p-values of confirmatory ones are Holm-corrected.

    A claim one of whose conditions has not been run from two starts yet has no verdict. If it is
    confirmatory it still counts in Holm's correction, as one that shows nothing.

    Args:
        study: itself or its name.
        runs: of the study; ``None`` takes the recorded ones.

    Raises:
        CompanionError: for a claim whose measure lacks a condition that was run, or has fewer than
            two starts of it, one line that names study, claim and condition.
    """
    name = study if isinstance(study, str) else study.name
    claims: Sequence[Claim] = getattr(module_of(name), "CLAIMS", ())
    if not claims:
        return []
    found = load(name) if runs is None else runs
    tables: dict[Callable[[Runs], pd.DataFrame], pd.DataFrame] = {}
    verdicts = []
    waiting = [claim for claim in claims if _waits(claim, found)]
    for claim in (claim for claim in claims if claim not in waiting):
        if claim.measure not in tables:
            tables[claim.measure] = claim.measure(found)
        verdicts.append(_verdict(name, claim, tables[claim.measure]))
    return _corrected(verdicts, waiting)


def _waits(claim: Claim, runs: Runs) -> bool:
    """Whether a condition of the study that the claim names lacks runs from two starts."""
    starts = Counter(condition for condition, _ in {key[:2] for key in runs.keys})
    named = {claim.of, claim.against} & set(runs.study.conditions)
    return any(starts[condition] < _LEAST_STARTS for condition in named)


def _corrected(verdicts: Sequence[Verdict], waiting: Sequence[Claim]) -> list[Verdict]:
    """Verdicts with the p-values of the confirmatory ones corrected for all that are declared."""
    p = {claim.id: 1.0 for claim in waiting if claim.confirmatory}
    family = holm(p | {v.claim.id: v.p for v in verdicts if v.claim.confirmatory})
    return [replace(v, corrected=family.get(v.claim.id, v.p)) for v in verdicts]


def _verdict(study: str, claim: Claim, table: pd.DataFrame) -> Verdict:
    ours, control = (_part(study, claim, table, c) for c in (claim.of, claim.against))
    starts = sorted(set(ours.start) & set(control.start))
    if len(starts) < _LEAST_STARTS:
        raise CompanionError(
            f"study {study}, claim {claim.id}: {claim.of!r} and {claim.against!r} share "
            f"{len(starts)} starts, two are the least"
        )
    ours, control = (part[part.start.isin(starts)] for part in (ours, control))
    if claim.outcome == "share":
        shares = [part.groupby("start").value.all().astype(bool) for part in (ours, control)]
        p = share_test(*shares)
        one, other = (share_interval(part.value, part.start) for part in (ours, control))
        return Verdict(claim, one, other, share_difference(*shares), p, p)
    means = [per_start(part.value, part.start) for part in (ours, control)]
    difference = paired(*means)
    if claim.margin is not None and claim.sign:
        interval, p = not_beyond(difference, claim.sign, claim.margin)
    elif claim.margin is not None:
        interval, p = equivalence(difference, claim.margin)
    else:
        interval, p = mean_interval(difference), mean_test(difference)
    return Verdict(claim, mean_interval(means[0]), mean_interval(means[1]), interval, p, p)


def _part(study: str, claim: Claim, table: pd.DataFrame, condition: str) -> pd.DataFrame:
    part = table[table.condition == condition]
    if part.empty:
        raise CompanionError(f"study {study}, claim {claim.id}: no runs of {condition!r}")
    return part
