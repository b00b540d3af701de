"""Every figure of the book that needs no training, drawn as its chapter draws it.

Recorded runs stand in for those that a page trains.
"""

from collections.abc import Callable

import numpy as np

from companion.figures import SavedFigure
from companion.pictures import geometry, summary
from companion.results import prop_2_4, thm_2_7
from companion.studies import (
    asked_length,
    cliff,
    constants_pictures,
    constants_trained,
    effective_figures,
    effective_pictures,
    entropy_pictures,
    entropy_trained,
    formats,
    formats_pictures,
    gate_pictures,
    graders_pictures,
    index,
    length_figures,
    noise_pictures,
    normaliser_pictures,
    obedience_pictures,
    phases,
    pressure,
    radius,
    radius_pictures,
    slacker_pictures,
    small_instructions,
    small_instructions_pictures,
    small_python,
    small_python_pictures,
    sophistry,
    sophistry_pictures,
    sophistry_trained,
    tiebreaker_pictures,
    value,
    value_pictures,
)
from companion.studies.store import load
from companion.theory import FiniteMDP


def rng() -> np.random.Generator:
    return np.random.default_rng(20150)


def _ray() -> SavedFigure:
    random = rng()
    kernel = random.dirichlet(np.ones(4), size=(4, 3))
    process = FiniteMDP(kernel, random.normal(size=(4, 3)), 0.8)
    return geometry.ray(process, random.normal(size=(4, 3)), 2.0, 0.1)


def _smollm2() -> SavedFigure:
    before = small_python.shares(load("small_python"))
    return small_python_pictures.what_it_does(before, before)


def _leads() -> SavedFigure:
    requests = sophistry.requests(load("sophistry").only("exact, *"))
    return sophistry_trained.leads(requests[requests.condition.isin(sophistry_trained.MAIN)])


THEORY: dict[str, Callable[[], SavedFigure]] = {
    "summary-cliff-and-slope": summary.cliff_and_slope,
    "value-envelope": value_pictures.envelope,
    "value-tightness": lambda: value_pictures.tightness(prop_2_4.numeric(rng())),
    "optimal-sets-staircase": formats_pictures.staircase,
    "optimal-sets-enter-leave": lambda: formats_pictures.enter_leave(
        formats_pictures.changes_at_ties(rng())
    ),
    "uniqueness-radius": radius_pictures.half_the_lead,
    "uniqueness-square-root": lambda: radius_pictures.square_root(*thm_2_7.numeric(rng())[1:]),
    "uniqueness-exact-radius": lambda: radius_pictures.exact_radius(radius_pictures.flips(rng())),
    "uniqueness-near-ties": lambda: radius_pictures.near_ties(radius_pictures.gaps(rng())),
    "cliff-value-and-policy": cliff.value_and_policy,
    "slacker-same-grade": slacker_pictures.same_grade,
    "slacker-small-omissions": lambda: slacker_pictures.small_omissions(
        slacker_pictures.omissions()
    ),
    "slacker-price-and-tie": slacker_pictures.price_and_tie,
    "tiebreaker-length-tent": tiebreaker_pictures.length_tent,
    "tiebreaker-precision": lambda: tiebreaker_pictures.precision(
        tiebreaker_pictures.mean_errors()
    ),
    "effective-one-judge": effective_pictures.one_judge,
    "effective-weight-and-slip": effective_pictures.weight_and_slip,
    "entropy-slope-and-price": entropy_pictures.slope_and_price,
    "entropy-price-of-continuity": lambda: entropy_pictures.price_of_continuity(
        entropy_pictures.regrets()
    ),
    "sophistry-three-curves": sophistry_pictures.three_curves,
    "sophistry-label-noise": sophistry_pictures.label_noise,
    "noise-bandit": lambda: noise_pictures.bandit(noise_pictures.simulated()),
    "constants-bandit": constants_pictures.bandit,
    "constants-three-changes": constants_pictures.three_changes,
    "geometry-polygon-and-fan": lambda: geometry.polygon_and_fan(0.5),
    "geometry-ray": _ray,
    "gate-pitchfork": gate_pictures.pitchfork,
    "gate-threshold": gate_pictures.threshold,
    "normaliser-bandit": normaliser_pictures.bandit,
    "normaliser-threshold": normaliser_pictures.threshold,
}
"""Theory alone, by id."""

