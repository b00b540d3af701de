"""The list of results, what rests on what, and the run that tells green from red."""

import importlib
import time
from collections.abc import Callable, Sequence
from graphlib import CycleError, TopologicalSorter
from types import ModuleType
from typing import Any

import numpy as np

from companion.results.base import Check, Counterexample, Derivation, ProofError

PAPER = (
    "prop_2_4",
    "lemma_2_5",
    "thm_2_7",
    "prop_2_9",
    "prop_2_10",
    "prop_3_1",
    "prop_3_2",
    "lemma_4_2",
    "prop_4_3",
    "lemma_4_4",
    "prop_4_5",
    "prop_4_6",
    "prop_4_7",
    "lemma_c_1",
    "lemma_c_2",
)
"""Module names of the paper's fifteen results, in its order."""

BEYOND = (
    "remark_4_1",
    "sharp_1_stability_radius",
    "sharp_2_exact_radius",
    "sharp_3_margins",
    "sharp_4_one_reward",
    "sharp_5_softmax",
    "sharp_6_kl_sequence",
    "sharp_7_cliff_width",
    "sharp_8_shaping",
    "sharp_9_mixing",
    "sharp_10_price",
    "sharp_11_geometry",
    "sharp_12_advantage_normalisation",
    "sharp_13_collapse",
    "sharp_14_noise",
    "sharp_15_learned_weights",
    "corollary_continuity",
)
"""Module names of what goes beyond it: a remark of the paper, sharpened, and the facts.

The facts are numbered in the order in which the chapters state them.
"""

NAMES = (*PAPER, *BEYOND)
"""Module names of all results."""

KINDS = ("symbolic", "numeric", "counterexample")
SEED = 0

_CONTENTS = ("ITEM", "TITLE", "CHAPTER", "STATEMENT", "uses", *KINDS)


def result(name: str) -> ModuleType:
    """The module of a result.

    Raises:
        ValueError: if there is no result of that name, or it lacks one of its parts.
    """
    if name not in NAMES:
        raise ValueError(f"name: no result called {name!r}; there are {', '.join(NAMES)}")
    module = importlib.import_module(f"companion.results.{name}")
    missing = [part for part in _CONTENTS if not hasattr(module, part)]
    if missing:
        raise ValueError(f"{name}: lacks {', '.join(missing)}")
    return module


def catalogue() -> list[dict[str, Any]]:
    """All results in order, as dicts.

    Keys: name, item (paper number or fact), title, chapter, beyond (beyond the paper?),
    statement (Markdown), uses and implies (tuples of names).

    Raises:
        ValueError: if a result uses one that is not there, or results rest on each other in
            a circle.
    """
    rows = [
        {
            "name": name,
            "item": module.ITEM,
            "title": module.TITLE,
            "chapter": module.CHAPTER,
            "beyond": name in BEYOND,
            "statement": module.STATEMENT.strip(),
            "uses": module.uses,
            "implies": getattr(module, "implies", ()),
        }
        for name, module in ((name, result(name)) for name in NAMES)
    ]
    _refuse_bad_edges({row["name"]: row["uses"] for row in rows})
    return rows


def edges() -> list[tuple[str, str]]:
    """Pairs (result, what it rests on)."""
    return [(row["name"], used) for row in catalogue() for used in row["uses"]]


def _refuse_bad_edges(uses: dict[str, Sequence[str]]) -> None:
    for name, used in uses.items():
        for other in used:
            if other not in uses:
                raise ValueError(f"{name}: uses {other!r}, which is no result")
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        raise ValueError(f"circular: {', '.join(error.args[1])}") from None


def counterexamples(module: ModuleType) -> tuple[Counterexample | str, ...]:
    """What fails without each hypothesis: ``counterexample`` and those in ``also_dropped``."""
    also = getattr(module, "also_dropped", ())
    return tuple(function() for function in (module.counterexample, *also))


def status(names: Sequence[str] = NAMES) -> list[dict[str, Any]]:
    """Run every check of the named results; one dict per result.

    Keys: name, item, title; for each kind (symbolic, numeric, counterexample) its colour
    ("green" or "red"), its seconds (``symbolic_seconds``, …) and what it says
    (``symbolic_says``, …); red_below (results it rests on that are red, directly or not, as far
    as they were run). Numeric checks use a generator of seed 0.
    """
    rows = []
    for name in names:
        module = result(name)
        row: dict[str, Any] = {"name": name, "item": module.ITEM, "title": module.TITLE}
        for kind in KINDS:
            row |= _run(kind, module)
        rows.append(row)
    red = {row["name"] for row in rows if "red" in (row[kind] for kind in KINDS)}
    for row in rows:
        row["red_below"] = sorted(red & _below(row["name"]))
    return rows


def verify(rows: Sequence[dict[str, Any]]) -> None:
    """Raise unless every row of ``status`` is green and rests on green ones only.

    Raises:
        ProofError: naming each failing check and each result that rests on a failing one.
    """
    faults = [
        f"{row['name']}: {kind} is red ({row[f'{kind}_says']})"
        for row in rows
        for kind in KINDS
        if row[kind] == "red"
    ]
    faults += [
        f"{row['name']}: rests on {', '.join(row['red_below'])}" for row in rows if row["red_below"]
    ]
    if faults:
        raise ProofError("; ".join(faults))


def _below(name: str) -> set[str]:
    direct = set(result(name).uses)
    return direct.union(*(_below(other) for other in direct))


def _run(kind: str, module: ModuleType) -> dict[str, Any]:
    ask: dict[str, Callable[[], Any]] = {
        "symbolic": lambda: module.symbolic(),
        "numeric": lambda: module.numeric(np.random.default_rng(SEED)),
        "counterexample": lambda: counterexamples(module),
    }
    start = time.perf_counter()
    try:
        green, says = _judge(ask[kind]())
    except (ArithmeticError, AssertionError, ValueError) as error:
        green, says = False, str(error).splitlines()[0]
    return {
        kind: "green" if green else "red",
        f"{kind}_seconds": time.perf_counter() - start,
        f"{kind}_says": says,
    }


def _judge(
    outcome: Derivation | tuple[Check, ...] | tuple[Counterexample | str, ...],
) -> tuple[bool, str]:
    if isinstance(outcome, Derivation):
        return outcome.proved, outcome.scope
    verdicts = [
        (each.holds, _summary(each)) if isinstance(each, Check) else _failure(each)
        for each in outcome
    ]
    says = "; ".join(words for _, words in verdicts)
    return bool(verdicts) and all(good for good, _ in verdicts), says


def _summary(check: Check) -> str:
    said = "as claimed" if np.isnan(check.tightest) else f"tightest {check.tightest:.9g}"
    return f"{check.name}: {len(check.measured)} cases, {said}"


def _failure(found: Counterexample | str) -> tuple[bool, str]:
    """Whether the claim fails, as it should; a string says why there is no hypothesis to drop."""
    if isinstance(found, str):
        return bool(found), found
    return found.fails, f"without “{found.dropped}”: {found.text}"
