"""The helpers must fail when they should: a proof that cannot fail proves nothing."""

import numpy as np
import pytest
import sympy
import z3

from companion.results.base import (
    BY_DEFINITION,
    Check,
    Proof,
    ProofError,
    Step,
    cited,
    identity,
    induct,
    prove,
    require,
)
from companion.results.elementary import absolute, maximum, tanh

x, y = z3.Reals("x y")


def test_prove_accepts_a_theorem():
    prove(absolute(x) >= 0)
    prove(maximum(x, y) >= y)


def test_prove_rejects_a_false_claim():
    with pytest.raises(ProofError, match="fails at"):
        prove(x > 0, x >= 0)


def test_prove_rejects_contradictory_hypotheses():
    with pytest.raises(ProofError, match="not known to be satisfiable"):
        prove(x > 5, x > 0, x < 0)


def add(total):
    return (total + x,)


def test_induct_proves_for_every_number_of_terms():
    proof = induct((x,), add, lambda total: total >= 0, x >= 0)
    assert proof.by == "z3 by induction"
    assert len(proof.queries) == 2


def test_induct_rejects_a_false_start():
    with pytest.raises(ProofError, match="fails at"):
        induct((x - 1,), add, lambda total: total >= 0, x >= 0)


def test_induct_rejects_a_false_step():
    """x ≤ 1 holds for the first term, and not for the sum of two."""
    with pytest.raises(ProofError, match="fails at"):
        induct((x,), add, lambda total: total <= 1, x >= 0, x <= 1)


def test_induct_does_not_confuse_what_came_before_with_the_new_element():
    """That all elements are equal does not follow from one of them."""
    with pytest.raises(ProofError, match="fails at"):
        induct((x, x), lambda last, _: (x, last), lambda last, before: last == before)


def test_proofs_that_a_machine_decided():
    assert prove(x == x).decided
    assert identity(sympy.Integer(1), sympy.Integer(1)).decided
    assert not cited("Berge's theorem").decided
    assert not BY_DEFINITION.decided


def test_an_identity_is_a_formula_and_its_own_proof():
    step = Step("A sentence.", identity(2 * sympy.Symbol("a"), sympy.Symbol("a") * 2), Proof("z3"))
    assert [proof.by for proof in step.proofs] == ["SymPy", "z3"]
    assert step.by == "SymPy; z3"
    assert step.latex == "2 a = 2 a"
    assert Step("A sentence.", "x").proofs == ()


def test_identity():
    a, b = sympy.symbols("a b")
    assert identity((a + b) ** 2, a**2 + 2 * a * b + b**2).lhs == (a + b) ** 2
    with pytest.raises(ProofError, match="does not simplify"):
        identity((a + b) ** 2, a**2 + b**2)


@pytest.mark.parametrize("condition", [False, sympy.false, None, sympy.Symbol("a") > 0])
def test_require_wants_a_plain_truth(condition):
    with pytest.raises(ProofError, match="not shown"):
        require(condition, "something")


def test_require_passes():
    require(True, "fine")
    require(sympy.Integer(1) > 0, "fine")


def check(relation, measured, claimed, **more):
    return Check("test", relation, np.array(measured), np.array(claimed), **more)


@pytest.mark.parametrize(
    ("relation", "measured", "claimed", "holds"),
    [
        ("<=", [1.0, 2.0], [1.0, 3.0], True),
        ("<=", [1.0, 3.1], [1.0, 3.0], False),
        (">=", [1.0, 3.1], [1.0, 3.0], True),
        (">=", [0.9, 3.1], [1.0, 3.0], False),
        ("==", [1.0, 3.0], [1.0, 3.0], True),
        ("==", [1.0, 3.0001], [1.0, 3.0], False),
        ("==", [0.0, 0.0], [0.0, 0.0], True),
        ("==", [0.0, 1.0], [0.0, 0.0], False),
        ("<=", [np.nan], [1.0], False),
        ("<=", [], [], False),
    ],
)
def test_check_holds(relation, measured, claimed, holds):
    assert check(relation, measured, claimed).holds is holds


def test_a_tight_bound_must_be_attained():
    assert check("<=", [0.5, 1.0], [1.0, 1.0], attained=True).holds
    assert not check("<=", [0.5, 0.999], [1.0, 1.0], attained=True).holds


def test_tightest_ratio():
    assert check("<=", [1.0, 2.0], [2.0, 2.5]).tightest == 0.8
    assert check(">=", [4.0, 3.0], [2.0, 2.0]).tightest == 1.5
    assert check("==", [2.0, 0.9], [2.0, 1.0]).tightest == 0.9
    assert np.isnan(check("==", [0.0], [0.0]).tightest)


def test_table_shows_columns():
    table = check("<=", [1.0], [2.0], columns={"epsilon": np.array([0.1])}).table()
    assert list(table.columns) == ["epsilon", "measured", "claimed", "ratio"]
    assert table["ratio"][0] == 0.5


def test_step_shows_latex():
    assert Step("A sentence.", sympy.Symbol("alpha")).latex == r"\alpha"
    assert Step("A sentence.", r"\beta").latex == r"\beta"


def test_elementary_functions_agree():
    value = tanh(sympy.Rational(1, 2))
    assert float(value) == pytest.approx(tanh(0.5))
