"""The browser's arithmetic against companion.theory, and how it is drawn."""

import itertools
import json

import numpy as np
import pytest
from explorer_page import write_page
from in_node import evaluate

from companion.results import prop_2_10
from companion.theory import softmax_policy, total_variation, uniform_policy
from companion.widgets import CliffExplorer

BONUSES = [0.0, 1e-4, 0.01, 1.0, -1e-4, -0.01, -1.0]
CASES = list(itertools.product([2, 4, 10], BONUSES, [0.0, 1e-3, 0.2, 1.0]))


@pytest.fixture(scope="module")
def effects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("widget")
    expression = f"{json.dumps(CASES)}.map((c) => effect(...c))"
    return evaluate(folder, CliffExplorer, "effect", expression)


def exact(answers, bonus, temperature):
    q = np.zeros((1, answers))
    q[0, 0] = bonus
    after = softmax_policy(q, temperature) if temperature else uniform_policy(q, atol=0)
    best = (q == q.max()).mean()
    return {
        "share": after[0, 0],
        "distance": total_variation(after, np.full_like(q, 1 / answers))[0],
        "value": (after * q).sum(),
        "price": q.max() - (after * q).sum(),
        "dearest": -temperature * np.log(best),
    }


def test_browser_and_theory_agree(effects):
    for case, found in zip(CASES, effects, strict=True):
        assert found == pytest.approx(exact(*case), abs=1e-12), case


def test_without_temperature_a_bonus_of_either_sign_jumps(effects):
    for (m, bonus, temperature), found in zip(CASES, effects, strict=True):
        if temperature == 0 and bonus:
            jump = prop_2_10.jump(m) if bonus > 0 else 1 / m
            assert found["distance"] == pytest.approx(jump, abs=1e-12)
            assert found["value"] == max(bonus, 0)


def test_the_price_is_within_its_bound(effects):
    prices = [(found["price"], found["dearest"]) for found in effects]
    assert all(0 <= price <= dearest for price, dearest in prices)
    assert max(price for price, _ in prices) > 0.1


def test_the_signed_slider_has_an_exact_zero_and_small_bonuses_of_either_sign(tmp_path):
    tried = (
        "((s) => [0, s.attributes.step, s.attributes.max].map((p) => [s.value(-p), s.value(p)]))"
    )
    expression = f"{tried}(SCALES.bonus)"
    none, least, most = evaluate(tmp_path, CliffExplorer, "SCALES", expression)
    assert none == [0, 0]
    assert least == [-1e-4, 1e-4]
    assert most == [-1, 1]


def test_the_signed_slider_shows_what_it_was_given(tmp_path):
    given = [sign * x for x in (0, 1e-4, 0.001, 0.05, 1) for sign in (-1, 1)]
    back = f"{json.dumps(given)}.map((x) => SCALES.bonus.value(SCALES.bonus.position(x)))"
    assert evaluate(tmp_path, CliffExplorer, "SCALES", back) == pytest.approx(given)


def shared(page):
    """How many lines, curves and open ends the share of the first answer is drawn with."""
    picture = page.locator(".explorer svg").nth(1)
    return [picture.locator(f"{kind}.share").count() for kind in ("line", "polyline", "circle")]


def test_a_jump_is_drawn_as_a_jump_and_a_slope_as_a_slope(tmp_path, open_site):
    write_page(tmp_path, CliffExplorer())
    page, record = open_site(tmp_path, "index.html")
    legend = 1
    assert shared(page) == [2 + legend, 0, 2]
    page.get_by_label("Temperature").press("ArrowRight")
    assert shared(page) == [legend, 1, 0]
    record.assert_clean()


def test_the_keyboard_goes_through_zero(tmp_path, open_site):
    write_page(tmp_path, CliffExplorer(bonus=1e-4))
    page, record = open_site(tmp_path, "index.html")
    bonus = page.get_by_role("slider", name="Bonus")
    heard = []
    for _ in range(3):
        heard.append((bonus.get_attribute("aria-valuetext"), page.locator(".verdict").inner_text()))
        bonus.press("ArrowLeft")
    assert [text for text, _ in heard] == ["0.0001", "0", "−0.0001"]
    moved = ["0.750", "0.000", "0.250"]
    assert all(f"policy by {far} of" in said for (_, said), far in zip(heard, moved, strict=True))
    record.assert_clean()


@pytest.mark.parametrize("change", [{"answers": 1}, {"bonus": -1.1}, {"temperature": 2.0}])
def test_sliders_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        CliffExplorer(**change)
