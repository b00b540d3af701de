"""Whatever is given for one argument, a public function answers or refuses in one line."""

import inspect
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sympy

from companion import theory
from companion.theory import FiniteMDP, TokenTree

P = np.full((2, 2, 2), 0.5)
R = np.array([[0.0, 1.0], [2.0, 3.0]])
HALF = np.full((2, 2), 0.5)
MDP = FiniteMDP(P, R, 0.9)
TREE = TokenTree("ab", 2)
UNIFORM = [np.full(TREE.shape(t), 1 / 3) for t in range(2)]

# What each argument of each public function may be; the others stay so while one is spoilt.
GOOD = {
    "FiniteMDP": (FiniteMDP, (P, R, 0.9, None)),
    "FiniteMDP, exact": (FiniteMDP, (P, [[Fraction(1), 2], [3, 4]], Fraction(1, 2), None)),
    "TokenTree": (TokenTree, ("ab", 2, None, 0.5, "<eos>")),
    "from_completions": (TokenTree.from_completions, ("ab", 2, len, 0.5, "<eos>")),
    "tree.soft_optimal_q": (TREE.soft_optimal_q, (0.5, UNIFORM)),
    "tree.soft_optimal_policy": (TREE.soft_optimal_policy, (0.5, UNIFORM)),
    "tree.completion_probabilities": (TREE.completion_probabilities, (UNIFORM,)),
    "tree.kl_optimal_completions": (TREE.kl_optimal_completions, (0.5, UNIFORM)),
    "deterministic_policies": (theory.deterministic_policies, (2, 2)),
    "effective_reward": (theory.effective_reward, ([R, R], HALF)),
    "evaluate_policy": (theory.evaluate_policy, (MDP, HALF, 1e-9)),
    "greedy_policy": (theory.greedy_policy, (R, "first", 0.0)),
    "inverse_bellman": (theory.inverse_bellman, (R, P, 0.9)),
    "occupancy": (theory.occupancy, (MDP, HALF, HALF[0])),
    "optimal_actions": (theory.optimal_actions, (R, 0.0)),
    "optimal_q": (theory.optimal_q, (MDP, 1e-9)),
    "policy_breakpoints": (theory.policy_breakpoints, (MDP, R, (-1, 1), 1e-11)),
    "soft_optimal_q": (theory.soft_optimal_q, (MDP, 1.0, 1e-9)),
    "softmax_policy": (theory.softmax_policy, (R, 1.0)),
    "stability_radius": (theory.stability_radius, (MDP, None, 1e-9)),
    "stability_radius, tree": (theory.stability_radius, (TREE, None, 1e-9)),
    "total_variation": (theory.total_variation, (HALF, HALF, -1)),
    "uniform_policy": (theory.uniform_policy, (R, 0.0)),
}
CALLS = [(name, place) for name, (_, given) in GOOD.items() for place in range(len(given))]
# Results and the new parts of the package have tests of their own.
UNTOUCHED = {"PolicyBreakpoints", "StabilityRadius"}

