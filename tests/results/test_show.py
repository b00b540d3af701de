"""What a page says of checks and counterexamples: how many, what is wrong, the rest folded away."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from companion.results import show
from companion.results.base import BY_DEFINITION, Check, Counterexample, Derivation, Step

GOOD = Check("a bound", "<=", np.array([0.5, 1.0]), np.array([1.0, 2.0]))
BAD = replace(GOOD, name="a wrong bound", measured=np.array([0.5, 3.0]))
NEEDED = Counterexample("a tie", "One is the best.", {"lead": 0.25}, fails=True)
IDLE = replace(NEEDED, dropped="a full moon", fails=False)


def parts(markdown):
    """What a page shows at once, the title of the fold, and what is folded."""
    seen, _, rest = markdown.data.partition('<details class="folded">\n<summary>')
    title, _, folded = rest.partition("</summary>\n\n")
    folded, end, after = folded.partition("\n\n</details>")
    assert end
    assert not after
    return seen.rstrip(), title, folded


def test_checks_are_counted_and_folded():
    seen, title, folded = parts(show.verdicts(*[GOOD] * 600))
    assert seen == "All 600 checks hold, over 1,200 cases."
    assert title == "Each check with its tightest case"
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in folded.splitlines()]
    assert rows[2:] == [["a bound", "at most the claim", "2", "0.5", "yes"]] * 600


def test_few_checks():
    assert parts(show.verdicts(GOOD))[:2] == (
        "The check holds, over 2 cases.",
        "The check with its tightest case",
    )
    assert parts(show.verdicts(GOOD, GOOD))[0] == "Both checks hold, over 4 cases."


def test_a_check_that_does_not_hold_is_named_at_once():
    seen, _, folded = parts(show.verdicts(GOOD, BAD, GOOD))
    assert seen == "Of 3 checks 1 does **not** hold: a wrong bound."
    assert folded.count("| **no**") == 1
    two = parts(show.verdicts(GOOD, BAD, BAD))[0]
    assert two == "Of 3 checks 2 do **not** hold: a wrong bound; a wrong bound."
    assert parts(show.verdicts(BAD))[0] == "The check does **not** hold: a wrong bound."


def test_a_claim_of_nothing_has_no_ratio():
    nothing = replace(GOOD, relation="==", measured=np.zeros(2), claimed=np.zeros(2))
    assert parts(show.verdicts(nothing))[2].endswith("\n\nA claim of 0 has no ratio.")
    assert "no ratio" not in show.verdicts(GOOD).data


def test_hypotheses_dropped_are_counted_and_folded():
    seen, _, folded = parts(show.all_dropped(NEEDED, NEEDED))
    assert seen == (
        "2 hypotheses were dropped, one at a time, and each time the claim fails, as it should."
    )
    assert folded.split("\n\n") == [show.dropped(NEEDED).data] * 2


def test_a_hypothesis_that_was_not_needed_is_named_at_once():
    assert parts(show.all_dropped(NEEDED, IDLE))[0] == (
        "2 hypotheses were dropped, one at a time, but the claim **still holds** without: "
        "a full moon."
    )
    assert "**the claim still holds**" in show.dropped(IDLE).data


def test_a_derivation_is_folded_under_the_number_of_its_steps():
    steps = Derivation((Step("It begins.", "a", BY_DEFINITION), Step("It ends.", "b")), "all")
    seen, title, folded = parts(show.derivation(SimpleNamespace(symbolic=lambda: steps)))
    assert (seen, title) == ("", "The derivation, in 2 steps")
    assert folded == steps._repr_markdown_()
