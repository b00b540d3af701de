"""Chapter 5: the same extra reward in two directions, on thoughts and on deeds, exact gradient."""

import matplotlib.pyplot as plt
import pandas as pd

from companion.figures import COLOURS, Drawing, figure, style
from companion.rlhf.records import Run, policy_distance
from companion.studies.claims import Claim
from companion.studies.graders import KINDS, condition, gained, masses
from companion.studies.runs import Runs
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


@figure("slacker-phases", rests_on=("prop_3_1",), family="deceptive")
def where_it_ends(recorded: Runs) -> Drawing:
    """The behaviour that wins under each pair of weights."""
    table = masses(recorded)
    shares = table.groupby("condition")[list(KINDS)].mean()
    colours = dict(zip(KINDS, ("blue", "orange", "purple"), strict=True))
    with style():
        fig, ax = plt.subplots(figsize=(8.2, 5.6))
        for x, thoughts in enumerate(WEIGHTS):
            for y, deeds in enumerate(WEIGHTS):
                found = shares.loc[name(thoughts, deeds)]
                most, share = found.idxmax(), found.max()
                colour = {"color": COLOURS[colours[most]], "alpha": 0.15 + 0.6 * share, "lw": 0}
                ax.add_patch(plt.Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, **colour))
                ax.text(x, y, f"{most}\n{share:.2f}", ha="center", va="center")
        ticks = range(len(WEIGHTS)), [f"{weight:g}" for weight in WEIGHTS]
        ax.set_xticks(*ticks)
        ax.set_yticks(*ticks)
        ax.grid(False)
        ax.set(
            xlim=(-0.5, len(WEIGHTS) - 0.5),
            ylim=(-0.5, len(WEIGHTS) - 0.5),
            xlabel="weight on thoughts (λ, monitor)",
            ylabel="weight on deeds (μ, strong grader)",
            title="Where the policy ends",
        )
        plt.close(fig)
    unwatched = table[table.condition == name(0.0, 0.0)].cheating
    cells = [f"{where}: {row.idxmax()} {row.max():.2f}." for where, row in shares.iterrows()]
    return Drawing(
        fig,
        title="Watching thoughts and watching deeds",
        caption="The most frequent behaviour at the end of training and its share, mean over "
        "struggling starts, exact gradient. Watched by neither, the starts end with a share of "
        f"cheating between {unwatched.min():.3f} and {unwatched.max():.3f}.",
        alt="A grid of weights on thoughts and weights on deeds; each cell names the behaviour "
        "that wins, with its share. " + " ".join(cells),
        data=table,
    )
