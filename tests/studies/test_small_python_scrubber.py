"""The recorded runs of SmolLM2 as the explorer of chapter 5 holds them."""

import json

import numpy as np
import pytest

from companion.studies import load
from companion.studies.cliff_scrubber import BEHAVIOURS, by_step
from companion.studies.samples import most_divided
from companion.studies.small_python_scrubber import scrubber


@pytest.fixture(scope="module")
def recorded():
    return load("small_python")


@pytest.fixture(scope="module")
def prompt(recorded):
    return most_divided(recorded, 0)


@pytest.fixture(scope="module")
def explorer(recorded, prompt):
    return scrubber(recorded, prompt)


def test_every_run_from_a_start_is_there_but_the_start_itself(recorded, explorer):
    ran = {key.condition for key in recorded.keys}
    assert set(explorer.record["runs"]) == ran - {"start"}
    assert explorer.record["starts"] == sorted({key.start for key in recorded.keys})


def test_shares_are_those_of_the_batches_and_at_last_of_the_samples(recorded, explorer):
    record = explorer.record
    for name, run in record["runs"].items():
        for start, shares in zip(record["starts"], run["shares"], strict=True):
            own = recorded.at(name, start)
            measured = own.metrics[[f"share/{key}" for key in BEHAVIOURS]].to_numpy().T.copy()
            measured[:, -1] = own.shares("train")[list(BEHAVIOURS)]
            assert np.array(shares) == pytest.approx(1000 * measured, abs=0.5001), name


def test_texts_were_written_before_or_after_with_these_frequencies(recorded, explorer, prompt):
    record = explorer.record
    for name, run in record["runs"].items():
        for start, rows in zip(record["starts"], run["texts"], strict=True):
            assert rows
            for number, *both in rows:
                text, label = record["texts"][number]
                for condition, thousandths in zip(("start", name), both, strict=True):
                    drawn = recorded.at(condition, start).samples
                    drawn = drawn[drawn["prompt"] == prompt]
                    same = (drawn.completion.str.strip("\n") == text) & (drawn.label == label)
                    share = drawn["count"][same].sum() / drawn["count"].sum()
                    assert thousandths == pytest.approx(1000 * share, abs=0.5001)


def test_the_bonus_is_marked_where_it_is_paid(explorer):
    paid = {name for name, run in explorer.record["runs"].items() if run["paid"]}
    assert paid == {name for name in explorer.record["runs"] if "bonus 0.1" in name}


def test_the_page_stays_small_and_has_a_table_without_scripts(explorer):
    assert len(json.dumps(explorer.record)) < 60_000
    assert list(by_step(explorer).run) == list(explorer.record["runs"])
