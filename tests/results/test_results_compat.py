"""What results take from SymPy is there, in the pinned version."""

from importlib.metadata import version

import sympy
from sympy.printing.latex import LatexPrinter

from companion.results.base import tex

GAMMA, M = sympy.symbols("gamma m")


def test_the_order_of_terms_is_a_method_that_can_be_replaced():
    gone = f"sympy {version('sympy')}: LatexPrinter._as_ordered_terms is gone; see results.compat"
    assert hasattr(LatexPrinter, "_as_ordered_terms"), gone


def test_sums_are_printed_as_people_write_them():
    assert tex(GAMMA + 1) == r"1 + \gamma"
    assert tex(M - 1) == "m - 1"
