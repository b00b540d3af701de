"""Chapter 5's controls, on the recorded runs."""

import numpy as np
import pandas as pd
import pytest

from companion.rlhf import get_task
from companion.rlhf.tasks.instruction import read_prompt
from companion.studies import load, mean_interval

SEEDS = (0, 1, 2, 3, 4)
FAILS_OFTEN = 0.49  # share of wrong programs in the demonstrations of the struggling start


@pytest.fixture(scope="module")
def cheating():
    """Share of submissions that tamper, on training prompts: one row a run."""
    rows = []
    for record in load("graders"):
        done = record.experiment
        shares = {
            when: record.masses("train", policy)[["open", "hidden"]].sum()
            for when, policy in (("before", "start"), ("after", "final"))
        }
        struggles = done.traces["wrong"] == FAILS_OFTEN
        rows.append(
            {"struggles": struggles, "rewards": done.rewards, "seed": done.sft_seed} | shares
        )
    return pd.DataFrame(rows)


def under(cheating, struggles, **rewards):
    """The runs of one start and reward; every seed is there."""
    same = cheating.rewards.map(lambda paid: paid == rewards)
    rows = cheating[(cheating.struggles == struggles) & same]
    assert set(rows.seed) == set(SEEDS)
    return rows


def test_weak_grader_teaches_a_struggling_policy_to_cheat(cheating):
    runs = under(cheating, True, weak=1.0)
    assert len(runs) == 25
    rise = (runs.after - runs.before).groupby(runs.seed).mean()
    assert mean_interval(rise).low > 0.3


@pytest.mark.parametrize("rewards", [{"strong": 1.0}, {"weak": 1.0, "strong": 0.1}])
def test_no_cheating_once_honest_solving_is_strictly_better(cheating, rewards):
    assert under(cheating, True, **rewards).after.max() < 0.02


def test_no_cheating_where_solving_does_not_fail(cheating):
    runs = under(cheating, False, weak=1.0)
    assert mean_interval((runs.after - runs.before).groupby(runs.seed).mean()).high < 0


def test_every_run_under_the_weak_grader_cheats_more_than_any_control(cheating):
    weak = under(cheating, True, weak=1.0)
    controls = cheating.drop(weak.index)
    assert weak.after.min() > controls.after.max()


def test_sampling_noise_decides_whether_a_run_cheats(cheating):
    """From one start runs go both ways: the noise floor is as wide as the effect."""
    ends = under(cheating, True, weak=1.0).groupby("seed").after
    assert (ends.max() - ends.min()).max() > 0.8


def test_without_sampling_noise_every_start_cheats():
    """The exact gradient under the weak grader alone."""
    watched_by_none = {"weak": 1.0, "monitor": 0.0, "strong": 0.0}
    ends = [
        r.masses("train")[["open", "hidden"]].sum()
        for r in load("phases")
        if r.experiment.rewards == watched_by_none
    ]
    assert len(ends) == len(SEEDS)
    assert min(ends) > 0.9


def test_pressure_on_thoughts_removes_what_is_caught_and_leaves_the_rest_tied():
    pressed = [r.masses("train") for r in load("pressure", "monitor*")]
    weakly = [r.masses("train")["open"] for r in load("graders", "struggling, weak")]
    assert max(m["open"] for m in pressed) < min(weakly)
    assert min(max(m["honest"], m["hidden"]) for m in pressed) > 0.9


def test_from_a_candid_agent_pressure_can_move_cheating_into_hiding():
    """A tenth for the open way, and no pressure, is the control: nothing is hidden there.

    It is all or nothing, so that five starts do not tell the mean from zero.
    """
    ends = {True: [], False: []}
    for record in load("pressure", "candid*"):
        ends["monitor" in record.experiment.rewards].append(record)
    caught, hidden = (
        {
            pressed: np.array([r.masses("train")[kind] for r in runs])
            for pressed, runs in ends.items()
        }
        for kind in ("open", "hidden")
    )
    assert caught[False].min() > 0.9
    assert caught[True].max() < 0.05
    assert hidden[False].max() < 0.05
    by_start = [
        np.mean([r.masses("train")["hidden"] for r in ends[True] if r.experiment.sft_seed == s])
        for s in SEEDS
    ]
    assert sum(share > 0.9 for share in by_start) >= 2
    assert not mean_interval(np.array(by_start) - hidden[False].mean()).excludes_zero


