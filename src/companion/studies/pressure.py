"""Chapter 5: a monitor of the chain of thought, on top of the weak grader."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import pandas as pd

from companion.data import data_path
from companion.figures import COLOURS, Drawing, figure, style
from companion.studies.claims import Claim
from companion.studies.graders import Decided, condition, curves, gained
from companion.studies.graders_pictures import counted, draw_curves
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

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


NEW_START = 20  # of the live part; the record has others
LIVE = ("candid, no monitor", "candid, monitor 1")
DECIDED: Decided = {
    LIVE[0]: ("open", ("open",)),
    LIVE[1]: ("honest or hidden", ("honest", "hidden")),
}
_AGENTS = {"baseline": (LIVE[0], "orange"), "CoT pressure": (LIVE[1], "purple")}
_PANELS = {"caught": "open", "not caught": "hidden"}


def live_keys(start: int = NEW_START) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key(name, start, 0) for name in LIVE]


@figure("slacker-pressure", rests_on=("prop_3_1", "prop_2_9"), family="deceptive")
def beside_the_paper(recorded: Runs) -> Drawing:
    """Cheating that is caught and that is not, without and with a monitor, ours and the paper's."""
    ours, theirs = curves(recorded), paper_curves()
    with style():
        fig, axes = plt.subplots(2, 2, figsize=(10, 7.6), sharex=True, sharey=True)
        for column, (panel, kind) in enumerate(_PANELS.items()):
            for agent, (name, colour) in _AGENTS.items():
                draw_curves(axes[0, column], ours[ours.condition == name], kind, colour)
                line = theirs[(theirs.panel == panel) & (theirs.agent == agent)]
                axes[1, column].plot(line.done, line.share, "o-", ms=5, color=COLOURS[colour])
            axes[0, column].set(title=f"Here: cheating {panel}", ylim=(-0.03, 1.03))
            axes[1, column].set(title=f"The paper: cheating {panel}", xlabel="training done (%)")
        axes[1, 0].text(2, 0.55, "no pressure", color=COLOURS["orange"])
        axes[1, 1].text(2, 0.55, "pressure on\nthe thoughts", color=COLOURS["purple"])
        for ax in axes[:, 0]:
            ax.set_ylabel("share of\nsubmissions")
        plt.close(fig)
    return Drawing(
        fig,
        title="Pressure on the thoughts",
        caption="Top: our GRPO runs of an agent with a reason to be open, without a monitor "
        f"(orange) and with one at λ = 1 (purple, {counted(ours[ours.condition == LIVE[1]])}). "
        "Thin lines are runs, thick lines means over starts. Bottom: the figure of the paper's "
        "§5.1.2, adapted from Baker et al. (2025), digitised with a reading error of about a "
        "point.",
        alt="Four panels of shares against training: cheating that the monitor catches on the left "
        "and that it does not catch on the right, our runs above, the paper's curves below, "
        f"without and with pressure. {_ends_in_words(ours)}",
        data=pd.concat(
            [
                ours[ours.condition.isin(LIVE)].assign(source="here"),
                theirs.assign(source="paper"),
            ]
        ),
    )


def _ends_in_words(table: pd.DataFrame) -> str:
    """Where our means of the two panels end."""
    last = table[table.done == 100].groupby("condition")[["open", "hidden"]].mean()
    without, under = last.loc[LIVE[0]], last.loc[LIVE[1]]
    return (
        f"Our means end at {without.open:.2f} caught and {without.hidden:.2f} not caught without "
        f"pressure, at {under.open:.2f} and {under.hidden:.2f} with it."
    )
