"""The explorer of chapter 4's recorded runs: what a policy did, step by step."""

from typing import Any

import anywidget
import traitlets

from companion.widgets.source import browser_code


class RunsExplorer(anywidget.AnyWidget):
    """Choose a run and a supervised start, and slide through the steps of training.

    Nothing is computed but sums: ``record`` holds what the runs measured, shares in whole
    thousandths, so that many runs are few bytes::

        prompt      what the policy was asked for the texts below
        behaviours  (key, name) of each
        starts      supervised starts, of every run
        steps       at which the behaviours were measured, of every run
        texts       (text, key of its behaviour)
        runs        by condition: paid    key of the behaviour with the bonus, or ""
                                  shares  [start][behaviour][step]
                                  texts   [start] -> (number of the text, before, after)

    Attributes:
        record: of the runs.
        condition: which run.
        start: which supervised start.
        step: of training.
    """

    _esm, _css = browser_code("runs")
    record = traitlets.Dict().tag(sync=True)
    condition = traitlets.Unicode().tag(sync=True)
    start = traitlets.Int().tag(sync=True)
    step = traitlets.Int().tag(sync=True)

    @traitlets.validate("condition", "start", "step")
    def _recorded(self, proposal: Any) -> Any:
        """Only what the record holds."""
        name = proposal["trait"].name
        known = self.record[{"condition": "runs", "start": "starts", "step": "steps"}[name]]
        if proposal["value"] not in known:
            raise traitlets.TraitError(f"{name}: {proposal['value']!r} is not in the record")
        return proposal["value"]
