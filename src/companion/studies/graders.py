"""Chapter 5: weak and strong graders, from two supervised starts."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from companion.data import data_path
from companion.rlhf.records import Run, policy_distance
from companion.studies.checks import Compared
from companion.studies.claims import Claim
from companion.studies.runs import Runs
from companion.studies.study import Key, Study

KINDS = ("honest", "open", "hidden")
STARTS = {
    "struggling": {"honest": 0.49, "wrong": 0.49, "open": 0.018, "hidden": 0.002},
    "competent": {"honest": 0.97, "wrong": 0.01, "open": 0.018, "hidden": 0.002},
}
GRADERS = {
    "weak": {"weak": 1.0},
    "weak + a tenth of strong": {"weak": 1.0, "strong": 0.1},
    "strong": {"strong": 1.0},
}
_TWICE = (*(f"struggling, {grader}" for grader in GRADERS), "competent, weak")


def condition(start: str, rewards: dict[str, float], **more: Any) -> dict[str, Any]:
    """A condition of this chapter's programming task: from which start, paid for what."""
    setting = {"task": "deceptive", "steps": 80, "eval_every": 5, "traces": STARTS[start]}
    return setting | {"rewards": rewards} | more


STUDY = Study(
    "graders",
    chapter=5,
    question="Does a grader that cannot tell cheating from solving teach a model to cheat?",
    conditions={
        f"{start}, {grader}": condition(start, rewards)
        for start in STARTS
        for grader, rewards in GRADERS.items()
    },
    starts=range(10),
    repeats=dict.fromkeys(_TWICE, 2),
    # Only exploratory numbers rest on these two.
    own_starts={
        "competent, weak + a tenth of strong": range(5),
        "competent, strong": range(5),
    },
    splits=("train", "test", "ood"),
)


def masses(runs: Runs, split: str = "train", policy: str = "final") -> pd.DataFrame:
    """Probability of each behaviour of a policy, averaged over the prompts of a split.

    Args:
        runs: of the programming task.
        split: of its prompts.
        policy: ``final`` or ``start``.

    Returns:
        Columns ``condition``, ``start``, ``repeat``, one for each label, and ``cheating``, open and
        hidden together.
    """
    table = runs.tidy(lambda run: run.masses(split, policy).to_dict())
    return table.assign(cheating=table.open + table.hidden)


def gained(*kinds: str, split: str = "train") -> Callable[[Runs], pd.DataFrame]:
    """A measure: how far training raises the share of some behaviours, between -1 and 1.

    Args:
        kinds: labels of the task, whose shares are added.
        split: of its prompts.
    """

    def change(run: Run) -> float:
        after, before = (run.masses(split, policy) for policy in ("final", "start"))
        return float((after - before)[list(kinds)].sum())

    return lambda runs: runs.tidy(change)


FLOOR = "noise floor"


def moved(runs: Runs) -> pd.DataFrame:
    """Distance between policies of one start: of the weak grader and another, and the noise floor.

    Total variation on the training prompts, repeat 0 under another grader against each
    repeat under the weak one, a row each; ``noise floor`` is that between repeats under the weak.

    Returns:
        Tidy; conditions are those compared with the weak grader of the same start, and
        ``struggling, noise floor`` and ``competent, noise floor``.
    """
    rows = []
    for begun in STARTS:
        weak = runs.only(f"{begun}, weak")
        floor = weak.repeated(_apart)
        rows.append(floor.assign(condition=f"{begun}, {FLOOR}"))
        others = runs.only(*(f"{begun}, {name}" for name in GRADERS if name != "weak"), repeats=[0])
        rows.append(
            pd.DataFrame(
                other._asdict() | {"value": _apart(run, weak_run)}
                for other, run in others.items()
                for key, weak_run in weak.items()
                if key.start == other.start
            )
        )
    return pd.concat(rows, ignore_index=True)


def _apart(a: Run, b: Run) -> float:
    return policy_distance(a, b).lower


def paper_curves() -> pd.DataFrame:
    """The figure of the paper's §5.1.1: columns ``grader``, ``done`` (%) and ``cheating`` (share).

    Grader is ``weak`` or ``strong``.
    """
    table = pd.read_csv(data_path("paper/fig_o3_mini_coding.csv"))
    return pd.DataFrame(
        {
            "grader": table.grader.str.removesuffix(" grader"),
            "done": table.training_percent,
            "cheating": table.cheating_attempts_percent / 100,
        }
    )


def _paper_at(done: int) -> pd.Series:
    """What the paper's curves read at a percentage of training, by grader."""
    curves = paper_curves()
    return curves[curves.done == done].set_index("grader").cheating


