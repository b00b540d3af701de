"""Samples of pretrained models: what is written survives the tables, all prompts weigh the same."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.errors import CompanionError
from companion.rlhf import get_task
from companion.rlhf.records import SAMPLED, Run
from companion.studies.recording import import_records
from companion.studies.store import load
from companion.studies.study import Study

TASK = get_task("alignment")
ONE = TASK.prompts["test"][0]
TWO = next(p for p in TASK.prompts["test"] if TASK.kind(p)[:3] != TASK.kind(ONE)[:3])
STUDY = Study(
    "drawn",
    0,
    "?",
    {"none": {"task": "alignment", "rewards": {"oracle": 1.0}},
     "some": {"task": "alignment", "rewards": {"oracle": 1.0}, "beta": 0.1}},
    starts=(0,),
    splits=("train", "test"),
)  # fmt: skip


class Drawn(Run):
    """A run with given samples of two prompts."""

    experiment = metrics = distribution = provenance = samples = None  # set below

    def __init__(self, condition, rows):
        self.experiment = STUDY.experiment(condition, 0)
        self.metrics = pd.DataFrame({"step": [0], "reward": [0.5]})
        self.provenance = {"device": "made up"}
        texts = [("test", p, c, "wrong") for p in (ONE, TWO) for c in "ab"]
        table = pd.DataFrame(texts, columns=["split", "prompt", "completion", "label"])
        self.distribution = table.assign(start_logprob=np.log(0.5), logprob=np.log(0.4))
        self.samples = pd.DataFrame(rows, columns=list(SAMPLED))


def row(prompt, completion, count, split="test"):
    return split, prompt, completion, TASK.behaviour(prompt, completion), count


GOOD, BAD = (
    max(TASK.completions(ONE), key=lambda c: TASK.judge("oracle", ONE, c).score),
    min(TASK.completions(ONE), key=lambda c: TASK.judge("oracle", ONE, c).score),
)


def test_each_prompt_weighs_the_same_however_often_it_was_asked():
    run = Drawn("some", [row(ONE, GOOD, 1), row(ONE, BAD, 3), row(TWO, "gibberish", 400)])
    shares = run.shares()
    assert shares.sum() == pytest.approx(1)
    assert shares["other"] == pytest.approx(1 / 2)
    assert shares[TASK.behaviour(ONE, GOOD)] >= 1 / 8
    best, worst = (TASK.judge("oracle", ONE, c).score for c in (GOOD, BAD))
    assert best > worst
    assert run.sampled("oracle") == pytest.approx(((best + 3 * worst) / 4 + 0) / 2)
    alone = run.sampled("oracle", "test", TASK.kind(ONE))
    assert alone == pytest.approx((best + 3 * worst) / 4)
    assert run.shares("test", TASK.kind(ONE))[TASK.behaviour(ONE, BAD)] >= 3 / 4


def test_a_split_without_samples_is_one_line():
    run = Drawn("some", [row(ONE, GOOD, 1)])
    with pytest.raises(CompanionError, match=r"has no samples of 'train'$"):
        run.shares("train")
    with pytest.raises(CompanionError, match=r"no samples of 'test' 'no such'$"):
        run.sampled("oracle", "test", "no such")
    with pytest.raises(CompanionError, match=r"no samples of 'test' 'no such'$"):
        run.shares("test", "no such")


WRITTEN = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.one_of(WRITTEN, st.sampled_from(["", " ", "\n", "nan", "None", GOOD, "\ufffd", "\0"])),
        st.integers(1, 99),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_was_written_comes_back(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("tables")
    rows = [row(p, c, n) for p in (ONE, TWO) for c, n in written.items()]
    run, none = Drawn("some", rows), Drawn("none", [])
    assert import_records([run, none], STUDY, folder) == 2
    bare, back = load(STUDY, folder=folder)
    assert bare.samples.empty
    pd.testing.assert_frame_equal(back.samples[list(SAMPLED)], run.samples, check_dtype=False)
    pd.testing.assert_series_equal(back.shares(), run.shares())
    assert back.sampled("oracle") == run.sampled("oracle")
