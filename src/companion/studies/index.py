"""The index of claims: what the paper's empirical sections say, beside what the studies found.

A claim of any study stands here if it names a section of the paper. All are judged alike, by
``judge``; a claim whose study has no record yet is listed without a verdict.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.layout_engine import ConstrainedLayoutEngine

from companion.errors import CompanionError
from companion.figures import COLOURS, Drawing, figure, on_slide, style
from companion.studies.claims import ENOUGH_STARTS, Claim, Verdict, judge
from companion.studies.registry import modules
from companion.studies.statistics import signed
from companion.studies.store import has_record
from companion.studies.study import Study

WAITING = "no runs yet"
# What the paper's sections with numbers are about, for a slide.
_ABOUT = {
    "5.1.1": "weak graders",
    "5.1.2": "pressed thoughts",
    "5.2": "instructions",
    "5.4": "sophistry",
    "5.6": "three models",
}
_COLOURS = {"holds": "blue", "not shown": "faint", "contradicted": "orange"}


@dataclass(frozen=True)
class Row:
    """A claim of the index.

    Attributes:
        study: whose claim it is.
        claim: names a section of the paper.
        verdict: of the recorded runs; ``None`` if the study has none.
    """

    study: Study
    claim: Claim
    verdict: Verdict | None

    @property
    def words(self) -> str:
        """The verdict, or that there is none yet."""
        return self.verdict.words if self.verdict else WAITING


def of_all_studies(wanted: Callable[[Claim], bool]) -> list[Row]:
    """The claims that are wanted, of all studies, in the order of chapters.

    Raises:
        CompanionError: as ``judge`` does.
    """
    found: list[Row] = []
    for name, module in modules().items():
        declared = [claim for claim in getattr(module, "CLAIMS", ()) if wanted(claim)]
        recorded = bool(declared) and has_record(name)
        verdicts = {v.claim.id: v for v in judge(name)} if recorded else {}
        found += [Row(module.STUDY, claim, verdicts.get(claim.id)) for claim in declared]
    return found


def claims() -> list[Row]:
    """The claims that name a section of the paper: by section, then in the order of chapters.

    Raises:
        CompanionError: as ``judge`` does.
    """
    found = of_all_studies(lambda claim: bool(claim.section))
    return sorted(found, key=lambda row: [int(part) for part in row.claim.section.split(".")])


def confirmatory() -> list[Row]:
    """The claims declared before their runs, in the order of chapters.

    Raises:
        CompanionError: as ``judge`` does.
    """
    return of_all_studies(lambda claim: claim.confirmatory)


def table(
    rows: Sequence[Row],
    link: Callable[[int, str], str] = lambda chapter, page: str(chapter),
    spec: str = ".2f",
) -> pd.DataFrame:
    """The index as a page shows it, a row a claim.

    Args:
        rows: of ``claims``.
        link: from the number of a chapter and the letter of its page to what stands for it.
        spec: format of the numbers, which are in the unit of each claim's measure.
    """
    return pd.DataFrame(
        {
            "§": row.claim.section,
            "claim": f"{row.claim.text} (*{row.claim.of}* against *{row.claim.against}*)",
            "paper": "–" if row.claim.reported is None else signed(row.claim.reported, f"+{spec}"),
            "difference": format(v.difference, f"+{spec}") if (v := row.verdict) else "–",
            "ours": format(v.ours, spec) if v else "–",
            "control": format(v.control, spec) if v else "–",
            "verdict": f"{v.words} ({v.standing})" if v else WAITING,
            "chapter": link(row.study.chapter, row.study.page),
        }
        for row in rows
    )


def in_short(rows: Sequence[Row]) -> str:
    """How many claims came out how, and on how many starts they stand, as sentences."""
    count = Counter(row.words for row in rows)
    judged = [row.verdict for row in rows if row.verdict]
    declared = [v for v in judged if v.claim.confirmatory]
    full = sum(v.n >= ENOUGH_STARTS for v in declared)
    waiting = f"; {count[WAITING]} wait for runs" if count[WAITING] else ""
    return (
        f"Of {len(rows)} claims {count['holds']} hold, {count['not shown']} are not shown and "
        f"{count['contradicted']} are contradicted{waiting}. Of the {len(judged)} with a verdict "
        f"{len(declared)} are confirmatory, {full} of these on the {ENOUGH_STARTS} starts they "
        "need; the others are exploratory."
    )


@figure(
    "claims-beside-the-paper",
    rests_on=("prop_2_10", "prop_3_1", "prop_3_2", "prop_4_6"),
    family="all",
)
def beside_the_paper(rows: Sequence[Row]) -> Drawing:
    """Our differences with their intervals, and the paper's number for each.

    Args:
        rows: of ``claims``; those without a verdict or without a number in the paper are left out.

    Raises:
        CompanionError: if none is left.
    """
    drawn = [
        (row, v, paper)
        for row in rows
        if (v := row.verdict) and (paper := row.claim.reported) is not None
    ]
    if not drawn:
        raise CompanionError("index of claims: none has a verdict and a number in the paper")
    with style():
        wide = ConstrainedLayoutEngine(w_pad=0.12)  # long labels differ in width between formats
        fig, ax = plt.subplots(figsize=(10, 0.5 * len(drawn) + 2.2), layout=wide)
        ax.axvline(0, color=COLOURS["ink"], lw=1.2)
        look: dict[str, Any] = {"lw": 4, "ms": 7} if on_slide() else {"lw": 5, "ms": 11}
        theirs: dict[str, Any] = {"marker": "D", "mfc": "none", "ms": 8, "mew": 2, "ls": ""}
        theirs["mec"] = COLOURS["ink"]
        for place, (_, verdict, paper) in enumerate(drawn):
            look["color"] = COLOURS[_COLOURS[verdict.words]]
            ax.plot(verdict.difference.ends, [place, place], **look)
            ax.plot(verdict.difference.value, place, "o", **look)
            ax.plot(paper, place - 0.25, **theirs)
        for words, colour in _COLOURS.items():
            ax.plot([], [], "o-", **look | {"color": COLOURS[colour]}, label=f"ours: {words}")
        ax.plot([], [], **theirs, label="the paper")
        fig.legend(ncols=4, loc="outside lower center")
        if on_slide():  # so many rows have no room for their names there
            _name_sections(ax, [row.claim.section for row, *_ in drawn])
        else:
            ax.set_yticks(range(len(drawn)), [_name(row) for row, *_ in drawn])
        ax.set_ylim(len(drawn) - 0.2, -0.9)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("difference from the control")
        plt.close(fig)
    return Drawing(
        fig,
        title="The paper's empirical claims, here and there",
        caption="Each claim with a number in the paper: our difference from the control (dots, "
        "with 95 % intervals over starts, 90 % where the claim is that there is none) and the "
        "paper's (diamonds; those read from figures carry the reading error that the chapter "
        "states). Shares, scores and distances, all from −1 to 1. Sizes are not comparable, "
        "directions are.",
        alt="One row a claim, ours and the paper's number. "
        + "; ".join(_in_words(*each) for each in drawn),
        data=pd.DataFrame(
            {
                "section": row.claim.section,
                "claim": row.claim.text,
                "chapter": row.study.chapter,
                "paper": paper,
                "difference": v.difference.value,
                "low": v.difference.low,
                "high": v.difference.high,
                "starts": v.n,
                "verdict": v.words,
            }
            for row, v, paper in drawn
        ),
    )


def _name_sections(ax: Axes, sections: Sequence[str]) -> None:
    """Name the rows of each section together, and part them from the next."""
    groups = pd.Series(range(len(sections))).groupby(list(sections), sort=False)
    ax.set_yticks(
        groups.mean(), [f"§{name} {_ABOUT.get(name, '')}".rstrip() for name in groups.groups]
    )
    ax.tick_params(axis="y", length=0)
    for last in groups.max().iloc[:-1]:
        ax.axhline(last + 0.5, color=COLOURS["faint"], lw=1)


def _name(row: Row) -> str:
    return f"{row.claim.section} {row.claim.short or row.claim.id}"


def _in_words(row: Row, verdict: Verdict, paper: float) -> str:
    ours = signed(verdict.difference.value, "+.2f")
    return f"{_name(row)}: {ours}, {signed(paper, '+.2f')} ({verdict.words})"