RECORDED: dict[str, Callable[[], SavedFigure]] = {
    "value-trained": lambda: value.trained(
        load("value"), load("value"), bound=lambda sizes: prop_2_4.bound(sizes, 0.0)
    ),
    "optimal-sets-trained": lambda: formats.trained(load("formats"), load("formats")),
    "uniqueness-trained": lambda: radius.trained(load("radius"), load("radius"), 0.5),
    "cliff-trained": lambda: cliff.trained(load("cliff"), load("cliff"), jump=0.5),
    "cliff-smollm2": _smollm2,
    "cliff-two-worlds": lambda: small_python_pictures.in_two_worlds(
        load("cliff"), load("small_python")
    ),
    "slacker-smollm2": lambda: small_python_pictures.graded_and_watched(
        small_python.shares(load("small_python"))
    ),
    "obedience-smollm2": lambda: small_instructions_pictures.paid_for(
        small_instructions.means(load("small_instructions"))
    ),
    "obedience-two-worlds": lambda: small_instructions_pictures.in_two_worlds(
        load("obedience"), load("small_instructions")
    ),
    "tiebreaker-smollm2": lambda: small_instructions_pictures.tie_breakers(
        small_instructions.means(load("small_instructions"))
    ),
    "slacker-graders": lambda: graders_pictures.beside_the_paper(load("graders")),
    "slacker-controls": lambda: graders_pictures.controls(load("graders")),
    "slacker-pressure": lambda: pressure.beside_the_paper(load("pressure")),
    "slacker-phases": lambda: phases.where_it_ends(load("phases")),
    "slacker-obedience": lambda: obedience_pictures.beside_the_paper(load("obedience")),
    "tiebreaker-length-bonus": lambda: asked_length.length_bonus(asked_length.shares()),
    "tiebreaker-length-control": lambda: length_figures.control(
        length_figures.ends(load("length"))
    ),
    "tiebreaker-asked-length": lambda: length_figures.asked(length_figures.budgets(load("length"))),
    "tiebreaker-budget": lambda: length_figures.budget(length_figures.budgets(load("length"))),
    "effective-three-models": lambda: effective_figures.three_models(load("effective")),
    "effective-kl": lambda: effective_figures.price(load("effective")),
    "effective-router-weight": lambda: effective_figures.router(load("effective")),
    "entropy-collapse": lambda: entropy_trained.collapse(load("entropy"), load("entropy")),
    "entropy-price": lambda: entropy_trained.price(entropy_trained.price_table(load("entropy"))),
    "constants-trained": lambda: constants_trained.trained(load("constants"), load("constants")),
    "constants-changes": lambda: constants_trained.changes(load("constants")),
    "constants-architectures": lambda: constants_trained.architectures(load("constants")),
    "constants-frontier": lambda: constants_trained.frontier(
        constants_trained.given_up(load("entropy"))
    ),
    "sophistry-trained": lambda: sophistry_trained.trained(load("sophistry"), load("sophistry")),
    "sophistry-leads": _leads,
    "noise-trained": lambda: noise_pictures.trained(load("noise"), load("noise")),
    "gate-trained": lambda: gate_pictures.trained(load("gate")),
    "normaliser-trained": lambda: normaliser_pictures.trained(
        load("normaliser"), load("normaliser")
    ),
    "claims-beside-the-paper": lambda: index.beside_the_paper(index.claims()),
}
"""From the records, by id."""

LIVE = {
    "cliff-live",
    "constants-live",
    "entropy-live",
    "gate-live",
    "noise-live",
    "normaliser-live",
    "slacker-live",
    "slacker-obedience-live",
    "sophistry-live",
}
"""Curves of runs trained on a page: tests/rlhf/test_curves.py draws one."""
