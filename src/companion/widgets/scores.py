"""The explorer of "Your own scores": paste a grader's scores, read where they tie."""

import csv
from io import StringIO

import anywidget
import traitlets

from companion.theory.scores import LINES, PROMPT_HEADINGS, ScoreReport, score_report
from companion.widgets.source import browser_code

EXAMPLE = """\
prompt,answer,score
What is 17 + 25?,42,1
What is 17 + 25?,42.,1
What is 17 + 25?,forty-two,1
What is 17 + 25?,43,0
Capital of France?,Paris,1
Capital of France?,"Paris, in France",1
Capital of France?,Lyon,0
Capital of France?,I do not know,0
Is 91 prime?,"No, it is 7 × 13",1
Is 91 prime?,Yes,0
Is 91 prime?,Yes,0
Is 91 prime?,"Yes, it is odd",0
A rhyme with moon,soon,0.82
A rhyme with moon,June,0.815
A rhyme with moon,spoon,0.79
A rhyme with moon,sun,0.3
A note of thanks,Thank you so much!,0.9
A note of thanks,Thanks,0.7
A note of thanks,Cheers,0.6
A note of thanks,Much obliged,0.65
Sort 3 1 2 backward,1 2 3,0
Sort 3 1 2 backward,2 1 3,0
Sort 3 1 2 backward,3 1 2,0
Sort 3 1 2 backward,1 3 2,0
"""


class ScoresExplorer(anywidget.AnyWidget):
    """A table of scores to paste, four settings, and the report on it.

    ``scores.js`` computes what :func:`companion.theory.score_report` does; a test holds the two
    together. On a page of the book nothing that is pasted leaves the browser; in a live notebook
    it is sent to its own kernel, as every setting of a widget is.

    Attributes:
        text: CSV, or tab-separated; its first line names the columns: prompt, answer, then one
            for each score.
        epsilon: how wrong a score may be, at least 0.
        beta: weight of the KL divergence, at least 0.
        tolerance: noise of the scores, at least 0.
        distance: how far the best policy may move, between 0 and 1.
        lines: what each line of the report says and rests on, by its name.
        headings: of the table of prompts.
    """

    _esm, _css = browser_code("scores")
    text = traitlets.Unicode(EXAMPLE).tag(sync=True)
    epsilon = traitlets.Float(0.01, min=0).tag(sync=True)
    beta = traitlets.Float(0.1, min=0).tag(sync=True)
    tolerance = traitlets.Float(0.01, min=0).tag(sync=True)
    distance = traitlets.Float(0.1, min=0, max=1).tag(sync=True)
    lines = traitlets.List([[key, *line] for key, line in LINES.items()]).tag(sync=True)
    headings = traitlets.List(list(PROMPT_HEADINGS)).tag(sync=True)

    def report(self) -> ScoreReport:
        """The report in Python, on what stands in ``text`` now.

        Raises:
            ValueError: as :func:`companion.theory.score_report` does, and for missing columns.
        """
        mark = "\t" if "\t" in self.text.partition("\n")[0] else ","
        table = csv.DictReader(StringIO(self.text, newline=""), delimiter=mark)
        names = list(table.fieldnames or ())
        rows = list(table)
        if missing := {"prompt", "answer"} - set(names):
            raise ValueError(f"text has no column {', '.join(sorted(missing))}")
        prompts, answers = ([row[name] for row in rows] for name in ("prompt", "answer"))
        scores = {
            name: [float(row[name]) for row in rows]
            for name in names
            if name not in ("prompt", "answer")
        }
        settings = {
            name: getattr(self, name) for name in ("epsilon", "beta", "tolerance", "distance")
        }
        return score_report(prompts, answers, scores, **settings)

    def without_scripts(self) -> str:
        """The report in Markdown, for a page whose browser runs no scripts."""
        return self.report()._repr_markdown_()
