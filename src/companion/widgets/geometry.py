"""The explorer of chapter 10: a reward is a direction, a policy a point of a polygon."""

import anywidget
import traitlets

from companion.widgets.source import browser_code


class GeometryExplorer(anywidget.AnyWidget):
    """Turn the reward, by its arrow or a slider, and set the temperature; the policy moves.

    Both problems have a plane of rewards, once directions that change no policy are left out.
    ``arms``: three arms; the corners stand at 90, 210 and 330 degrees, and arm i earns the cosine
    of the angle between the reward and its corner. ``states``: two states, each first with
    probability 1/2; *stay* earns 0, *go* leads to the other state and earns the reward's first
    coordinate in state 1, its second in state 2. The polygon's coordinates are the discounted
    numbers of times the policy goes in state 1 and in state 2, the occupancies of
    :func:`companion.theory.occupancy`. A test holds ``geometry.js`` against
    :mod:`companion.theory`.

    Attributes:
        problem: ``arms`` or ``states``.
        angle: direction of the reward in degrees, 0 to 360.
        temperature: weight of the entropy, 0 (plain optimum) to 1.
        discount: discount of the two-state problem, 0 to 0.9.
    """

    _esm, _css = browser_code("geometry")
    problem = traitlets.Enum(["arms", "states"], "arms").tag(sync=True)
    angle = traitlets.Int(60, min=0, max=360).tag(sync=True)
    temperature = traitlets.Float(0.0, min=0, max=1).tag(sync=True)
    discount = traitlets.Float(0.5, min=0, max=0.9).tag(sync=True)
