"""The explorer of chapter 4: how far the policy jumps when one of m tied answers gets a bonus."""

import anywidget
import traitlets

from companion.widgets.source import browser_code


class CliffExplorer(anywidget.AnyWidget):
    """Sliders for the number of tied answers, the bonus and the temperature.

    The drawing and the arithmetic (fact 7 of this book: the exact width of the cliff) live
    in ``cliff.js``; a test holds them against :func:`companion.theory.softmax_policy`.

    Attributes:
        answers: number of tied answers m, 2 to 10.
        bonus: reward ε added to the first answer, 0 to 1.
        temperature: weight β of the entropy, 0 (plain optimum) to 1.
    """

    _esm, _css = browser_code("cliff")
    answers = traitlets.Int(4, min=2, max=10).tag(sync=True)
    bonus = traitlets.Float(0.001, min=0, max=1).tag(sync=True)
    temperature = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
