"""Chapter 5: the same extra reward in two directions, on thoughts and on deeds, exact gradient."""

import pandas as pd

from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.graders import condition, gained, masses
from companion.studies.store import Runs
from companion.studies.study import Study

SMALL, LARGE = 0.1, 1.0
WEIGHTS = (0.0, SMALL, LARGE)
TURNED, SCALED = "turned", "scaled"


def name(thoughts: float, deeds: float) -> str:
    """The condition that pays the two weights."""
    return f"thoughts {thoughts:g}, deeds {deeds:g}"


STUDY = Study(
    "phases",
    chapter=5,
    question="Does it matter more which way an extra reward points, or how large it is?",
    conditions={
        name(thoughts, deeds): condition(
            "struggling",
            {"weak": 1.0, "monitor": thoughts, "strong": deeds},
            trainer="exact",
            eval_every=10,
        )
        for thoughts in WEIGHTS
        for deeds in WEIGHTS
    },
    # An earlier record of starts 0 to 4 was seen before the claims below were written; they are
    # judged on runs that are all made anew, as in ``graders``.
    starts=range(10),
    # Both terms at once: drawn, and in no confirmatory claim.
    own_starts={
        name(thoughts, deeds): range(5) for thoughts in (SMALL, LARGE) for deeds in (SMALL, LARGE)
    },
)


def moved(runs: Runs) -> pd.DataFrame:
    """What turning a reward change moves a policy by, and what scaling it does.

    Total variation on the training prompts. ``turned``: between a weight on thoughts and the same
    weight on deeds, averaged over the two sizes. ``scaled``: between the small and the large weight
    of one kind, averaged over the two kinds. Nothing is sampled, so that no noise adds to either.

    Returns:
        Tidy; conditions ``turned`` and ``scaled``.
    """
    thoughts = {size: name(size, 0.0) for size in (SMALL, LARGE)}
    deeds = {size: name(0.0, size) for size in (SMALL, LARGE)}
    pairs = {
        TURNED: ((thoughts[SMALL], deeds[SMALL]), (thoughts[LARGE], deeds[LARGE])),
        SCALED: ((thoughts[SMALL], thoughts[LARGE]), (deeds[SMALL], deeds[LARGE])),
    }
    rows = [
        {"condition": what, "start": start, "repeat": 0, "value": _apart(runs.at(a, start), run)}
        for what, compared in pairs.items()
        for a, b in compared
        for (_, start, _), run in runs.only(b).items()
    ]
    return pd.DataFrame(rows).groupby(["condition", "start", "repeat"], as_index=False).mean()


def _apart(a: Run, b: Run) -> float:
    return policy_distance(a, b).lower


def honest(runs: Runs) -> pd.DataFrame:
    """Probability of solving honestly after training. Tidy."""
    return masses(runs).rename(columns={"honest": "value"})


more_cheating = gained("open", "hidden")

CLAIMS = (
    Claim(
        "direction",
        "The direction of a reward change matters more than its size (distance between policies "
        "when it is turned, against when it is made ten times larger).",
        moved,
        of=TURNED,
        against=SCALED,
        sign=+1,
        section="5.1.2",
        short="direction against size",
        confirmatory=True,
    ),
    Claim(
        "small-deeds",
        "A small weight on deeds leaves more honest work than the same weight on thoughts.",
        honest,
        of=name(0.0, SMALL),
        against=name(SMALL, 0.0),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "large-deeds",
        "A large weight on deeds leaves more honest work than the same weight on thoughts.",
        honest,
        of=name(0.0, LARGE),
        against=name(LARGE, 0.0),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "no-noise",
        "Without sampling noise cheating grows under the weak grader alone, more than with a small "
        "weight on deeds.",
        more_cheating,
        of=name(0.0, 0.0),
        against=name(0.0, SMALL),
        sign=+1,
        confirmatory=True,
    ),
)