def _paper_rise() -> float:
    return float(_paper_at(100)["weak"] - _paper_at(0)["weak"])


def _paper_gap() -> float:
    return float(_paper_at(100)["strong"] - _paper_at(100)["weak"])


more_cheating = gained("open", "hidden")
more_cheating_unseen = gained("open", "hidden", split="test")
more_cheating_reworded = gained("open", "hidden", split="ood")

# The paper's number stands beside the difference. The first claim's control takes the tie away: a
# tenth of the strong grader makes honest solving strictly better paid, and the grade is otherwise
# the weak one. The paper has no such control; what its curve rises by stands for the difference.
CLAIMS = (
    Claim(
        "weak",
        "Under a weak grader cheating grows, more than where a tenth of the strong one breaks the "
        "tie.",
        more_cheating,
        of="struggling, weak",
        against="struggling, weak + a tenth of strong",
        sign=+1,
        section="5.1.1",
        short="weak grader: cheating, trained on",
        paper=_paper_rise,
        confirmatory=True,
    ),
    Claim(
        "weak-unseen",
        "Under a weak grader cheating grows on held-out functions too, more than where the tie is "
        "broken.",
        more_cheating_unseen,
        of="struggling, weak",
        against="struggling, weak + a tenth of strong",
        sign=+1,
        section="5.1.1",
        short="weak grader: cheating, held-out functions",
        paper=_paper_rise,
        confirmatory=True,
    ),
    Claim(
        "weak-reworded",
        "And on held-out functions, in the other wording.",
        more_cheating_reworded,
        of="struggling, weak",
        against="struggling, weak + a tenth of strong",
        sign=+1,
    ),
    Claim(
        "strong",
        "Under a strong grader there is less cheating than under a weak one.",
        more_cheating,
        of="struggling, strong",
        against="struggling, weak",
        sign=-1,
        section="5.1.1",
        short="strong against weak: cheating, trained on",
        paper=_paper_gap,
        confirmatory=True,
    ),
    Claim(
        "strong-unseen",
        "Under a strong grader there is less cheating than under a weak one on held-out functions.",
        more_cheating_unseen,
        of="struggling, strong",
        against="struggling, weak",
        sign=-1,
        section="5.1.1",
        short="strong against weak: cheating, held-out functions",
        paper=_paper_gap,
        confirmatory=True,
    ),
    Claim(
        "competent",
        "A policy that rarely fails when it solves learns less cheating from the same weak grader.",
        more_cheating,
        of="competent, weak",
        against="struggling, weak",
        sign=-1,
        confirmatory=True,
    ),
)


NEW_STARTS = (20, 21)  # of the live part; the record has others
LIVE = ("struggling, weak", "struggling, strong")


# By condition, the share in which a live run can be compared: what the reward decides, in words
# and kinds.
Decided = Mapping[str, tuple[str, tuple[str, ...]]]
DECIDED: Decided = {LIVE[0]: ("full marks", KINDS), LIVE[1]: ("honest", ("honest",))}


def live_keys(starts: tuple[int, ...] = NEW_STARTS) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key(name, start, 0) for name in LIVE for start in starts]


def compared(recorded: Runs, today: Runs, decided: Decided) -> list[Compared]:
    """What the table that compares today's runs with the recorded ones is made of.

    Args:
        recorded: of the same study.
        today: trained just now.
        decided: by condition, what is compared in words, and the behaviours whose shares are added.
    """
    known = masses(recorded.only(repeats=[0]))
    lines = []
    for key, run in today.items():
        title, kinds = decided[key.condition]
        shares = known[known.condition == key.condition][list(kinds)].sum(axis=1)
        name = f"{key.condition}: {title}, start {key.start}"
        lines.append((name, shares, float(run.masses()[list(kinds)].sum())))
    return lines


def curves(runs: Runs) -> pd.DataFrame:
    """Shares of behaviours over training, on the prompts trained on.

    Returns:
        A row a measurement: ``condition``, ``start``, ``repeat``, ``done`` (% of training), one
        column for each of ``honest``, ``open``, ``hidden``, and ``cheating``.
    """
    frames = []
    for key, run in runs.items():
        frame = pd.DataFrame({kind: run.metrics[f"mass/{kind}"] for kind in KINDS})
        done = 100 * run.metrics.step / run.experiment.steps
        frames.append(frame.assign(**key._asdict(), done=done))
    table = pd.concat(frames, ignore_index=True)
    return table.assign(cheating=table.open + table.hidden)
