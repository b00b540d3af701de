"""What every result module returns: a derivation, a numeric check, a counterexample.

``prove``, ``induct``, ``identity`` and ``require`` raise ``ProofError`` or hand back a ``Proof``,
which the step that it shows carries. A step without one is not green.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import sympy
import z3

from companion.results.compat import Printer

Relation = Literal["<=", ">=", "=="]

_TIMEOUT_MS = 60_000


class ProofError(AssertionError):
    """A step of a derivation does not hold, or could not be decided."""


@dataclass(frozen=True)
class Proof:
    """Why a statement holds.

    ``by`` says what decided it: a prover ("z3", "z3 by induction", "SymPy"), "by definition", or
    "cited: " and the theorem or the result it is left to. ``queries`` are the questions put to z3
    as SMT-LIB texts, each unsatisfiable if the statement holds, for a second solver to ask again.
    """

    by: str
    queries: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether a machine decided it, rather than a definition or a citation."""
        return not self.by.startswith(("by definition", "cited: "))


@dataclass(frozen=True)
class Identity(Proof):
    """An equation that SymPy has shown, unevaluated."""

    by: str = field(default="SymPy", init=False)
    equation: sympy.Eq = field(kw_only=True)

    @property
    def lhs(self) -> sympy.Expr:
        """The left side."""
        return self.equation.lhs

    @property
    def rhs(self) -> sympy.Expr:
        """The right side."""
        return self.equation.rhs


BY_DEFINITION = Proof("by definition")


def cited(source: str) -> Proof:
    """What is left to a named theorem or to another result."""
    return Proof(f"cited: {source}")


@dataclass(frozen=True)
class Step:
    """One line of a derivation: a sentence (Markdown), what it says as a formula, and why.

    An identity may stand for its formula and is then its own proof.
    """

    text: str
    formula: sympy.Basic | str | Identity
    proof: Proof | tuple[Proof, ...] = ()

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """All proofs that the step carries; empty if nothing shows it."""
        given = self.proof if isinstance(self.proof, tuple) else (self.proof,)
        return (self.formula, *given) if isinstance(self.formula, Identity) else given

    @property
    def latex(self) -> str:
        """The formula as LaTeX (a string is taken as LaTeX already), fit for KaTeX."""
        if isinstance(self.formula, str):
            return self.formula
        return tex(self.formula.equation if isinstance(self.formula, Identity) else self.formula)

    @property
    def by(self) -> str:
        """What shows the step, each once."""
        return "; ".join(dict.fromkeys(proof.by for proof in self.proofs))

    def _repr_markdown_(self) -> str:
        return f"{self.text} *({self.by})*\n\n$$\n{self.latex}\n$$\n"


@dataclass(frozen=True)
class Derivation:
    """Steps, each with its proof, that were proved while the object was built.

    ``scope`` says what the machine has shown (for which sizes, over which reals) and which step,
    if any, is left to a cited theorem or to the reader.
    """

    steps: tuple[Step, ...]
    scope: str

    @property
    def proved(self) -> bool:
        """Whether every step carries a proof, and a machine decided one of them at least."""
        proofs = [step.proofs for step in self.steps]
        return all(proofs) and any(proof.decided for each in proofs for proof in each)

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


def prove(claim: z3.BoolRef, *hypotheses: z3.BoolRef) -> Proof:
    """Prove by z3 that the claim follows from the hypotheses for all values of the variables.

    Raises:
        ProofError: if there is a counter-model, if z3 cannot decide, or if the hypotheses
            contradict each other (then everything would follow).
    """
    if _solve(*hypotheses).check() != z3.sat:
        raise ProofError(f"hypotheses are not known to be satisfiable: {hypotheses}")
    solver = _solve(*hypotheses, z3.Not(claim))
    answer = solver.check()
    if answer == z3.sat:
        raise ProofError(f"{claim} fails at {solver.model()}")
    if answer == z3.unknown:
        raise ProofError(f"{claim} is undecided: {solver.reason_unknown()}")
    return Proof("z3", (solver.to_smt2(),))


State = tuple[z3.ArithRef, ...]


def induct(
    base: State,
    step: Callable[..., State],
    holds: Callable[..., z3.BoolRef],
    *hypotheses: z3.BoolRef,
) -> Proof:
    """Prove by z3 that a property holds along a recursion, after any number of steps.

    What is proved for every number of elements (actions, states, tokens, rewards) is a property of
    quantities that are built up one element at a time, such as sums and maxima: it holds at the
    first element, and if it holds so far it holds with one element more.

    Args:
        base: the quantities at the first element, in variables that stand for that element.
        step: the quantities with one element more, from those so far; it uses the same variables
            for the new element, which may be any.
        holds: the property of the quantities.
        hypotheses: what every element satisfies.

    Raises:
        ProofError: if the property fails at the first element or at the step from n to n + 1.
    """
    so_far = tuple(z3.Real(f"so_far_{i}") for i in range(len(base)))
    first = prove(holds(*base), *hypotheses)
    more = prove(holds(*step(*so_far)), holds(*so_far), *hypotheses)
    return Proof("z3 by induction", first.queries + more.queries)


def _solve(*constraints: z3.BoolRef) -> z3.Solver:
    solver = z3.Solver()
    solver.set("timeout", _TIMEOUT_MS)
    solver.add(*constraints)
    return solver


def tex(expression: sympy.Basic) -> str:
    """LaTeX of a SymPy expression with the paper's letter forms: ε and φ in their round shapes."""
    text = Printer({"order": "rev-lex"}).doprint(expression)
    return re.sub(r"\\(epsilon|phi)\b", r"\\var\1", text)


def require(condition: Any, statement: str) -> Proof:
    """Raise ``ProofError`` unless a condition evaluates to true (SymPy's or Python's)."""
    if condition is not True and condition != sympy.true:
        raise ProofError(f"{statement}: not shown")
    return Proof("SymPy")


def identity(left: sympy.Expr, right: sympy.Expr) -> Identity:
    """Prove by SymPy that two expressions are equal; the equation is kept unevaluated.

    Raises:
        ProofError: if their difference does not simplify to zero.
    """
    if sympy.simplify(sympy.expand(left - right)) != 0 and sympy.simplify(left - right) != 0:
        raise ProofError(f"{left} = {right}: the difference does not simplify to zero")
    return Identity(equation=sympy.Eq(left, right, evaluate=False))
