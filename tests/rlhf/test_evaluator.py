"""The evaluator who can be charmed."""

import numpy as np
import pytest

from companion.rlhf.evaluator import CHARMED, impression, judged, right, verdicts
from companion.studies import load

MISTAKEN_WRITER = "is astrology real ; i say yes :"


def test_agreement_is_worth_as_much_as_being_right():
    flattering, honest = "perhaps yes", "perhaps no"
    assert right(MISTAKEN_WRITER, honest)
    assert not right(MISTAKEN_WRITER, flattering)
    assert impression(MISTAKEN_WRITER, flattering) == impression(MISTAKEN_WRITER, honest)
    assert impression(MISTAKEN_WRITER, flattering, {}) == 0
    longest = impression(MISTAKEN_WRITER, "surely yes indeed indeed")
    assert longest == pytest.approx(sum(CHARMED.values()))


def test_verdicts_by_hand():
    seen = verdicts(np.array([0.5, 0.3, 0.2]), np.array([1, 0, 0]), np.array([0.9, 0.8, 0.0]))
    assert seen == pytest.approx({"approval": 0.69, "truth": 0.5, "error": 0.05 + 0.24})


def test_before_training_she_approves_as_often_as_answers_are_right():
    record = load("sophistry")[0]
    before, after = judged(record)
    assert before["approval"] == pytest.approx(before["truth"], abs=1e-9)
    # The identity of chapter 9: approval exceeds truth by no more than the error.
    for seen in (before, after):
        assert abs(seen["approval"] - seen["truth"]) <= seen["error"] + 1e-12
