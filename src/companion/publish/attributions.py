"""Sentences that say something of the paper, and the table that a person's reading of them fills.

``data/paper/attributions.csv`` holds one row a sentence: the file, the section of
arXiv:2507.20150v1 that it speaks of (``whole`` where it speaks of none in particular), a verdict
and the sentence. Sentences are found in the text of chapters and pages and in the strings of their
code, where a computed part reads ``{}``.
"""

import ast
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from companion.errors import CompanionError

TABLE = Path("data") / "paper" / "attributions.csv"
WHOLE = "whole"
VERDICTS = {
    "stated": "the paper says so there",
    "data": "sets the paper's numbers beside ours and says no more",
    "follows": "not the paper's, but follows from it or is asked by its readers, and marked so",
    "ours": "our own addition or judgement, and called so",
    "label": "names, credits or links the paper",
}

_PAPER = re.compile(
    r"\b[Tt]he paper\b|\bpaper(?:'|’)s\b|xu2025policycliff"
    r"|§ ?\d|\b(?:Remark|Assumption|Table|Fig\.) \d|\bAppendix [A-D]\b"
)
_CELL = re.compile(r"^```\{code-cell\}.*?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = re.compile(r"\A(?:---\n(?:.*\n)*?---\n|(?::.*\n|\s*\n)+)")
_END = re.compile(r"(?<=[.!?:])[*_]*\s+(?=[*_\[(“\"`]*[A-Z{§$])")


@dataclass(frozen=True)
class Attribution:
    """A sentence that names the paper, in a file, and the paragraph or string it stands in."""

    file: str
    sentence: str
    paragraph: str

    def names(self, section: str) -> bool:
        """Whether its paragraph names a section or item, by number ("§5.6", "Remark 2.6")."""
        return bool(re.search(rf"\b{re.escape(section.split()[-1].strip('§'))}\b", self.paragraph))


@dataclass(frozen=True)
class Reading:
    """A row of the table: what a person found on reading a sentence beside the paper."""

    section: str
    verdict: str


def texts(root: Path) -> list[Path]:
    """The files of a checkout that a reader of the book sees text of."""
    pages = ("notebooks/*.md", "book/*.md", "README.md", "data/README.md")
    patterns = (*pages, "src/companion/results/*.py")
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def attributions(root: Path, path: Path) -> list[Attribution]:
    """The sentences of a file (Markdown or Python) of a checkout that name the paper.

    What an erratum says of the text is about the paper in every sentence.
    """
    text = path.read_text()
    file = path.relative_to(root).as_posix()
    found = [
        Attribution(file, sentence, paragraph)
        for paragraph in (_strings(text) if path.suffix == ".py" else _paragraphs(text))
        for sentence in _END.split(paragraph)
        if _PAPER.search(sentence)
    ]
    if path.name == "errata.py":
        found += [
            Attribution(file, sentence, paragraph)
            for paragraph in _errata(text)
            for sentence in _END.split(paragraph)
            if not _PAPER.search(sentence)
        ]
    return found


def read_table(root: Path) -> dict[tuple[str, str], Reading]:
    """The readings of a checkout's sentences, by file and sentence.

    Raises:
        CompanionError: for a row without a section or with a verdict that there is not.
    """
    readings = {}
    with (root / TABLE).open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            if not row["section"]:
                raise CompanionError(
                    f"{TABLE.as_posix()}:{number}: no section; write {WHOLE!r} where there is none"
                )
            if row["verdict"] not in VERDICTS:
                raise CompanionError(
                    f"{TABLE.as_posix()}:{number}: verdict {row['verdict']!r} is none of "
                    f"{', '.join(VERDICTS)}"
                )
            readings[row["file"], row["sentence"]] = Reading(row["section"], row["verdict"])
    return readings


def refuse_unplaced(root: Path, paths: Iterable[Path]) -> None:
    """Refuse chapters and pages that say what the paper says and not where.

    A checkout without the table has nothing to hold its sentences against.

    Raises:
        CompanionError: naming the file and the first such sentence, or a bad row of the table.
    """
    if not (root / TABLE).exists():
        return
    readings = read_table(root)
    for found in (a for path in paths for a in attributions(root, path)):
        reading = readings.get((found.file, found.sentence))
        if reading is None or reading.verdict != "stated" or reading.section == WHOLE:
            continue
        if not found.names(reading.section):
            raise CompanionError(
                f"{found.file}: cites the paper without its {reading.section}: {found.sentence}"
            )


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, headings and table rows outside of code, then the strings of each code cell."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    prose = re.sub(r"^```[a-z]+\n.*?^```$", "", _CELL.sub("\n\n", body), flags=re.M | re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=[#|\-*]|\d+\. )", prose):
        yield _flat(block)
    for cell in _CELL.finditer(body):
        yield from _strings(_OPTIONS.sub("", cell["code"]))


def _strings(code: str) -> Iterator[str]:
    """Paragraphs of the strings in Python code; docstrings are not for readers of the book."""
    nodes = list(ast.walk(ast.parse(code)))
    skip = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    skip |= {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        text = "" if id(node) in skip else _text(node)
        if " " in text:  # else a name
            yield from map(_flat, re.split(r"\n\s*\n", text))


def _text(node: ast.AST) -> str:
    """The text of a string or f-string, "{}" for each computed part; of all else none."""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part) if isinstance(part, ast.Constant) else "{}" for part in node.values
        )
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _errata(code: str) -> Iterator[str]:
    """What each erratum says of the text: the sixth of its arguments."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Erratum":
            yield _flat(ast.literal_eval(node.args[5]))


def _flat(text: str) -> str:
    return " ".join(text.split())
