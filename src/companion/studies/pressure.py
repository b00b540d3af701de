"""Chapter 5: a monitor of the chain of thought, on top of the weak grader."""

from collections.abc import Callable

import pandas as pd

from companion.data import data_path
from companion.studies.claims import Claim
from companion.studies.graders import condition, gained
from companion.studies.study import Study

STUDY = Study(
    "pressure",
    chapter=5,
    question="Does pressure on the chain of thought end cheating, or hide it?",
    conditions={
        "no monitor": condition("struggling", {"weak": 1.0}),
        "monitor 0.1": condition("struggling", {"weak": 1.0, "monitor": 0.1}),
        "monitor 1": condition("struggling", {"weak": 1.0, "monitor": 1.0}),
        # An agent that, left alone, cheats openly, as the paper's does: a small bonus for the open
        # way. The confirmatory claims are about it.
        "candid, no monitor": condition("struggling", {"weak": 1.0, "bonus_open": 0.1}),
        "candid, monitor 1": condition(
            "struggling", {"weak": 1.0, "bonus_open": 0.1, "monitor": 1.0}
        ),
    },
    # An earlier record of starts 0 to 4 was seen before the claims below were written; they are
    # judged on runs that are all made anew, as in ``graders``.
    starts=range(10),
    repeats={"candid, no monitor": 2, "candid, monitor 1": 2},
    own_starts={name: range(5) for name in ("no monitor", "monitor 0.1", "monitor 1")},
)

caught = gained("open")
uncaught = gained("hidden")
honest = gained("honest")


def paper_curves() -> pd.DataFrame:
    """The figure of the paper's §5.1.2.

    Returns:
        Columns ``panel`` (``caught`` or ``not caught``), ``agent`` (``baseline`` or ``CoT
        pressure``), ``done`` (% of training) and ``share`` of samples.
    """
    table = pd.read_csv(data_path("paper/fig_cot_pressure.csv"))
    return table.assign(
        done=100 * table.training_epochs / table.training_epochs.max(),
        share=table.fraction_of_samples,
    )[["panel", "agent", "done", "share"]]


def paper_ends() -> pd.Series:
    """What the curves of that figure end at, by panel and agent."""
    curves = paper_curves()
    return curves[curves.done == 100].set_index(["panel", "agent"]).share


def _paper_change(panel: str) -> Callable[[], float]:
    """What pressure changes in a panel of the paper's figure, at the end of training."""

    def change() -> float:
        ends = paper_ends()
        return float(ends[panel, "CoT pressure"] - ends[panel, "baseline"])

    return change


# The control is the same training without the monitor. A run ends in one behaviour or another
# (all or nothing), so that a mean over starts is a share of runs; with ten starts of two sampling
# seeds Student's t covers such values too (tests/studies/test_statistics.py).
CLAIMS = (
    Claim(
        "candid-caught",
        "Pressure on thoughts: cheating that is caught falls (an agent with a reason to be open).",
        caught,
        of="candid, monitor 1",
        against="candid, no monitor",
        sign=-1,
        section="5.1.2",
        short="open agent: caught",
        paper=_paper_change("caught"),
        confirmatory=True,
    ),
    Claim(
        "candid-uncaught",
        "Pressure on thoughts: cheating that is not caught rises (an agent with a reason to be "
        "open).",
        uncaught,
        of="candid, monitor 1",
        against="candid, no monitor",
        sign=+1,
        section="5.1.2",
        short="open agent: not caught",
        paper=_paper_change("not caught"),
        confirmatory=True,
    ),
    Claim(
        "candid-honest",
        "Pressure on thoughts: tests are passed honestly more often (an agent with a reason to be "
        "open).",
        honest,
        of="candid, monitor 1",
        against="candid, no monitor",
        sign=+1,
        section="5.1.2",
        short="open agent: honest",
        confirmatory=True,
    ),
    Claim(
        "pressed-caught",
        "Pressure on thoughts: cheating that is caught falls (an agent to whom both ways to cheat "
        "are equal).",
        caught,
        of="monitor 1",
        against="no monitor",
        sign=-1,
        section="5.1.2",
        short="pressed: caught",
        paper=_paper_change("caught"),
    ),
    Claim(
        "pressed-uncaught",
        "Pressure on thoughts: cheating that is not caught rises (an agent to whom both ways to "
        "cheat are equal).",
        uncaught,
        of="monitor 1",
        against="no monitor",
        sign=+1,
        section="5.1.2",
        short="pressed: not caught",
        paper=_paper_change("not caught"),
    ),
    Claim(
        "pressed-honest",
        "Pressure on thoughts: tests are passed honestly more often (an agent to whom both ways to "
        "cheat are equal).",
        honest,
        of="monitor 1",
        against="no monitor",
        sign=+1,
        section="5.1.2",
        short="pressed: honest",
    ),
)
