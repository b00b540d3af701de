"""The browser's arithmetic against companion.theory."""

import itertools
import json

import numpy as np
import pytest
from in_node import evaluate

from companion.theory import softmax_policy, total_variation, uniform_policy
from companion.widgets import CliffExplorer

CASES = list(itertools.product([2, 4, 10], [0.0, 1e-4, 0.01, 1.0], [0.0, 1e-3, 0.2, 1.0]))


@pytest.fixture(scope="module")
def distances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("widget")
    expression = f"{json.dumps(CASES)}.map((c) => distance(...c))"
    return evaluate(folder, CliffExplorer, "distance", expression)


def exact(answers, bonus, temperature):
    q = np.zeros((1, answers))
    q[0, 0] = bonus
    after = softmax_policy(q, temperature) if temperature else uniform_policy(q, atol=0)
    return total_variation(after, np.full_like(q, 1 / answers))[0]


def test_browser_and_theory_agree(distances):
    assert distances == pytest.approx([exact(*case) for case in CASES], abs=1e-12)


@pytest.mark.parametrize("change", [{"answers": 1}, {"bonus": -0.1}, {"temperature": 2.0}])
def test_sliders_stay_in_their_range(change):
    with pytest.raises(Exception, match=next(iter(change))):
        CliffExplorer(**change)
