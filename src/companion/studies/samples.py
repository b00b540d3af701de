"""What a pretrained model writes: samples of its record for a page to show."""

from collections.abc import Mapping

from companion.rlhf.records import Run
from companion.studies.runs import Runs


def most_divided(runs: Runs, start: int, kind: str = "") -> str:
    """The held-out prompt for which a start's samples are most evenly spread over behaviours.

    Args:
        runs: of a study with a condition ``start``.
        start: number of the supervised start.
        kind: only prompts whose kind begins so.
    """
    drawn = runs.at("start", start).drawn("test", kind)
    counts = drawn.pivot_table(
        index="prompt", columns="label", values="count", aggfunc="sum", fill_value=0, sort=False
    )
    return str(counts.max(axis=1).idxmin())


def written(run: Run, prompt: str, most: int = 3) -> str:
    """What a policy wrote for a held-out prompt, as Markdown: one sample for each behaviour.

    Args:
        run: with samples for the prompt.
        prompt: of the test split.
        most: behaviours to show, the most frequent first; of each its most frequent text.
    """
    drawn = run.samples[run.samples["prompt"] == prompt]
    counts = drawn.groupby("label")["count"].sum().sort_values(ascending=False, kind="stable")
    language = "python" if run.experiment.task == "python" else "text"
    parts = []
    for label, count in counts.head(most).items():
        texts = drawn[drawn["label"] == label].sort_values("count", ascending=False, kind="stable")
        text = str(texts["completion"].iloc[0]).strip("\n").replace("~~~", "~ ~ ~")
        parts.append(f"*{label}*, {count} of {counts.sum()}:\n\n~~~{language}\n{text}\n~~~")
    return "\n\n".join(parts)


def side_by_side(runs: Runs, start: int, prompt: str, titles: Mapping[str, str]) -> str:
    """A prompt, and what the policies of several conditions wrote for it, as Markdown.

    Args:
        runs: with samples for the prompt.
        start: number of the supervised start.
        prompt: of the test split.
        titles: by condition, the line above its samples.
    """
    parts = [
        f"{title}\n\n{written(runs.at(name, start), prompt)}" for name, title in titles.items()
    ]
    return "\n\n".join([f"> {prompt}", *parts])
