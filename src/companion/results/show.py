"""How a result appears in a chapter: Markdown that book, live notebook and Colab render alike."""

import re
from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pandas as pd
import sympy
from IPython.display import Markdown

from companion.results.base import Check, Counterexample, Derivation, tex


def statement(result: ModuleType) -> Markdown:
    """The statement of a result under its number in the paper and its title."""
    # Markdown wants a displayed formula in a paragraph of its own.
    text = re.sub(r"\s*\$\$(.+?)\$\$\s*", r"\n\n$$\n\1\n$$\n\n", result.STATEMENT, flags=re.DOTALL)
    return Markdown(f"**{result.ITEM}.** *{result.TITLE}.*\n\n{text.strip()}")


def derivation(result: ModuleType) -> Markdown:
    """The derivation of a result in a box that opens and says how many steps it has."""
    found: Derivation = result.symbolic()
    title = f"The derivation, in {len(found.steps)} steps"
    return Markdown(folded(title, found._repr_markdown_()))


def formula(*parts: str | sympy.Basic) -> Markdown:
    """A displayed formula, its parts LaTeX or SymPy expressions."""
    text = "".join(part if isinstance(part, str) else tex(part) for part in parts)
    return Markdown(f"$$\n{text}\n$$")


def verdicts(*checks: Check) -> Markdown:
    """How many checks hold and which do not, and each in a table in a box that opens."""
    title = "Each check" if len(checks) > 1 else "The check"
    box = folded(f"{title} with its tightest case", _check_table(checks))
    return Markdown(f"{_counted(checks)}\n\n{box}")


def _counted(checks: Sequence[Check]) -> str:
    """How many checks hold, as a sentence; those that do not are named."""
    failed = [check.name for check in checks if not check.holds]
    if failed:
        does = "does" if len(failed) == 1 else "do"
        count = f"Of {len(checks)} checks {len(failed)}" if len(checks) > 1 else "The check"
        return f"{count} {does} **not** hold: {'; '.join(failed)}."
    cases = sum(check.measured.size for check in checks)
    few = {1: "The check holds", 2: "Both checks hold"}
    return f"{few.get(len(checks), f'All {len(checks)} checks hold')}, over {cases:,} cases."


def _check_table(checks: Sequence[Check]) -> str:
    """One line for each check: how many cases, the tightest, and whether the claim held."""
    words = {"<=": "at most", ">=": "at least", "==": "equal to"}
    table = pd.DataFrame(
        {
            "check": check.name,
            "is": f"{words[check.relation]} the claim",
            "cases": check.measured.size,
            "tightest ratio": "–" if np.isnan(check.tightest) else _ratio(check.tightest),
            "holds": "yes" if check.holds else "**no**",
        }
        for check in checks
    )
    without = "\n\nA claim of 0 has no ratio." if "–" in {*table["tightest ratio"]} else ""
    return markdown_table(table) + without


def dropped(counterexample: Counterexample) -> Markdown:
    """What was dropped, what happens without it, and the numbers that show it."""
    numbers = ", ".join(f"{name}: {number(x)}" for name, x in counterexample.evidence.items())
    outcome = (
        "the claim fails, as it should" if counterexample.fails else "**the claim still holds**"
    )
    return Markdown(
        f"**Dropped:** {counterexample.dropped}. {counterexample.text} ({numbers}.) "
        f"Without the hypothesis {outcome}."
    )


def all_dropped(*counterexamples: Counterexample) -> Markdown:
    """How many hypotheses were dropped and which was not needed, and each in a box that opens."""
    idle = [each.dropped for each in counterexamples if not each.fails]
    count = f"{len(counterexamples)} hypotheses were dropped, one at a time"
    outcome = (
        f"but the claim **still holds** without: {'; '.join(idle)}"
        if idle
        else "and each time the claim fails, as it should"
    )
    details = "\n\n".join(str(dropped(each).data) for each in counterexamples)
    return Markdown(
        f"{count}, {outcome}.\n\n{folded('Each hypothesis, and what fails without it', details)}"
    )


def _ratio(value: float) -> str:
    """Ten digits: a ratio of almost 1 is to be told from 1."""
    text = f"{value:.10g}"
    return number(value) if "e" in text else text


def number(value: float) -> str:
    """Four digits as a page shows them, with powers of ten and minus signs as such.

    >>> number(2.5e-9), number(-0.25)
    ('$2.5 \\\\cdot 10^{-9}$', '−0.25')
    """
    mantissa, _, exponent = f"{value:.4g}".partition("e")
    if not exponent:
        return mantissa.replace("-", "−")
    factor = "" if mantissa == "1" else rf"{mantissa} \cdot "
    return f"${factor}10^{{{int(exponent)}}}$"


def markdown_table(table: pd.DataFrame) -> str:
    """A table of strings and numbers as Markdown, numbers to four digits."""
    shown = table.map(lambda cell: number(cell) if isinstance(cell, float) else str(cell))
    return shown.to_markdown(index=False, tablefmt="github", disable_numparse=True)


def folded(title: str, text: str) -> str:
    """Markdown that a page shows once its title is clicked; print shows it at once."""
    return f'<details class="folded">\n<summary>{title}</summary>\n\n{text}\n\n</details>'
