"""The recorded runs as the explorer of chapter 4 holds them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from companion.errors import CompanionError
from companion.studies import cliff, load
from companion.studies.cliff_scrubber import BEHAVIOURS, by_step, scrubber
from companion.studies.runs import Runs


@pytest.fixture(scope="module")
def recorded():
    return load("cliff")


@pytest.fixture(scope="module")
def explorer(recorded):
    return scrubber(recorded)


def test_shares_are_the_records(recorded, explorer):
    record = explorer.record
    assert {name.split(",")[0] for name in record["runs"]} == {"exact", "GRPO", "no tie"}
    for name, run in record["runs"].items():
        for start, shares in zip(record["starts"], run["shares"], strict=True):
            metrics = recorded.at(name, start).metrics
            assert metrics.step.tolist() == record["steps"]
            measured = metrics[[f"mass/{key}" for key in BEHAVIOURS]].to_numpy().T
            assert np.array(shares) == pytest.approx(1000 * measured, abs=0.5001), name


def test_texts_are_the_most_probable_of_both_ends(recorded, explorer):
    record = explorer.record
    for name, run in record["runs"].items():
        for start, rows in zip(record["starts"], run["texts"], strict=True):
            table = recorded.at(name, start).split("train")
            table = table[table.prompt == record["prompt"]].set_index("completion")
            written = {record["texts"][row[0]][0]: row[1:] for row in rows}
            for text, (before, after) in written.items():
                both = np.exp(table.loc[text, ["start_logprob", "logprob"]].astype(float))
                assert [before, after] == pytest.approx(1000 * both, abs=0.5001)
            assert {table.start_logprob.idxmax(), table.logprob.idxmax()} <= written.keys()


def test_the_paid_behaviour_is_marked_and_no_other(explorer):
    for name, run in explorer.record["runs"].items():
        assert run["paid"] == (cliff.paid_trace(name) if cliff.bonus_of(name) else "")


def test_the_page_stays_small(explorer):
    """Also with twice the starts."""
    record = explorer.record
    assert len(json.dumps(record)) * 10 / len(record["starts"]) < 60_000


def test_table_without_scripts_has_every_run(explorer):
    table = by_step(explorer)
    assert list(table.run) == list(explorer.record["runs"])
    assert f"step {explorer.record['steps'][-1]}" in table


@pytest.mark.parametrize("change", [{"condition": "none"}, {"start": -1}, {"step": 7}])
def test_only_what_is_recorded_can_be_shown(recorded, change):
    explorer = scrubber(recorded)
    name = next(iter(change))
    with pytest.raises(Exception, match=name):
        explorer.set_trait(name, change[name])


def test_runs_that_were_measured_at_unlike_steps_are_told(recorded):
    runs = dict(recorded.only("exact, no bonus", "exact, bonus 0.01").items())
    first = next(iter(runs))
    short = SimpleNamespace(metrics=runs[first].metrics.iloc[::2])
    with pytest.raises(CompanionError, match="unlike steps"):
        scrubber(Runs(recorded.study, runs | {first: short}))
