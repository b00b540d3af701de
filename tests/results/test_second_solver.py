"""Every question that z3 answered, put to another solver: cvc5."""

from functools import cache

import cvc5
import pytest
import z3

from companion import results
from companion.results.base import _solve, prove

TIMEOUT_MS = 60_000


def verdict(query):
    """cvc5's answer to an SMT-LIB text."""
    solver = cvc5.Solver(cvc5.TermManager())
    solver.setOption("tlimit-per", str(TIMEOUT_MS))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, f"(set-logic QF_NRA)\n{query}", "query")
    said = []
    while not (command := parser.nextCommand()).isNull():
        said.append(command.invoke(solver, parser.getSymbolManager()).strip())
    return said[-1]


@cache
def queries(name):
    steps = results.result(name).symbolic().steps
    return [query for step in steps for proof in step.proofs for query in proof.queries]


@pytest.mark.parametrize("name", results.NAMES)
def test_cvc5_agrees(name):
    for query in queries(name):
        assert verdict(query) == "unsat", query


def test_there_is_something_to_ask():
    assert sum(len(queries(name)) for name in results.NAMES) > 100


def test_cvc5_sees_a_false_claim():
    x = z3.Real("x")
    assert verdict(prove(x * x >= 0).queries[0]) == "unsat"
    assert verdict(_solve(z3.Not(x * x > 0)).to_smt2()) == "sat"
