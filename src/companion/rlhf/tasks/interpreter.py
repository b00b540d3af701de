"""A restricted interpreter for the programs of the tiny tier.

It evaluates arithmetic on one variable: no names but ``x``, no calls, no loops, bounded numbers,
bounded size. What it cannot read it refuses, with a reason.
"""

import ast
import operator
from collections.abc import Callable, Mapping

MAX_PROGRAM = 120
MAX_NODES = 40
MAX_NUMBER = 10**9

_BINARY: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


class Refused(Exception):
    """The program lies outside the language; the message is the reason."""


def parse_expression(source: str) -> ast.expr:
    """Read an arithmetic expression of ``x``.

    Raises:
        Refused: if it is too long, not an expression, or uses anything but integers, ``x``,
            ``+``, ``-``, ``*`` and parentheses.
    """
    if len(source) > MAX_PROGRAM or not source.isascii():
        raise Refused("program too long or not ASCII")
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise Refused("not an expression") from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise Refused("program too large")
    for node in nodes:
        _check(node)
    return tree


def evaluate(tree: ast.expr, x: int) -> int:
    """Value of a parsed expression at ``x``.

    Raises:
        Refused: if a number grows beyond ``MAX_NUMBER``.
    """
    value = _evaluate(tree, x)
    if abs(value) > MAX_NUMBER:
        raise Refused("number too large")
    return value


def _check(node: ast.AST) -> None:
    allowed = (ast.BinOp, ast.UnaryOp, ast.USub, ast.Add, ast.Sub, ast.Mult, ast.Load)
    if isinstance(node, allowed):
        return
    if isinstance(node, ast.Name) and node.id == "x":
        return
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value <= MAX_NUMBER:
        return
    raise Refused(f"{type(node).__name__} is not allowed")


def _evaluate(node: ast.expr, x: int) -> int:
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](evaluate(node.left, x), evaluate(node.right, x))
    if isinstance(node, ast.UnaryOp):
        return -evaluate(node.operand, x)
    if isinstance(node, ast.Constant):
        return int(str(node.value))
    return x
