"""How a result appears in a chapter: Markdown that book, live notebook and Colab render alike."""

import re
from types import ModuleType

import numpy as np
import pandas as pd
import sympy
from IPython.display import Markdown

from companion.results.base import Check, Counterexample, tex


def statement(result: ModuleType) -> Markdown:
    """The statement of a result under its number in the paper and its title."""
    # Markdown wants a displayed formula in a paragraph of its own.
    text = re.sub(r"\s*\$\$(.+?)\$\$\s*", r"\n\n$$\n\1\n$$\n\n", result.STATEMENT, flags=re.DOTALL)
    return Markdown(f"**{result.ITEM}.** *{result.TITLE}.*\n\n{text.strip()}")


def formula(*parts: str | sympy.Basic) -> Markdown:
    """A displayed formula, its parts LaTeX or SymPy expressions."""
    text = "".join(part if isinstance(part, str) else tex(part) for part in parts)
    return Markdown(f"$$\n{text}\n$$")


def verdicts(*checks: Check) -> Markdown:
    """One line for each check: how many cases, the tightest, and whether the claim held."""
    words = {"<=": "at most", ">=": "at least", "==": "equal to"}
    table = pd.DataFrame(
        {
            "check": check.name,
            "is": f"{words[check.relation]} the claim",
            "cases": check.measured.size,
            # Counts that are all zero, as claimed, have no ratio.
            "tightest ratio": "–" if np.isnan(check.tightest) else _ratio(check.tightest),
            "holds": "yes" if check.holds else "**no**",
        }
        for check in checks
    )
    return Markdown(markdown_table(table))


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
