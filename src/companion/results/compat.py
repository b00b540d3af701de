"""What results take from SymPy beyond what it promises.

``tests/results/test_results_compat.py`` holds it against the pinned version.
"""

import sympy
from sympy.printing.latex import LatexPrinter


class Printer(LatexPrinter):
    """Sums as people write them: 1 + γ, but m − 1."""

    def _as_ordered_terms(self, expr: sympy.Add, order: str | None = None) -> list[sympy.Expr]:
        terms = super()._as_ordered_terms(expr, order)
        return sorted(terms, key=lambda term: bool(term.as_coeff_Mul()[0].is_negative))
