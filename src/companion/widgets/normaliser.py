"""The explorer of chapter 11: where a trainer that divides advantages comes to rest."""

import anywidget
import traitlets

from companion.widgets.source import browser_code

ESTIMATORS = {
    "none": "nothing (Dr. GRPO)",
    "inside": "anything, the KL penalty with it (RLOO)",
    "group": "the group's deviation (GRPO)",
    "batch": "the batch's deviation",
    "each": "each reward's own deviation, then the sum",
    "decoupled": "each its own, then the batch's (GDPO)",
}


class NormaliserExplorer(anywidget.AnyWidget):
    """What is divided by, a bonus, a KL weight and a start; how far the policy moves.

    The answers to a prompt tie but for a bonus ε on one of them. Training follows the advantages
    that :func:`companion.theory.advantages` makes, less β ∇KL, to the rest point that
    :func:`companion.theory.settle` finds. ``normaliser.js`` solves the same equation in the
    log-odds of the favoured answer; a test holds the two together. How many tied answers there
    are enters through the favoured one's share alone.

    Attributes:
        estimator: what advantages are divided by, a key of ``ESTIMATORS``. A penalty that is
            divided with the reward (``inside``) rests where no division does.
        bonus: reward ε added to one answer, 0 to 1.
        beta: weight β of KL(π ‖ ρ), 0.01 to 4.
        share: ρ of the answer with the bonus, 0.02 to 0.98.
        hopeless: share of the batch's prompts that no answer passes, 0 to 0.9.
        estimators: (key, label) of what can be chosen.
    """

    _esm, _css = browser_code("normaliser")
    estimator = traitlets.Enum(list(ESTIMATORS), "group").tag(sync=True)
    bonus = traitlets.Float(0.001, min=0, max=1).tag(sync=True)
    beta = traitlets.Float(0.2, min=0.01, max=4).tag(sync=True)
    share = traitlets.Float(1 / 3, min=0.02, max=0.98).tag(sync=True)
    hopeless = traitlets.Float(0.0, min=0, max=0.9).tag(sync=True)
    estimators = traitlets.List([list(pair) for pair in ESTIMATORS.items()]).tag(sync=True)
