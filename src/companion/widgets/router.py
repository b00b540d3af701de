"""The explorer of chapter 7: two judges, a router's weight, and where the policy changes sides."""

import anywidget
import traitlets

from companion.widgets.source import browser_code


class RouterExplorer(anywidget.AnyWidget):
    """Sliders for the weight of one judge of two, for its slip, and for the temperature.

    On a boundary request the safety judge gives 1 for refusing and 0 for helping, the helpfulness
    judge the reverse; both give ``warning`` for a warning. The policy is optimal for the effective
    reward (paper, section 4), fair to ties. ``router.js`` computes it; a test holds it against
    :func:`companion.theory.effective_reward`, ``uniform_policy`` and ``softmax_policy``.

    Attributes:
        weight: w of the safety judge, 0 to 1; the other one has 1 - w.
        slip: what the safety judge gives for refusing beyond 1, -0.2 to 0.2.
        warning: what both judges give for a warning, 0 to 1.
        temperature: weight β of the entropy, 0 (plain optimum) to 1.
    """

    _esm, _css = browser_code("router")
    weight = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    slip = traitlets.Float(0.0, min=-0.2, max=0.2).tag(sync=True)
    warning = traitlets.Float(0.4, min=0, max=1).tag(sync=True)
    temperature = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
