"""What to do in practice: for a reward, a trainer and a β, what may move and what to change.

Numbers come from the results' own functions, what was measured from one claim of a study a line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from companion.contents import link, pages
from companion.results import (
    catalogue,
    prop_2_10,
    sharp_1_stability_radius,
    sharp_3_margins,
    sharp_6_kl_sequence,
    sharp_7_cliff_width,
    sharp_12_advantage_normalisation,
    sharp_15_learned_weights,
)
from companion.studies.claims import Verdict, judge
from companion.studies.gate import EPSILONS
from companion.studies.registry import module_of
from companion.studies.store import has_record
from companion.theory import collapse_threshold

CENTRED, SCALED, ANY = "centred", "divided by the deviation", "of any kind"
_TIES, _BETA = 4, 0.1  # of the worked numbers


@dataclass(frozen=True)
class Advice:
    """A line of the table.

    Attributes:
        reward: that one trains on.
        normaliser: what the trainer does to advantages: ``CENTRED``, ``SCALED`` or ``ANY``.
        beta: weight of the divergence from the start.
        moves: what may move.
        change: what to do about it.
        results: names of the results it rests on.
        study, claim: what was measured on it.
    """

    reward: str
    normaliser: str
    beta: str
    moves: str
    change: str
    results: tuple[str, ...]
    study: str
    claim: str


def advice() -> list[Advice]:
    """All lines, from the plain tie to the things that look like remedies."""
    return [*_ties(), _clear_winner(), *_graders(), *_remedies()]


def _ties() -> list[Advice]:
    ties = "0 or 1 for the outcome; any reward with ties"
    jumps = ", ".join(f"{prop_2_10.jump(m):.2f} for {m}" for m in (2, 4, 8))
    slope = ", ".join(
        f"{sharp_7_cliff_width.move(ratio, _TIES):.2f} at ε/β = {ratio:g}" for ratio in (0.1, 1, 10)
    )
    threshold = ", ".join(f"{collapse_threshold(m):.2f} for {m}" for m in (2, 4, 8))
    beta, epsilon = 1.0, 0.001
    scaled = sharp_12_advantage_normalisation.rest_point(epsilon, beta, _TIES) - 1 / _TIES
    plain = sharp_7_cliff_width.move(epsilon / beta, _TIES)
    worst = sharp_6_kl_sequence.bound(2 * _BETA, _BETA)
    return [
        Advice(
            ties,
            ANY,
            "0",
            "Everything among the tied answers. Any trifle that tells them apart decides, and the "
            f"fair best policy jumps by (m − 1)/m: {jumps} tied answers.",
            "Count your ties: sample, score, and look at groups with one score. Then break them "
            "yourself, or set β above 0.",
            ("prop_2_9", "prop_2_10"),
            "cliff",
            "large-bonus",
        ),
        Advice(
            ties,
            CENTRED,
            "above 0",
            f"A little. A bonus ε for one of {_TIES} equally likely ties moves the best policy by "
            f"{slope}. Errors of up to ±β move it by {float(worst):.2f} at most, ties or not.",
            "Choose β large against the errors that you do not want followed. It costs at most "
            "β log(1/p) of reward, p being what the start gives the best answers.",
            ("sharp_6_kl_sequence", "sharp_7_cliff_width"),
            "entropy",
            "warmth",
        ),
        Advice(
            ties,
            SCALED,
            "above 0",
            "All of it again. Where only a bonus ε tells the answers of a group apart, dividing "
            f"by its deviation makes it large: {_TIES} ties at ε = {epsilon:g} and β = {beta:g} "
            f"come to rest {scaled:.2f} away, undivided {plain:.4f}. Below a threshold of β "
            f"({threshold} ties) there is no rest before one answer has all. In a group of right "
            "and wrong answers the bonus is divided by about their deviation, and stays small.",
            'Do not divide: `scale_rewards="none"` in TRL, whose default is `"group"`.',
            ("sharp_12_advantage_normalisation", "sharp_13_collapse"),
            "normaliser",
            "alone",
        ),
        Advice(
            ties,
            CENTRED,
            "0",
            "The shares of tied answers, by sampling alone: their log-odds spread in proportion "
            "to the learning rate over the batch, and whichever is ahead gains.",
            "A smaller step and a larger batch hold a tie alike; a penalty holds it for good.",
            ("sharp_14_noise",),
            "noise",
            "held-0.2",
        ),
    ]


def _clear_winner() -> Advice:
    gap, noise, risk, completions = 0.1, 0.5, 0.05, 8
    radius = sharp_1_stability_radius.terminal_radius(gap)
    labels = sharp_3_margins.labels(gap, noise, completions, risk)
    return Advice(
        "one best answer, by a lead Δ over the next",
        ANY,
        "0",
        "Nothing, while no reward of a finished answer is wrong by Δ/2 or more: "
        f"{radius:g} for a lead of {gap:g}. Rewards for single tokens add up along the answer.",
        "List the leads of your prompts and spend labels on the smallest: to keep the best of "
        f"{completions} answers with that lead, at a label noise of {noise:g} and a risk of "
        f"{risk:.0%}, take {labels:,.0f} labels an answer.",
        ("sharp_1_stability_radius", "sharp_3_margins"),
        "radius",
        "still",
    )


def _graders() -> list[Advice]:
    comparisons = 1000
    chance = 2 / comparisons**0.5
    least = float(sharp_15_learned_weights.threshold(2.0))
    return [
        Advice(
            "a grader that can be passed without doing the task",
            SCALED,
            "0",
            "Honest work, where it fails more often than the trick. The grade cannot show it.",
            "Pay a little of what the grader misses. It need not be much, but it must tell the "
            "trick from the work.",
            ("prop_3_1",),
            "graders",
            "weak",
        ),
        Advice(
            "a grade, and a penalty for thoughts that a monitor flags",
            SCALED,
            "0",
            "The tampering that is admitted. Hiding it and honest work stay tied.",
            "Pay for the deed besides. A monitor that is trained against only breaks a tie.",
            ("prop_3_1", "prop_3_2"),
            "pressure",
            "candid-caught",
        ),
        Advice(
            "right answers alone, where instructions were given too",
            SCALED,
            "0",
            "Obedience: by a price where answers that obey are right less often, by drift where "
            "they are not.",
            "Pay a tenth for obeying, or hold the policy near its start.",
            ("prop_3_1", "prop_3_2"),
            "obedience",
            "remedy",
        ),
        Advice(
            "a reward model learned from preferences",
            ANY,
            "0 or small",
            "Whatever it nearly ties, a right answer and a persuasive wrong one among them. "
            f"Chance alone leaves a lead of about {chance:.2f} after {comparisons:,} comparisons "
            "of two equal answers.",
            "Look at what it ties before you train on it: score pairs of right and wrong answers "
            "for each kind of request, and collect labels without the bias where they tie.",
            ("prop_2_10", "prop_3_1"),
            "sophistry",
            "truth-control, train",
        ),
        Advice(
            "several judges, routed or weighted",
            CENTRED,
            "0, or above",
            "Requests on which the judges disagree and their weights balance. A slip of one judge "
            "is enough, at any weight; with a temperature it counts times the weight.",
            "Find the requests near the balance. Set β above 0, or decide them by a rule.",
            ("prop_4_6", "sharp_4_one_reward"),
            "effective",
            "held-model-2",
        ),
        Advice(
            "several judges, whose weights are learned along with the policy",
            CENTRED,
            "above 0",
            "All of it again, if the gate gives weight to what pays: policy and gate jump together "
            "while the product of their temperatures is below D²/16. D is how much the judges "
            f"disagree; two that pay 1 for an answer of their own need {least:g}.",
            "Give the weights an entropy or a floor. A gate that supports what is neglected needs "
            "neither.",
            ("sharp_15_learned_weights",),
            "gate",
            f"reopened-{EPSILONS[-1]:g}",
        ),
    ]


def _remedies() -> list[Advice]:
    alpha = 0.001
    return [
        Advice(
            "a length penalty α for each token off the target",
            SCALED,
            "0, or above",
            "Length goes to the target. Undivided, a gentle penalty with a temperature leaves a "
            f"mean error of about β/α tokens: {_BETA / alpha:.0f} at β = {_BETA:g} and "
            f"α = {alpha:g}. From 1/α = {1 / alpha:,.0f} tokens on a right answer is worth "
            "nothing.",
            "Choose α from these two numbers. It chooses among ties and does not hold the policy: "
            "a change of half the bonus undoes it.",
            ("prop_3_2",),
            "length",
            "largest-alpha",
        ),
        Advice(
            "any, with an entropy bonus for each token",
            CENTRED,
            "0",
            "Less than without it. Too large a bonus is worth more than the task.",
            "Prefer the divergence from a start, which remembers what an answer looks like.",
            ("prop_4_7", "lemma_c_2"),
            "entropy",
            "entropy",
        ),
    ]


def table(rows: Sequence[Advice]) -> pd.DataFrame:
    """The table as a page shows it, numbered; three columns, so that it can be read on a phone."""
    return pd.DataFrame(
        {
            "your reward, your trainer, your β": f"**{number}.** {row.reward}; advantages "
            f"*{row.normaliser}*; β *{row.beta}*",
            "what may move": row.moves,
            "what to change": row.change,
        }
        for number, row in enumerate(rows, start=1)
    )


def grounds(rows: Sequence[Advice]) -> str:
    """For each line its theorems, and what its study measured, as a Markdown list."""
    known = {row["name"]: row for row in catalogue()}
    names = dict.fromkeys(row.study for row in rows)
    verdicts = {name: _judged(name) for name in names}
    return "\n".join(
        f"{number}. {', '.join(_result(known[name]) for name in row.results)}. "
        f"{_measured(row, verdicts[row.study])}"
        for number, row in enumerate(rows, start=1)
    )


def _result(row: Mapping[str, object]) -> str:
    """The number of a result, leading to its chapter; one that is not written has its proof in
    the map of results.
    """
    page = pages().get(str(row["chapter"]), "results_map")
    return f"[{row['item']}]({page}) (*{row['title']}*)"


def _judged(study: str) -> dict[str, Verdict]:
    return {v.claim.id: v for v in judge(study)} if has_record(study) else {}


def _measured(row: Advice, verdicts: Mapping[str, Verdict]) -> str:
    module = module_of(row.study)
    (claim,) = [c for c in module.CLAIMS if c.id == row.claim]
    study = module.STUDY
    written = f"{study.chapter}{study.page}" in pages()
    where = f", chapter {link(study.chapter, study.page)}" if written else ""
    verdict = verdicts.get(row.claim)
    found = (
        f"{verdict.ours:.2f} against {verdict.control:.2f} in the control, {verdict.words} "
        f"({verdict.standing})"
        if verdict
        else "no runs recorded yet"
    )
    text = claim.text.rstrip(".")
    return f"Measured: “{text}”: {found} (study `{row.study}`{where})."
