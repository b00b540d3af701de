"""The browser's arithmetic against companion.theory, and the arrow that can be dragged."""

import itertools
import json

import numpy as np
import pytest
from explorer_page import write_page
from in_node import evaluate
from playwright.sync_api import expect

from companion.theory import (
    FiniteMDP,
    occupancy,
    optimal_q,
    policy_breakpoints,
    soft_optimal_q,
    softmax_policy,
    uniform_policy,
)
from companion.widgets import GeometryExplorer

CORNERS = np.radians([90, 210, 330])
START = {"arms": [1.0], "states": [0.5, 0.5]}
# 30, 150 and 270 degrees are walls of the arms, 180 and 270 of the states at every discount.
CASES = list(
    itertools.product(
        ["arms", "states"],
        [0, 17, 30, 90, 150, 180, 270, 301],
        [0.0, 0.01, 0.2, 1.0],
        [0, 0.5, 0.9],
    )
)


def mdp(problem, angle, discount):
    angle = np.radians(angle)
    if problem == "arms":
        return FiniteMDP(np.ones((1, 3, 1)), np.cos(angle - CORNERS)[None], 0.0)
    stay_go = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    return FiniteMDP(stay_go, [[0, np.cos(angle)], [0, np.sin(angle)]], discount)


def exact_policy(process, temperature):
    if temperature == 0:
        return uniform_policy(optimal_q(process, tol=1e-12), atol=1e-9)
    return softmax_policy(soft_optimal_q(process, temperature, tol=1e-12), temperature)


def in_plane(problem, d):
    if problem == "arms":
        return d[0] @ np.array([np.cos(CORNERS), np.sin(CORNERS)]).T
    return d[:, 1]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Run an expression for every element of a list in Node, with the explorer's functions."""
    folder = tmp_path_factory.mktemp("widget")

    def run(expression, values):
        each = f"{json.dumps(values)}.map((x) => {expression})"
        return evaluate(folder, GeometryExplorer, "corners, point, policy, walls", each)

    return run


def test_policies_agree(browser):
    found = browser("policy(...x)", CASES)
    for case, rows in zip(CASES, found, strict=True):
        problem, angle, temperature, discount = case
        expected = exact_policy(mdp(problem, angle, discount), temperature)
        assert np.array(rows) == pytest.approx(expected, abs=1e-9), case


def test_points_are_occupancies(browser):
    found = browser("point(x[0], policy(...x), x[3])", CASES)
    for case, coordinates in zip(CASES, found, strict=True):
        problem, angle, temperature, discount = case
        process = mdp(problem, angle, discount)
        d = occupancy(process, exact_policy(process, temperature), START[problem])
        assert coordinates == pytest.approx(in_plane(problem, d), abs=1e-9), case


@pytest.mark.parametrize("discount", [0.0, 0.3, 0.9])
def test_walls_are_where_the_optimal_policy_changes(browser, discount):
    """Along the chord from one direction to another, kinks lie at the walls between them."""
    (angles,) = browser("walls('states', x)", [discount])
    for wall in angles:
        from_, to = (mdp("states", wall + turn, discount) for turn in (-5, 5))
        kinks = policy_breakpoints(from_, to.rewards - from_.rewards, (0, 1)).epsilons
        assert kinks == pytest.approx([0.5], abs=1e-9)


def test_corners_are_deterministic_policies(browser):
    for problem, size in (("arms", 3), ("states", 4)):
        (points,) = browser(f"corners('{problem}', x)", [0.5])
        assert len({tuple(np.round(p, 9)) for p in points}) == size


def with_mouse(page, places):
    first, *others = places
    page.mouse.move(*first)
    page.mouse.down()
    for place in others:
        page.mouse.move(*place)
    page.mouse.up()


def with_finger(page, places):
    browser = page.context.new_cdp_session(page)
    for kind, points in (
        *zip(["touchStart", "touchMove", "touchMove"], places, strict=True),
        ("touchEnd", None),
    ):
        touched = [dict(zip("xy", points, strict=True))] if points else []
        browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


@pytest.mark.parametrize("drag", [with_mouse, with_finger])
def test_the_arrow_can_be_dragged(tmp_path, open_site, drag):
    """On a phone, over a quarter and then on to the left; the slider follows, the page stays."""
    write_page(tmp_path, GeometryExplorer(angle=0))
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True}
    page, record = open_site(tmp_path, "index.html", **phone)
    handle = page.locator(".handle")
    box = handle.bounding_box()
    assert min(box["width"], box["height"]) >= 24
    assert handle.evaluate("x => getComputedStyle(x).touchAction") == "none"
    assert handle.evaluate("x => getComputedStyle(x.ownerSVGElement).touchAction") == "auto"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    radius = x - page.locator("line.reward").evaluate(
        "x => new DOMPoint(x.x1.baseVal.value, 0).matrixTransform(x.getScreenCTM()).x"
    )
    drag(page, [(x, y), (x - radius, y - radius), (x - 2 * radius, y)])
    angle = page.get_by_role("slider", name="Direction")
    expect(angle).to_have_value("180")
    expect(angle).to_have_attribute("aria-valuetext", "180°")
    assert page.evaluate("scrollY") == 0
    angle.press("ArrowRight")  # and the arrow follows the slider
    assert handle.bounding_box()["x"] == pytest.approx(box["x"] - 2 * radius, abs=1)
    record.assert_clean()


def test_a_pointer_that_holds_nothing_turns_nothing(tmp_path, open_site):
    write_page(tmp_path, GeometryExplorer(angle=10))
    page, record = open_site(tmp_path, "index.html")
    page.locator(".handle").hover()
    page.mouse.move(5, 5)
    assert page.get_by_role("slider", name="Direction").input_value() == "10"
    record.assert_clean()


@pytest.mark.parametrize(
    "change", [{"angle": 361}, {"temperature": -0.1}, {"discount": 0.95}, {"problem": "maze"}]
)
def test_sliders_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        GeometryExplorer(**change)
