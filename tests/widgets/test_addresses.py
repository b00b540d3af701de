"""What an explorer shows stands in the address of its page, and comes back from it."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from explorer_page import write_page
from in_node import evaluate
from playwright.sync_api import expect

from companion import widgets
from companion.widgets import (
    CliffExplorer,
    GeometryExplorer,
    NormaliserExplorer,
    RouterExplorer,
    RunsExplorer,
    ScoresExplorer,
)

RECORD = {
    "prompt": "asked",
    "behaviours": [["good", "doing well"], ["bad", "doing badly"]],
    "starts": [3, 5, 7],
    "steps": [0, 10, 20],
    "texts": [["a text", "good"], ["another", "unknown"]],
    "runs": {
        name: {
            "paid": paid,
            "shares": [[[100, 200 + start, end], [800, 300, 5]] for start in (3, 5, 7)],
            "texts": [[[0, 100, end], [1, start, 0]] for start in (3, 5, 7)],
        }
        for name, paid, end in (("one, bonus", "good", 990), ("no bonus", "", 400))
    },
}

EXPLORERS = {
    "cliff": CliffExplorer,
    "arms": lambda: GeometryExplorer(problem="arms"),
    "states": lambda: GeometryExplorer(problem="states"),
    "scores": ScoresExplorer,
    "normaliser": NormaliserExplorer,
    "router": RouterExplorer,
    "runs": lambda: RunsExplorer(record=RECORD, condition="one, bonus", start=3, step=0),
}
RUBBISH = ["", " ", "x", "NaN", "null", "Infinity", "-1e9", "1e999", "__proto__", "<b>", "%"]


def move(page, explorer=0):
    """Change everything that a reader can change in an explorer, from the keyboard."""
    place = page.locator(".companion-widget").nth(explorer)
    for field in place.locator("input, select").all():
        kind = field.get_attribute("type")
        if kind == "number":
            field.fill("0.25")
        else:
            before = field.input_value()
            for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):  # the last for one at its end
                if field.input_value() == before or key == "ArrowRight":
                    field.press(key)


def shown(page):
    """What a reader sees and hears of every explorer."""
    fields = page.locator(".companion-widget").locator("input, select")
    return (
        page.locator(".companion-widget").all_inner_texts(),
        [(f.input_value(), f.get_attribute("aria-valuetext")) for f in fields.all()],
        page.locator(".companion-widget svg").evaluate_all("all => all.map((x) => x.outerHTML)"),
    )


def query(page):
    return dict(parse_qsl(urlsplit(page.url).query, keep_blank_values=True))


def settle(page):
    """Let the time go by after which the address is written."""
    page.clock.run_for(1000)


@pytest.fixture
def opened(tmp_path, open_site):
    def open_page(*explorers, path=""):
        write_page(tmp_path, *explorers)
        page, record = open_site(tmp_path, "empty.html")
        page.clock.install()
        page.goto(f"{record.home}/{path}")
        expect(page.locator(".companion-widget .verdict")).to_have_count(len(explorers))
        return page, record

    return open_page


def test_every_explorer_is_here():
    kinds = [getattr(widgets, name) for name in widgets.__all__]
    assert {kind for kind in kinds for make in EXPLORERS.values() if isinstance(make(), kind)} == {
        *kinds
    }


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_copied_address_shows_the_same(opened, name):
    page, record = opened(EXPLORERS[name]())
    untouched, entries = shown(page), page.evaluate("history.length")
    move(page)
    settle(page)
    moved, written = shown(page), query(page)
    assert moved != untouched
    page.goto(page.url)
    expect(page.locator(".companion-widget .verdict")).to_have_count(1)
    assert shown(page) == moved
    assert query(page) == written
    assert page.evaluate("history.length") == entries
    record.assert_clean()


@pytest.mark.parametrize("name", EXPLORERS)
def test_rubbish_in_the_address_is_passed_over(opened, name):
    page, record = opened(EXPLORERS[name]())
    home, untouched = page.url, shown(page)
    move(page)
    settle(page)
    written = query(page)
    assert written
    for key in written:
        page.goto(f"{home}?{urlencode(written | {key: '1e999'})}")
        expect(page.locator(".companion-widget .verdict")).to_have_count(1)
        assert shown(page) == untouched, key
    record.assert_clean()


@pytest.mark.parametrize("name", EXPLORERS)
def test_no_reader_takes_rubbish(tmp_path, name):
    explorer = EXPLORERS[name]()
    state = {key: value for key, value in explorer.get_state().items() if not key.startswith("_")}
    tried = (
        f"((state, rubbish) => Object.entries("
        "explorer.address({ get: (name) => state[name] }).readers).map(([name, read]) => "
        "[name, rubbish.filter((text) => read(text) !== undefined), "
        f"read(String(state[name])) === state[name]]))({json.dumps(state)}, {json.dumps(RUBBISH)})"
    )
    found = evaluate(tmp_path, explorer, "default as explorer", tried)
    assert found
    for trait, taken, own in found:
        assert (taken, own) == ([], True), trait


def test_explorers_of_a_page_stand_side_by_side(opened):
    page, record = opened(CliffExplorer(), CliffExplorer(answers=3), ScoresExplorer())
    untouched = shown(page)
    move(page, 1)
    settle(page)
    move(page, 2)
    settle(page)
    both = shown(page)
    assert both[0][0] == untouched[0][0]
    assert {key.partition(".")[0] for key in query(page)} == {"cliff-2", "scores"}
    page.goto(page.url)
    expect(page.locator(".companion-widget .verdict")).to_have_count(3)
    assert shown(page) == both
    record.assert_clean()


def test_anchors_and_other_questions_stay(opened):
    page, record = opened(CliffExplorer(), path="?q=a#further")
    move(page)
    settle(page)
    assert query(page)["q"] == "a"
    assert urlsplit(page.url).fragment == "further"
    record.assert_clean()


def test_an_explorer_at_its_own_state_leaves_the_address_empty(opened):
    page, record = opened(CliffExplorer(answers=4))
    answers = page.locator("input").first
    answers.press("ArrowRight")
    settle(page)
    assert query(page)
    answers.press("ArrowLeft")
    settle(page)
    assert not query(page)
    record.assert_clean()


def test_pasted_scores_stand_in_no_address(opened):
    page, record = opened(ScoresExplorer())
    page.get_by_label("Scores").fill("prompt,answer,score\nsecret,b,1\nsecret,c,0\n")
    page.get_by_label("Distance").fill("0.2")
    settle(page)
    assert "secret" not in page.url
    record.assert_clean()


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_notebook_writes_no_address(name):
    """The address is the page's affair: what Jupyter and Colab load knows nothing of it."""
    code = EXPLORERS[name]()._esm
    assert not [word for word in ("history", "location") if word in code]