HUGE = Fraction(10) ** 400
JUNK = {
    "nothing": None,
    "text": "0.5",
    "an object": object(),
    "a class": float,
    "a function": abs,
    "a generator": lambda: (x for x in "abc"),
    "a set": {1, 2},
    "a dict": {0: 1.0},
    "an empty list": [],
    "a ragged list": [[1.0], [1.0, 2.0]],
    "a nested empty list": [[], []],
    "lists in a list": [[[1], [2, 3]]],
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": -np.inf,
    "minus one": -1,
    "zero": 0,
    "one": 1,
    "a half": 0.5,
    "true": True,
    "a complex number": 1j,
    "a decimal": Decimal("0.5"),
    "a huge rational": HUGE,
    "a huge integer": 10**400,
    "a tiny rational": 1 / HUGE,
    "just below one": 1 - 1 / HUGE,
    "the largest float": np.finfo(float).max,
    "the smallest float": 5e-324,
    "a long double": np.longdouble(1) - np.longdouble(2) ** -60,
    "a symbol": sympy.Symbol("x"),
    "an irrational": sympy.sqrt(2),
    "sympy infinity": sympy.oo,
    "sympy nan": sympy.nan,
    "missing": pd.NA,
    "an array of nothing": np.array(None),
    "a number in an array": np.array(0.5),
    "text in an array": np.array([["a", "b"], ["c", "d"]]),
    "dates": np.array([["2026", "2027"], ["2028", "2029"]], dtype="datetime64[Y]"),
    "a structured array": np.zeros((2, 2), dtype=[("a", float)]),
    "nan in an array": np.array([[0.5, 0.5], [np.nan, 0.5]]),
    "infinity in an array": np.array([[0.5, 0.5], [np.inf, 0.5]]),
    "huge rationals": np.full((2, 2), HUGE),
    "large floats": np.full((2, 2), 1.7e308),
    "large floats of both signs": np.array([[1.7e308, -1.7e308]] * 2),
    "large long doubles": np.full((2, 2), np.longdouble(10) ** 400),
    "masked": np.ma.masked_equal([[0.5, 0.5], [0.5, 7.0]], 7.0),
    "masked in three dimensions": np.ma.masked_where(P > 0.4, P),
    "masked rows in a list": [np.ma.masked_equal([0.5, 0.5], 0.5)] * 2,
    "a masked number": [[0.5, np.ma.masked], [0.5, 0.5]],
    "a masked mask": np.ma.masked_equal([[True, False], [True, True]], False),
    "a vector": np.array([0.5, 0.5]),
    "one row": np.array([[1.0, 2.0]]),
    "four axes": np.full((1, 2, 2, 2), 0.5),
    "a sparse matrix": sp.csr_array(np.full((4, 2), 0.5)),
    "a sparse vector": sp.coo_array(np.array([0.5, 0.5])),
    "a complex sparse matrix": sp.csr_array(np.full((4, 2), 0.5 + 0j)),
    "a data frame with gaps": pd.DataFrame({"a": [1, None], "b": [2, 3]}, dtype="Int64"),
    "levels of the wrong kind": [1.0, "a"],
    "another tree": TREE,
    "another MDP": MDP,
}


def numbers(value):
    """All the numbers in a result."""
    if isinstance(value, list | tuple):
        return [x for part in value for x in numbers(part)]
    if isinstance(value, FiniteMDP | TokenTree):
        return numbers([value.rewards, value.discount])
    if isinstance(value, theory.PolicyBreakpoints):
        return numbers([value.epsilons, value.intercepts, value.slopes])
    if isinstance(value, theory.StabilityRadius):
        return numbers([value.gap])
    return list(np.ravel(value))


def test_every_public_function_is_here():
    tested = {name.split(",")[0] for name in GOOD}
    functions = {n for n in theory.__all__ if callable(getattr(theory, n))} - UNTOUCHED
    mine = {n for n in functions if inspect.getmodule(getattr(theory, n)).__name__ in MODULES}
    assert mine <= tested


MODULES = {
    f"companion.theory.{name}"
    for name in ("bellman", "breakpoints", "geometry", "mdp", "policies", "stability", "token_tree")
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_good_is_answered(name):
    function, given = GOOD[name]
    assert all(np.isfinite(float(x)) for x in numbers(function(*given)))


@pytest.mark.parametrize(("name", "place"), CALLS)
def test_junk_is_answered_or_refused_in_one_line(name, place):
    function, given = GOOD[name]
    # What a function given as a reward raises itself is not ours to hide.
    own = {"a class", "a function"} if (name, place) == ("from_completions", 2) else set()
    faults = {}
    for junk, value in JUNK.items():
        if junk in own:
            continue
        spoilt = list(given)
        spoilt[place] = value() if junk == "a generator" else value
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                found = numbers(function(*spoilt))
            except ValueError as error:
                if "\n" in str(error) or len(str(error)) > 500:
                    faults[junk] = str(error)
            except Exception as error:
                faults[junk] = repr(error)
            else:
                if "masked" in junk or any(x is None or not abs(x) < np.inf for x in found):
                    faults[junk] = found
    assert not faults
