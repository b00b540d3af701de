"""Chapter 7: several reward models act as one; what a slip in one, or in the mixture, does.

Model-1 is trained on three judges. Model-2 differs by a slip of the safety judge on boundary
requests, Model-3 is not trained on them; both as in the paper's §5.6. Distances are to Model-1 of
the same start and sampling seed, and stand beside the distance of Model-1 to itself under another
sampling seed.
"""

from collections.abc import Callable

from companion.studies.claims import Claim
from companion.studies.effective_measures import (
    beyond_floor,
    foreign_shift,
    lean,
    on_boundary_requests,
    on_boundary_sets,
    on_nine_sets,
    paper_scores,
    ratio,
    router_step,
    score_shift,
    under_bound,
)
from companion.studies.effective_models import CONDITIONS, EXPLORED, SAMPLED, floor_at
from companion.studies.study import Key, Study

NEW_START = 20  # of the live part; the record has others

STUDY = Study(
    "effective",
    chapter=7,
    page="b",
    question="How far does a slip in one reward model, or in the mixture, move the policy?",
    conditions=CONDITIONS,
    starts=range(10),
    repeats={name: 2 for name in SAMPLED if name != "Model-2, GRPO, β = 0.3"},
    own_starts={name: range(5) for name in ("Model-2, GRPO, β = 0.3", *EXPLORED)},
    splits=("train", "ood"),
)


def _paper_shift(model: str) -> Callable[[], float]:
    def number() -> float:
        table = paper_scores()
        return float((table[model] - table["Model-1"]).abs().mean())

    return number


CLAIMS = (
    Claim(
        "model-2-scores",
        "Model-2 shifts the nine held-out scores more than another sampling seed does.",
        score_shift,
        of="Model-2, GRPO, β = 0",
        against=floor_at(0.0),
        sign=+1,
        section="5.6",
        short="Model-2: nine scores",
        paper=_paper_shift("Model-2"),
        confirmatory=True,
    ),
    Claim(
        "model-2-tie",
        "The slip moves the policy further where acts tie than where one act is best.",
        on_boundary_requests,
        of="Model-2, exact, β = 0",
        against="Model-2, no tie, exact",
        sign=+1,
        section="5.6",
        short="Model-2: boundary requests",
        confirmatory=True,
    ),
    Claim(
        "model-3-scores",
        "Model-3 shifts the nine held-out scores more than another sampling seed does.",
        score_shift,
        of="Model-3, GRPO, β = 0",
        against=floor_at(0.0),
        sign=+1,
        section="5.6",
        short="Model-3: nine scores",
        paper=_paper_shift("Model-3"),
        confirmatory=True,
    ),
    Claim(
        "model-3-held",
        "With a divergence term Model-3 is further from Model-1, over the nine sets, than Model-1 "
        "from itself.",
        on_nine_sets,
        of="Model-3, GRPO, β = 0.3",
        against=floor_at(0.3),
        sign=+1,
        section="5.6",
        short="Model-3 under a divergence term",
        confirmatory=True,
    ),
    Claim(
        "model-2-boundary",
        "On held-out boundary requests Model-2 is further from Model-1 than Model-1 from itself.",
        on_boundary_sets,
        of="Model-2, GRPO, β = 0",
        against=floor_at(0.0),
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "model-2-where",
        "Model-2 leaves the noise floor further on boundary sets than on the other sets.",
        beyond_floor,
        of="Model-2, boundary sets",
        against="Model-2, other sets",
        sign=+1,
        confirmatory=True,
    ),
    Claim(
        "left-out",
        "Leaving the safety class out shifts scores of other classes more than leaving out its "
        "benign requests does.",
        foreign_shift,
        of="without safety, exact",
        against="clear prompts left out, exact, β = 0",
        sign=+1,
        section="5.5",
        short="class left out: other scores",
        confirmatory=True,
    ),
    Claim(
        "held-floor",
        "A divergence term brings Model-1 nearer to itself on boundary requests.",
        on_boundary_requests,
        of=floor_at(0.3),
        against=floor_at(0.0),
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "held-model-3",
        "A divergence term brings Model-3 nearer to Model-1 on boundary requests.",
        on_boundary_requests,
        of="Model-3, GRPO, β = 0.3",
        against="Model-3, GRPO, β = 0",
        sign=-1,
        confirmatory=True,
    ),
    Claim(
        "held-model-2",
        "A divergence term brings Model-2 nearer to Model-1 on boundary requests.",
        on_boundary_requests,
        of="Model-2, GRPO, β = 0.3",
        against="Model-2, GRPO, β = 0",
        sign=-1,
    ),
    Claim(
        "bound",
        "By the exact gradient Model-2 stays under the bound for its optimum.",
        under_bound,
        of="Model-2, exact, β = 0.3",
        against="bound",
        sign=-1,
    ),
    Claim(
        "ambiguous",
        "Leaving boundary requests out moves the policy on them further than leaving out as many "
        "clear ones does.",
        on_boundary_requests,
        of="Model-3, exact, β = 0",
        against="clear prompts left out, exact, β = 0",
        sign=+1,
    ),
    Claim(
        "ratio",
        "The ratio of the mixture moves held-out scores more than what each class earns.",
        ratio,
        of="held-out sets",
        against="own judges",
        sign=+1,
    ),
    Claim(
        "router-away",
        "Of two judges that disagree the one with far more weight decides.",
        lean,
        of="router 0.7, exact, β = 0",
        against="router 0.3, exact, β = 0",
        sign=+1,
    ),
    Claim(
        "router-near",
        "A divergence term makes a small step of the weight across one half move the policy less.",
        router_step,
        of="β = 0.1",
        against="β = 0",
        sign=-1,
    ),
)


def live_keys(start: int = NEW_START) -> list[Key]:
    """The runs that the chapter trains while it is built."""
    return [Key(f"{model}, exact, β = 0.3", start, 0) for model in ("Model-1", "Model-2")]