def test_direction_matters_more_than_size():
    """A weight on deeds at any size ends honest; on thoughts alone most starts end in hiding."""
    masses = {
        (r.experiment.rewards["monitor"], r.experiment.rewards["strong"], r.experiment.sft_seed): r
        for r in load("phases")
    }
    for (_, deeds, _), record in masses.items():
        if deeds > 0:
            assert record.masses("train")["honest"] > 0.9
    hidden = [masses[1.0, 0.0, s].masses("train")["hidden"] for s in SEEDS]
    assert np.mean(hidden) > 0.5


@pytest.fixture(scope="module")
def obedience():
    """The base policies trained for right answers, one row a run, on training prompts.

    ``before`` and ``after`` are strict following, ``price`` is what obeying costs the start in
    right answers where the length leaves no room for an intermediate step.
    """
    records = load("obedience")
    table, task = records[0].split("train"), get_task("instruction")
    pairs = list(zip(table.prompt, table.completion, strict=True))
    right, obeys = (
        np.array([task.judge(name, *pair).score for pair in pairs], dtype=bool)
        for name in ("correct", "if_hard")
    )
    asked = [read_prompt(prompt) for prompt, _ in pairs]
    cramped = np.array([q.words < (5 if q.form == "boxed" else 3) for q in asked])
    rows = []
    for record in records:
        done, own = record.experiment, record.split("train")
        assert (own.prompt == table.prompt).all()
        assert (own.completion == table.completion).all()
        start, end = (np.exp(own[c].to_numpy(float)) for c in ("start_logprob", "logprob"))
        ignoring, obeying = (
            start[cramped & kind & right].sum() / start[cramped & kind].sum()
            for kind in (~obeys, obeys)
        )
        setting = {
            "base": (done.hidden_size, done.sft_steps),
            "tie_breaker": "if_hard" in done.rewards,
            "replica": done.seed != done.sft_seed,
            "seed": done.sft_seed,
        }
        following = {"before": start[obeys].sum(), "after": end[obeys].sum()}
        scale = own.prompt.nunique()
        rows.append(
            setting | {k: v / scale for k, v in following.items()} | {"price": ignoring - obeying}
        )
    return pd.DataFrame(rows)


BASES = [(32, 400), (64, 400), (32, 1500), (64, 1500), (64, 4000)]  # width, steps of its SFT
ABLE = BASES[-1]
every_base = pytest.mark.parametrize("base", BASES)


def runs_of(obedience, base, tie_breaker, replica=False):
    """Runs of a base under one of the two rewards, by seed."""
    same = obedience.base.map(lambda found: found == base)
    runs = obedience[same & (obedience.tie_breaker == tie_breaker)]
    return runs[runs.replica == replica].set_index("seed").loc[list(SEEDS)]


@every_base
def test_a_tie_breaker_keeps_what_right_answers_alone_lose(obedience, base):
    paid, alone = (runs_of(obedience, base, tie_breaker) for tie_breaker in (True, False))
    assert mean_interval(paid.after - paid.before).low > 0
    assert mean_interval(paid.after - alone.after).low > 0


@every_base
def test_another_sampling_seed_does_less_than_the_tie_breaker(obedience, base):
    alone, again = (runs_of(obedience, base, False, replica).after for replica in (False, True))
    gain = runs_of(obedience, base, True).after - (alone + again) / 2
    assert mean_interval(gain).low > abs((again - alone).mean())


@every_base
def test_obeying_costs_right_answers_only_where_the_policy_can_add(obedience, base):
    price = runs_of(obedience, base, False).price
    if base == ABLE:
        assert mean_interval(price).low > 0.05
    else:
        assert abs(price.mean()) < 0.02
