"""Learning curves that move while a sweep runs in a notebook.

The curves are read from the files that the runs write as they go, so that it does not matter which
process, or which machine of a cluster, a run trains on.
"""

import base64
import io
import json
import math
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from copy import copy
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.core.getipython import get_ipython
from IPython.display import DisplayHandle, display
from matplotlib.figure import Figure

from companion.figures.style import COLOURS, style
from companion.rlhf.experiment import Experiment

_PAUSE = 1.5  # seconds between two pictures, at least
_SHARE = 0.05  # of one core's time, at most, goes into drawing
_LINE_COLOURS = ("blue", "orange", "green", "purple", "sky", "amber")
_LABEL_GAP = 0.08  # between two labels, as a share of the axis
_AXES = (0.11, 0.16, 0.86, 0.75)  # left, bottom, width and height, with the labels' room

Points = list[tuple[int, float]]


class LiveCurves:
    """A picture of the runs of a sweep, drawn again while they train.

    ::

        with LiveCurves(plan, "mass/hidden", lambda e: e.trainer, root="runs"):
            records = sweep(plan, root="runs", progress=False)

    Each run is a thin line; runs of one name share a colour and a label at the end of their lines.
    Until the sweep is done the title says how far it is. The last picture holds nothing that
    changes from one execution to the next. Outside a notebook only that last one is drawn. An error
    in drawing ends the drawing, with a warning, and never the sweep.

    Args:
        experiments: those of the sweep.
        column: what to draw, a column of the records' ``metrics``.
        name: the name of an experiment's line.
        root: folder of the records, as the sweep has it.
        label: of the vertical axis; ``None`` makes one from ``column``.

    Attributes:
        figure: the picture.
    """

    def __init__(
        self,
        experiments: Iterable[Experiment],
        column: str,
        name: Callable[[Experiment], str],
        root: Path | str = "runs",
        label: str | None = None,
    ) -> None:
        self._runs = {e.id: e for e in experiments}
        self._names = {id: name(e) for id, e in self._runs.items()}
        self._column, self._root = column, Path(root)
        kind, _, behaviour = column.partition("/")
        self._label = label or (f"probability of {behaviour}" if kind == "mass" else column)
        self._points: dict[str, Points] = {}
        self._rate = _Rate()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._handle: DisplayHandle | None = None
        self._bounded = kind == "mass"
        self._draw_empty()

    def __enter__(self) -> "LiveCurves":
        """Show the picture and keep it up to date, if this is a notebook."""
        if hasattr(get_ipython(), "kernel"):
            self._handle = display(self._picture(), raw=True, display_id=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw the last picture."""
        self._done.set()
        if self._handle is not None:
            self._thread.join()
        self._try(self._draw_last)

    @property
    def data(self) -> pd.DataFrame:
        """The points drawn: columns ``run``, ``name``, ``step``, ``value``."""
        rows = [(id, self._names[id], *p) for id in self._runs for p in self._points.get(id, [])]
        return pd.DataFrame(rows, columns=["run", "name", "step", "value"])

    @property
    def label(self) -> str:
        """Of the vertical axis, in one line."""
        return " ".join(self._label.split())

    @property
    def alt(self) -> str:
        """What the picture shows, in words."""
        ends = self.data.groupby("run", sort=False).last().groupby("name", sort=False).value
        groups = [f"{name}: {_range(values)}." for name, values in ends]
        label = self.label[:1].upper() + self.label[1:]
        return " ".join([f"{label} over the steps of training, one line a run.", *groups])

    def drawn(self) -> Figure:
        """The picture anew, in the style of the moment; the one that is shown stays as it is."""
        again = copy(self)
        again._handle = None
        again._draw_empty()
        again._redraw("")
        return again.figure

    def show(self, other: object) -> None:
        """Put something else into the picture's place, such as the figure saved by the kit."""
        if self._handle is not None:
            self._handle.update(other)

    def _draw_empty(self) -> None:
        """Axes of their final size, with a line for every run and a label for every name."""
        steps = max((e.steps for e in self._runs.values()), default=0)
        names = list(dict.fromkeys(self._names.values()))
        with style():
            self.figure = Figure(figsize=(10, 5))
            self.figure.set_layout_engine("none")  # so that nothing jumps from picture to picture
            self._axes = self.figure.add_axes(_AXES)
            self._axes.set(xlabel="step of training", ylabel=self._label, xlim=(0, max(1, steps)))
            if self._bounded:
                self._axes.set_ylim(-0.02, 1.02)
            colours = {
                name: COLOURS[_LINE_COLOURS[i % len(_LINE_COLOURS)]] for i, name in enumerate(names)
            }
            self._lines = {
                id: self._axes.plot([], [], color=colours[name], lw=1.4, clip_on=False)[0]
                for id, name in self._names.items()
            }
            beside = self._axes.get_yaxis_transform()
            self._labels = {
                name: self._axes.text(
                    1.02, 0, name, color=colour, transform=beside, va="center", weight="bold"
                )
                for name, colour in colours.items()
            }
            widths = [label.get_window_extent().width for label in self._labels.values()]
            room = max(widths, default=0) / self.figure.bbox.width
            left, bottom, width, height = _AXES
            self._axes.set_position((left, bottom, max(0.3, width - room), height))
            for label in self._labels.values():
                label.set_text("")  # until there is a line for it
            self._title = self._axes.set_title("waiting for the first run")

    def _follow(self) -> None:
        pause = _PAUSE
        while not self._done.wait(pause):
            began = time.thread_time()
            if not self._try(self._draw_next):
                return
            pause = max(_PAUSE, (time.thread_time() - began) / _SHARE)

    def _try(self, draw: Callable[[], None]) -> bool:
        try:
            draw()
        except Exception as error:
            warnings.warn(f"live curves: {type(error).__name__}: {error}", stacklevel=2)
            return False
        return True

    def _draw_next(self) -> None:
        if self._read():
            self._redraw(self._progress())

    def _draw_last(self) -> None:
        self._read()
        self._redraw("")
        if self._runs and not self._points:
            raise LookupError(f"no {self._column!r} in the metrics of any run")

    def _redraw(self, title: str) -> None:
        for id, points in self._points.items():
            self._lines[id].set_data(*zip(*points, strict=True))
        if self._axes.get_autoscaley_on():
            self._axes.relim()
            self._axes.autoscale_view(scalex=False)
        ends: dict[str, list[float]] = {}
        for id, points in self._points.items():
            ends.setdefault(self._names[id], []).append(points[-1][1])
        low, high = self._axes.get_ylim()
        wished = [sum(values) / len(values) for values in ends.values()]
        for name, y in zip(ends, spread(wished, _LABEL_GAP * (high - low), high), strict=True):
            self._labels[name].set(text=name, y=y)
        self._title.set_text(title)
        if self._handle is not None:
            self._handle.update(self._picture(), raw=True)

    def _picture(self) -> dict[str, str]:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
        return {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": self.alt}

    def _read(self) -> bool:
        """Take in what the runs have written; whether anything is new."""
        before = dict(self._points)
        for id, experiment in self._runs.items():
            old = self._points.get(id, [])
            if not old or old[-1][0] < experiment.steps:
                self._points[id] = read_points(self._root / id, self._column) or old
        self._points = {id: points for id, points in self._points.items() if points}
        return self._points != before

    def _progress(self) -> str:
        """How many runs are done, and how long the others may take."""
        steps = {id: points[-1][0] for id, points in self._points.items()}
        done = sum(steps.get(id, 0) >= e.steps for id, e in self._runs.items())
        total = sum(e.steps for e in self._runs.values())
        left = self._rate.seconds_left(sum(steps.values()), total)
        return f"{done} of {len(self._runs)} runs done" + (f", {left:.0f} s left" if left else "")


class _Rate:
    """Time left, from what was done since the first question."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None

    def seconds_left(self, done: int, total: int) -> float | None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, done
        began, before = self._first
        return (now - began) * (total - done) / (done - before) if done > before else None


def read_points(record: Path, column: str) -> Points:
    """Steps and values of a run's metrics so far, finished or not; a half-written line waits."""
    for folder in (record, record.with_name(f"{record.name}.part")):
        try:
            text = (folder / "metrics.jsonl").read_text()
        except OSError:
            continue
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [(m["step"], m[column]) for m in lines if math.isfinite(m.get(column, math.nan))]
    return []


def _range(ends: pd.Series) -> str:
    if len(ends) == 1:
        return f"one run, ending at {ends.iloc[0]:.2f}"
    return f"{len(ends)} runs, ending between {ends.min():.2f} and {ends.max():.2f}"


def spread(wished: list[float], gap: float, highest: float) -> list[float]:
    """Places near the wished ones, in their order, ``gap`` apart and none above ``highest``."""
    places = np.array(wished, dtype=float)
    order = np.argsort(places, kind="stable")
    for below, above in pairwise(order):
        places[above] = max(places[above], places[below] + gap)
    limit = highest
    for i in order[::-1]:
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    return places.tolist()
