"""Elementary functions that take numbers and arrays, SymPy expressions and z3 terms alike.

A result states its formula once, in these; its derivation, its proof by z3 and its numeric check
all call the same function, so that none of them can test another formula than the one stated.
"""

from typing import Any

import numpy as np
import sympy
import z3


def exp(x: Any) -> Any:
    """Exponential of a number, an array or a SymPy expression."""
    return sympy.exp(x) if isinstance(x, sympy.Basic) else np.exp(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent of a number, an array or a SymPy expression."""
    return sympy.tanh(x) if isinstance(x, sympy.Basic) else np.tanh(x)


def log(x: Any) -> Any:
    """Natural logarithm of a number, an array or a SymPy expression."""
    return sympy.log(x) if isinstance(x, sympy.Basic) else np.log(x)


def sqrt(x: Any) -> Any:
    """Square root of a number, an array or a SymPy expression."""
    return sympy.sqrt(x) if isinstance(x, sympy.Basic) else np.sqrt(x)


def maximum(x: Any, *others: Any) -> Any:
    """Largest of numbers or arrays (elementwise), SymPy expressions or z3 terms."""
    for y in others:
        x = _larger(x, y)
    return x


def absolute(x: Any) -> Any:
    """Absolute value of a number, an array, a SymPy expression or a z3 term."""
    return maximum(x, -x)


def _larger(x: Any, y: Any) -> Any:
    if isinstance(x, z3.ExprRef) or isinstance(y, z3.ExprRef):
        return z3.If(x >= y, x, y)
    if isinstance(x, sympy.Basic) or isinstance(y, sympy.Basic):
        return sympy.Max(x, y)
    return np.maximum(x, y)
