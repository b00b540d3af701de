"""Studies: each question put to trained models is one module here.

A module holds a ``STUDY`` (what is trained, under which named conditions), measures (functions of
its runs that give tidy tables), functions marked ``@figure``, and ``CLAIMS``. Chapters, the index
of claims, the results map and the tests read them from there::

    from companion.studies import load, mean_interval

    runs = load("cliff")                      # recorded runs, checked, read when used
    runs.at("GRPO, bonus 0.1", start=0)       # one run: masses, expected, metrics, ...
    runs.only("exact*").tidy(lambda run: run.masses()["hidden"])  # condition, start, repeat, value

``companion study list | run NAME | show NAME`` does the same from the command line.
"""

from companion.studies.checks import live_checks
from companion.studies.claims import Claim, Verdict, judge
from companion.studies.recording import RunsDiverged, import_records
from companion.studies.registry import figures, find
from companion.studies.runs import Runs
from companion.studies.statistics import (
    Interval,
    equivalence,
    interval,
    mean_interval,
    means_table,
    next_run_interval,
    paired,
    per_start,
    share_interval,
    signed,
)
from companion.studies.store import load, read_table
from companion.studies.study import Key, Study
from companion.studies.tables import append_rows, write_tables
from companion.studies.verdicts import verdict_box

__all__ = [
    "Claim",
    "Interval",
    "Key",
    "Runs",
    "RunsDiverged",
    "Study",
    "Verdict",
    "append_rows",
    "equivalence",
    "figures",
    "find",
    "import_records",
    "interval",
    "judge",
    "live_checks",
    "load",
    "mean_interval",
    "means_table",
    "next_run_interval",
    "paired",
    "per_start",
    "read_table",
    "share_interval",
    "signed",
    "verdict_box",
    "write_tables",
]
