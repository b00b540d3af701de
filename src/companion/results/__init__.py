"""One module per numbered result: statement, derivation, numeric check, counterexample.

``catalogue`` lists them, ``edges`` what rests on what, ``status`` runs every check;
``errata.ERRATA`` lists the points where the paper's text needs care.
"""

from companion.results.graph import results_map
from companion.results.registry import (
    NAMES,
    catalogue,
    counterexamples,
    edges,
    result,
    status,
    verify,
)

__all__ = [
    "NAMES",
    "catalogue",
    "counterexamples",
    "edges",
    "result",
    "results_map",
    "status",
    "verify",
]
