"""What the explorer of recorded runs makes of a record."""

import json

import pytest
from in_node import evaluate

from companion.widgets import RunsExplorer

RECORD = {
    "prompt": "asked",
    "behaviours": [["good", "doing well"], ["bad", "doing badly"]],
    "starts": [3, 8],
    "steps": [0, 50],
    "texts": [],
    "runs": {
        "one": {
            "paid": "",
            "shares": [[[100, 200], [300, 801]], [[5, 6], [7, 8]]],
            "texts": [[], []],
        }
    },
}


def test_the_rest_is_what_no_behaviour_has(tmp_path):
    asked = [("one", 3, 0), ("one", 3, 1), ("one", 8, 1)]
    each = f"{json.dumps(asked)}.map((x) => shares({json.dumps(RECORD)}, ...x))"
    assert evaluate(tmp_path, RunsExplorer, "shares", each) == [
        {"good": 100, "bad": 300, "rest": 600},
        {"good": 200, "bad": 801, "rest": 0},  # rounded up, both
        {"good": 6, "bad": 8, "rest": 986},
    ]


@pytest.mark.parametrize(
    "change", [{"condition": "two"}, {"start": 4}, {"step": 25}, {"condition": ""}]
)
def test_only_what_is_recorded_can_be_shown(change):
    with pytest.raises(Exception, match=next(iter(change))):
        RunsExplorer(**{"record": RECORD, "condition": "one", "start": 3, "step": 0} | change)
