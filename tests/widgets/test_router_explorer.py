"""The browser's two judges against companion.theory, and how they are drawn."""

import itertools
import json

import numpy as np
import pytest
from explorer_page import write_page
from in_node import evaluate

from companion.theory import effective_reward, softmax_policy, uniform_policy
from companion.widgets import RouterExplorer

NAMES = ("weight", "slip", "warning", "temperature")
ACTS = ("refuse", "warn", "help")
CASES = [
    dict(zip(NAMES, values, strict=True))
    for values in itertools.product(
        [0.0, 0.4, 0.5, 0.6, 1.0], [-0.2, 0.0, 1e-4, 0.2], [0.0, 0.4, 0.5, 1.0], [0.0, 1e-3, 0.3]
    )
]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the explorer computes for each of ``CASES``."""
    expression = f"{json.dumps(CASES)}.map(blended)"
    return evaluate(tmp_path_factory.mktemp("widget"), RouterExplorer, "blended", expression)


def exact(case):
    weight, slip, warning, temperature = (case[name] for name in NAMES)
    safety, helpfulness = [1 + slip, warning, 0], [0, warning, 1]
    earned = effective_reward([[safety], [helpfulness]], [[weight, 1 - weight]])
    best = uniform_policy(earned, atol=1e-9)
    policy = softmax_policy(earned, temperature) if temperature else best
    return earned[0], policy[0], best[0] > 0


def test_browser_and_theory_agree(found):
    for case, ours in zip(CASES, found, strict=True):
        earned, policy, best = exact(case)
        assert ours["earned"] == pytest.approx(earned, abs=1e-12), case
        assert ours["policy"] == pytest.approx(policy, abs=1e-9), case
        assert ours["value"] == pytest.approx(policy @ earned, abs=1e-9), case
        assert ours["best"] == [act for act, is_best in zip(ACTS, best, strict=True) if is_best]


def test_between_two_crossings_one_act_is_best(tmp_path):
    """So cold curves may be drawn from crossing to crossing."""
    settings = [{"slip": s, "warning": v} for s in (-0.2, 0, 1e-4, 0.2) for v in (0, 0.4, 0.5, 0.9)]
    found = evaluate(
        tmp_path, RouterExplorer, "crossings", f"{json.dumps(settings)}.map((x) => crossings(x))"
    )
    for given, weights in zip(settings, found, strict=True):
        assert weights[0] == 0
        assert weights[-1] == 1
        for low, high in itertools.pairwise(weights):
            inside = np.linspace(low, high, 12)[1:-1]
            best = [exact({**given, "weight": w, "temperature": 0.0})[2] for w in inside]
            assert np.sum(best[0]) == 1
            assert (np.array(best) == best[0]).all(), given


def test_the_smallest_slip_decides_a_tie_and_moves_nothing_else(tmp_path):
    tie = {"weight": 0.5, "warning": 0.4, "temperature": 0.0}
    cases = [tie | {"slip": slip} for slip in (-1e-4, 0, 1e-4)]
    cases += [tie | {"slip": slip, "weight": 0.4} for slip in (-1e-4, 0, 1e-4)]
    found = evaluate(tmp_path, RouterExplorer, "blended", f"{json.dumps(cases)}.map(blended)")
    at_the_tie = [["help"], ["refuse", "help"], ["refuse"]]
    assert [one["best"] for one in found] == [*at_the_tie, *[["help"]] * 3]


def test_the_weight_walks_over_the_cliff(open_site, tmp_path):
    write_page(tmp_path, RouterExplorer(weight=0.49))
    page, record = open_site(tmp_path, "index.html")
    verdict = page.locator(".companion-widget .verdict")
    weight = page.get_by_label("Safety judge's weight")
    said = [verdict.inner_text()]
    for _ in range(2):
        weight.press("ArrowRight")
        said.append(verdict.inner_text())
    assert "chooses helping" in said[0]
    assert "refusing and helping earn the same" in said[1]
    assert "chooses refusing" in said[2]
    page.get_by_label("Temperature").press("End")
    assert "of the time" in verdict.inner_text()
    record.assert_clean()


@pytest.mark.parametrize(
    "change", [{"weight": 1.1}, {"slip": 0.3}, {"warning": -0.1}, {"temperature": 2.0}]
)
def test_settings_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        RouterExplorer(**change)
