"""The explorer of chapter 4: what a bonus for one of m tied answers does to value and policy."""

import anywidget
import traitlets

from companion.widgets.source import browser_code


class CliffExplorer(anywidget.AnyWidget):
    """Sliders for the number of tied answers, the bonus and the temperature.

    At each bonus it shows the share of the first answer and the value, both of the policy that is
    optimal with the entropy: the value is its expected reward, less that of the tie. What this
    falls short of the best expected reward is the price of the temperature. Drawing and arithmetic
    (fact 7 of this book: the exact width of the cliff) live in ``cliff.js``; a test holds them
    against :func:`companion.theory.softmax_policy`.

    Attributes:
        answers: number of tied answers m, 2 to 10.
        bonus: reward ε added to the first answer, -1 to 1; a negative one is taken away.
        temperature: weight β of the entropy, 0 (plain optimum) to 1.
    """

    _esm, _css = browser_code("cliff")
    answers = traitlets.Int(4, min=2, max=10).tag(sync=True)
    bonus = traitlets.Float(0.001, min=-1, max=1).tag(sync=True)
    temperature = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
