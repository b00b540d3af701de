"""Sentences that say something of the paper, and the table that a person's reading of them fills.

``data/paper/attributions.csv`` holds one row a sentence: the file, the section of
arXiv:2507.20150v1 that it speaks of (``whole`` where it speaks of none in particular), a verdict
and the sentence. Sentences are found in the text of chapters and pages and in the strings of their
code, where a computed part reads ``{}``.
"""

import ast
import csv
import re
from collections.abc import Iterator
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

_PAPER = re.compile(r"\b[Tt]he paper\b|\bpaper(?:'|’)s\b|xu2025policycliff")
_SECTION = re.compile(
    r"(?:§|\b[Ss]ections?) ?\d|\b(?:Prop|Thm|Fig)\. ?\d"
    r"|\b(?:Propositions?|Theorem|Lemmas?|Remarks?|Table|Figure|Appendix|Assumption) [\dA-D]"
    r"|\b[Ii]ntroduction\b|\b[Cc]onclusion\b"
)
_CELL = re.compile(r"^```\{code-cell\}.*?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_OPTIONS = re.compile(r"\A(?::.*\n|\s*\n)+")
_END = re.compile(r"(?<=[.!?:])[*_]*\s+(?=[*_\[(“\"`]*[A-Z{])")


@dataclass(frozen=True)
class Attribution:
    """A sentence that names the paper, in a file, and the paragraph or string it stands in."""

    file: str
    sentence: str
    paragraph: str

    @property
    def located(self) -> bool:
        """Whether its paragraph names a section or a numbered item."""
        return bool(_SECTION.search(self.paragraph))


def attributions(root: Path, path: Path) -> list[Attribution]:
    """The sentences of a file (Markdown or Python) of a checkout that name the paper."""
    text = path.read_text()
    paragraphs = _strings(text) if path.suffix == ".py" else _paragraphs(text)
    file = path.relative_to(root).as_posix()
    return [
        Attribution(file, sentence, paragraph)
        for paragraph in paragraphs
        for sentence in _END.split(paragraph)
        if _PAPER.search(sentence)
    ]


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs, headings and table rows outside of code, then the strings of each code cell."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    prose = re.sub(r"^```[a-z]+\n.*?^```$", "", _CELL.sub("\n\n", body), flags=re.M | re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=[#|\-*]|\d+\. )", prose):
        yield _flat(block)
    for cell in _CELL.finditer(body):
        yield from _strings(_OPTIONS.sub("", cell["code"]))


def _strings(code: str) -> Iterator[str]:
    """The strings of Python code that can be text; docstrings and file names are not."""
    tree = ast.parse(code)
    documented = (ast.Module, ast.FunctionDef, ast.ClassDef)
    skip = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in skip or id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "{}" for p in node.values)
            yield from map(_flat, re.split(r"\n\s*\n", "".join(map(str, parts))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield from map(_flat, re.split(r"\n\s*\n", node.value))


def _flat(text: str) -> str:
    return " ".join(text.split())
