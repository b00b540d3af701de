"""MyST as plain Markdown.

Colab and Jupyter show MyST directives, roles and targets as raw text; here each becomes the plain
Markdown that reads best in its place.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_OPEN = re.compile(r"^\s*(?P<fence>`{3,}|:{3,}|~{3,})\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)$")
_PLAIN_OPEN = re.compile(r"^\s*(?P<fence>`{3,}|~{3,})")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_DROPPED_LINE = re.compile(r"^(\([\w:.-]+\)=|\+\+\+.*|%.*|\{[#.][^}]*\})\s*$")
_ROLE = re.compile(r"\{([\w:-]+)\}`([^`]+)`")
_TITLED = re.compile(r"^(?P<text>.*?)\s*<(?P<target>[^<>]+)>$", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
_EQUATION = re.compile(r"^(?P<body>.*)\$\$\s*\((?P<label>[\w:.-]+)\)\s*$")
_DROPPED = {"bibliography", "tableofcontents", "contents", "toctree", "index", "glossary-index"}
_CODE = {"code-block", "code", "sourcecode", "literalinclude"}
_BARE = {"tab-set", "tab-item", "grid", "grid-item", "div", "container", "table", "list-table"}


@dataclass(frozen=True)
class References:
    """What a chapter's references say, since a notebook alone cannot number the book.

    Attributes:
        labels: text for each label: ``Fig. 1``, ``Proposition 2``, ``(3)``, a section's title.
        pages: title of each page, by its name below book/.
        citations: text for each key of the bibliography.
        macros: the book's TeX macros, without arguments.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    pages: Mapping[str, str] = field(default_factory=dict)
    citations: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, str] = field(default_factory=dict)


def plain(text: str, references: References) -> str:
    """MyST ``text`` as plain Markdown."""
    return "\n".join(_blocks(text.splitlines(), references))


def _blocks(lines: list[str], references: References) -> list[str]:
    """Convert a sequence of lines, directives and fenced code being taken as wholes."""
    out: list[str] = []
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            out.extend(_inline("\n".join(paragraph), references).split("\n"))
            paragraph.clear()

    position = 0
    while position < len(lines):
        line = lines[position]
        opened = _OPEN.match(line) or _PLAIN_OPEN.match(line)
        if opened:
            flush()
            end = _closing(lines, position, opened["fence"])
            body = lines[position + 1 : end]
            if "name" in opened.groupdict():
                out += _directive(opened["name"], opened["argument"], body, references)
            else:
                out += lines[position : end + 1]
            position = end + 1
            continue
        if not _DROPPED_LINE.match(line):
            paragraph.append(line)
        position += 1
    flush()
    return out


def _closing(lines: list[str], start: int, fence: str) -> int:
    """Index of the line that closes the fence opened at ``start``; the last line if none does."""
    close = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for position in range(start + 1, len(lines)):
        if close.match(lines[position]):
            return position
    return len(lines)


def _split_options(body: list[str]) -> tuple[dict[str, str], list[str]]:
    options = {}
    position = 0
    while position < len(body) and (match := _OPTION.match(body[position])):
        options[match[1]] = match[2]
        position += 1
    return options, body[position:]


def _directive(name: str, argument: str, body: list[str], references: References) -> list[str]:
    options, body = _split_options(body)
    if name in _DROPPED:
        return []
    if name in _CODE:
        return [f"```{argument}", *body, "```"]
    if name == "math":
        label = options.get("label", "")
        tag = [_tag(label, references)] if label in references.labels else []
        return ["$$", *(_expand(line, references) for line in body), *tag, "$$"]
    content = _blocks(body, references)
    if name in _BARE:
        return content
    title = _inline(argument, references)
    if name in ("figure", "image"):
        caption = " ".join(line for line in content if line)
        return ["", f"*{caption or options.get('alt', title)}*", ""]
    return ["", *_quoted(_heading(name, title), content), ""]


def _heading(name: str, title: str) -> str:
    """Bold opening of a statement or a note."""
    kind = name.rpartition(":")[2]
    if kind == "admonition":
        return f"**{title}**"
    return f"**{kind.capitalize()} ({title}).**" if title else f"**{kind.capitalize()}.**"


def _quoted(heading: str, content: list[str]) -> list[str]:
    body = "\n".join(content).strip("\n").split("\n")
    return [f"> {line}".rstrip() for line in (heading, "", *body)]


def _tag(label: str, references: References) -> str:
    return rf"\tag{{{references.labels[label].strip('()')}}}"


def _inline(text: str, references: References) -> str:
    """Roles, labelled displays, links inside the book and macros of a run of text."""
    text = _ROLE.sub(lambda match: _role(match[1], match[2], references), text)
    text = _LINK.sub(lambda match: _link(match["text"], match["target"], references), text)
    lines = [_equation(line, references) for line in text.split("\n")]
    return _expand("\n".join(lines), references)


def _equation(line: str, references: References) -> str:
    match = _EQUATION.match(line)
    if match is None:
        return line
    known = match["label"] in references.labels
    return f"{match['body']}{_tag(match['label'], references) if known else ''}$$"


def _expand(text: str, references: References) -> str:
    for macro, meaning in references.macros.items():
        braced = f"{{{meaning}}}".replace("\\", r"\\")
        text = re.sub(re.escape(macro) + r"(?![A-Za-z])", braced, text)
    return text


def _role(name: str, content: str, references: References) -> str:
    titled = _TITLED.match(content)
    shown, target = (titled["text"], titled["target"]) if titled else ("", content)
    kind = name.rpartition(":")[2]
    if name.split(":")[0] == "cite":
        return _citation(kind, target, references)
    if name == "math":
        return f"${content}$"
    if name == "doc":
        return shown or _page(target, references)
    if kind in ("ref", "numref", "eq"):
        return _numbered(shown, target, references)
    if name in ("sub", "sup"):
        return f"<{name}>{content}</{name}>"
    return shown or content


def _citation(kind: str, keys: str, references: References) -> str:
    """``cite:t`` names the authors in the sentence, every other form stands in brackets."""
    entries = [references.citations.get(key.strip(), key.strip()) for key in keys.split(",")]
    return ", ".join(entries) if kind in ("t", "textual") else f"({'; '.join(entries)})"


def _numbered(shown: str, target: str, references: References) -> str:
    label = references.labels.get(target, target.replace("-", " "))
    if "%s" in shown:  # numref's own placeholder
        return shown.replace("%s", label.split()[-1])
    return shown or label


def _page(target: str, references: References) -> str:
    name = posixpath.normpath(posixpath.join("chapters", target)).removesuffix(".md")
    return references.pages.get(name.lstrip("/"), posixpath.basename(name))


def _link(shown: str, target: str, references: References) -> str:
    """Links out of the book stay; inside it there is nothing to open, so the words remain."""
    if re.match(r"[a-z]+:", target):
        return f"[{shown}]({target})"
    if shown:
        return shown
    label = target.removeprefix("#")
    return references.labels.get(label) or _page(target, references)
