"""Verdicts and forecasts as a page shows them: how many came out how, and all of them, folded."""

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import Markdown

from companion.results import show
from companion.studies.claims import Verdict
from companion.studies.forecasts import Outcome, how_many_met, outcome_table

# of one, of several, of all
_OUTCOMES = {
    "holds": ("holds", "hold", "All {} claims hold."),
    "not shown": ("is not shown", "are not shown", "None of the {} claims is shown."),
    "contradicted": ("is contradicted", "are contradicted", "All {} claims are contradicted."),
}


def verdict_table(verdicts: Sequence[Verdict], spec: str = ".2f") -> pd.DataFrame:
    """One row a claim, numbers as ``spec`` says."""
    return pd.DataFrame(
        {
            "claim": v.claim.text,
            "ours": format(v.ours, spec),
            "control": format(v.control, spec),
            "difference": format(v.difference, f"+{spec}"),
            "verdict": f"{v.words} ({v.standing})",
        }
        for v in verdicts
    )


def verdict_box(verdicts: Sequence[Verdict], spec: str = ".2f") -> Markdown:
    """How many claims came out how, and ``verdict_table`` in a box that opens."""
    table = show.markdown_table(verdict_table(verdicts, spec))
    return Markdown(f"{_counted(verdicts)}\n\n{show.folded('Each claim with its control', table)}")


def _counted(verdicts: Sequence[Verdict]) -> str:
    """How many claims came out how, as a sentence."""
    count = Counter(v.words for v in verdicts)
    if len(verdicts) == 1:
        return f"The claim {_OUTCOMES[verdicts[0].words][0]}."
    parts = [
        f"{count[words]} {forms[count[words] > 1]}"
        for words, forms in _OUTCOMES.items()
        if count[words]
    ]
    if len(parts) == 1:
        return _OUTCOMES[verdicts[0].words][2].format(len(verdicts))
    said = " and ".join([", ".join(parts[:-1]), parts[-1]])
    return f"Of {len(verdicts)} claims {said}."


def outcome_box(found: Sequence[Outcome], more: Mapping[str, Sequence[object]] = {}) -> Markdown:
    """How many forecasts were met, and ``outcome_table`` in a box that opens.

    Args:
        found: of one study.
        more: columns to add.
    """
    table = show.markdown_table(outcome_table(found).assign(**more))
    box = show.folded("Each forecast with what was measured", table)
    return Markdown(f"{how_many_met(found)}\n\n{box}")
