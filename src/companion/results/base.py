"""What every result module returns: a derivation, a numeric check, a counterexample.

``prove`` and ``identity`` raise ``ProofError``, so a derivation that comes back is a proof.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import sympy
import z3
from sympy.printing.latex import LatexPrinter

Relation = Literal["<=", ">=", "=="]

_TIMEOUT_MS = 60_000


class ProofError(AssertionError):
    """A step of a derivation does not hold, or could not be decided."""


@dataclass(frozen=True)
class Step:
    """One line of a derivation: a sentence (Markdown) and what it says as a formula."""

    text: str
    formula: sympy.Basic | str

    @property
    def latex(self) -> str:
        """The formula as LaTeX (a string is taken as LaTeX already), fit for KaTeX."""
        return self.formula if isinstance(self.formula, str) else tex(self.formula)

    def _repr_markdown_(self) -> str:
        return f"{self.text}\n\n$$\n{self.latex}\n$$\n"


@dataclass(frozen=True)
class Derivation:
    """Steps that were proved while the object was built.

    ``scope`` says what the machine has shown (for which sizes, over which reals) and which step,
    if any, is left to a cited theorem or to the reader.
    """

    steps: tuple[Step, ...]
    scope: str

    def _repr_markdown_(self) -> str:
        lines = [f"**{i}.** {step._repr_markdown_()}" for i, step in enumerate(self.steps, start=1)]
        return "\n".join([*lines, f"*What is proved here:* {self.scope}"])


@dataclass(frozen=True)
class Check:
    """Measured values of one named quantity against the claim; arrays of one shape ``(n,)``.

    ``relation`` reads *measured relation claimed*. ``attained`` says that the bound is tight, so
    that the check fails as well if no row comes within ``1e-9`` (relative) of it.
    ``columns`` holds what varies from row to row, for tables and plots.
    """

    name: str
    relation: Relation
    measured: np.ndarray
    claimed: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    attained: bool = False
    tolerance: float = 1e-9

    @property
    def ratio(self) -> np.ndarray:
        """Measured / claimed, ``(n,)``; 1 where both are zero."""
        equal = self.measured == self.claimed
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(equal, 1.0, self.measured / self.claimed)

    @property
    def tightest(self) -> float:
        """The ratio that comes closest to breaking the claim; nan if every claim is 0."""
        ratio = self.ratio[self.claimed != 0]
        if not ratio.size:
            return float("nan")
        if self.relation == "<=":
            return float(ratio.max())
        if self.relation == ">=":
            return float(ratio.min())
        return float(ratio[np.argmax(np.abs(ratio - 1))])

    @property
    def holds(self) -> bool:
        """Whether every row agrees with the claim and a tight bound is attained."""
        if not self.measured.size or not np.isfinite([*self.measured, *self.claimed]).all():
            return False
        slack = self.tolerance * np.maximum(1e-3, np.abs(self.claimed))
        difference = self.measured - self.claimed
        agrees = {"<=": difference <= slack, ">=": difference >= -slack}.get(
            self.relation, np.abs(difference) <= slack
        )
        tight = not self.attained or (np.abs(self.ratio - 1) <= 1e-9).any()
        return bool(agrees.all() and tight)

    def table(self) -> pd.DataFrame:
        """One row per case: the columns, then measured, claimed and their ratio."""
        return pd.DataFrame(
            {
                **self.columns,
                "measured": self.measured,
                "claimed": self.claimed,
                "ratio": self.ratio,
            }
        )


@dataclass(frozen=True)
class Counterexample:
    """A named hypothesis dropped, and numbers that show the claim failing without it.

    ``fails`` is computed from the evidence; the result is in order when it is true.
    """

    dropped: str
    text: str
    evidence: Mapping[str, float]
    fails: bool


def prove(claim: z3.BoolRef, *hypotheses: z3.BoolRef) -> None:
    """Prove by z3 that the claim follows from the hypotheses for all values of the variables.

    Raises:
        ProofError: if there is a counter-model, if z3 cannot decide, or if the hypotheses
            contradict each other (then everything would follow).
    """
    if _solve(*hypotheses).check() != z3.sat:
        raise ProofError(f"hypotheses are not known to be satisfiable: {hypotheses}")
    solver = _solve(*hypotheses, z3.Not(claim))
    if solver.check() == z3.sat:
        raise ProofError(f"{claim} fails at {solver.model()}")
    if solver.check() == z3.unknown:
        raise ProofError(f"{claim} is undecided: {solver.reason_unknown()}")


def _solve(*constraints: z3.BoolRef) -> z3.Solver:
    solver = z3.Solver()
    solver.set("timeout", _TIMEOUT_MS)
    solver.add(*constraints)
    return solver


def tex(expression: sympy.Basic) -> str:
    """LaTeX of a SymPy expression with the paper's letter forms: ε and φ in their round shapes."""
    text = _Printer({"order": "rev-lex"}).doprint(expression)
    return re.sub(r"\\(epsilon|phi)\b", r"\\var\1", text)


class _Printer(LatexPrinter):
    """Sums as people write them: 1 + γ, but m − 1."""

    def _as_ordered_terms(self, expr: sympy.Add, order: str | None = None) -> list[sympy.Expr]:
        terms = super()._as_ordered_terms(expr, order)
        return sorted(terms, key=lambda term: bool(term.as_coeff_Mul()[0].is_negative))


def require(condition: Any, statement: str) -> None:
    """Raise ``ProofError`` unless a condition evaluates to true (SymPy's or Python's)."""
    if condition is not True and condition != sympy.true:
        raise ProofError(f"{statement}: not shown")


def identity(left: sympy.Expr, right: sympy.Expr) -> sympy.Eq:
    """Prove by SymPy that two expressions are equal, and return the equation unevaluated.

    Raises:
        ProofError: if their difference does not simplify to zero.
    """
    if sympy.simplify(sympy.expand(left - right)) != 0 and sympy.simplify(left - right) != 0:
        raise ProofError(f"{left} = {right}: the difference does not simplify to zero")
    return sympy.Eq(left, right, evaluate=False)
