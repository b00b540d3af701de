"""Mentions become links: a numbered result leads to its statement, a chapter to its page, a word of
the glossary to what it means. Targets are what the finished book states; an unknown number stays
text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from companion.publish.sphinxext.mentions import Glossary, Mention, name_of, numbered

STATEMENT = "tag_theorem"  # a cell of this tag shows a statement, its number first and in bold
_NOT_PROSE = (
    nodes.FixedTextElement,
    nodes.citation,
    nodes.literal,
    nodes.math,
    nodes.raw,
    nodes.reference,
    nodes.rubric,
    nodes.term,
    nodes.title,
    addnodes.desc_signature,
    addnodes.download_reference,
    addnodes.toctree,
)


@dataclass(frozen=True)
class Target:
    """Where a mention leads.

    Attributes:
        page: name of the page.
        anchor: id on the page, empty for the page itself.
        section: id of the innermost section around the anchor.
        title: what the target is called.
    """

    page: str
    anchor: str
    section: str
    title: str


class Statements(SphinxTransform):
    """Give each statement its anchor, and remember it."""

    default_priority = 900

    def apply(self, **kwargs: Any) -> None:
        """Change the document in place."""
        for cell in self.document.findall(nodes.container):
            strong = next(iter(cell.findall(nodes.strong)), None)
            if STATEMENT in cell["classes"] and strong and (number := _number(strong)):
                name = name_of(*number.split())
                cell["ids"].append(name)
                strong.parent["classes"].append("statement-title")
                section = _section(cell)
                _stated(self.env)[name] = Target(self.env.docname, name, section, number)


def _number(strong: nodes.strong) -> str | None:
    """``Proposition 2.9`` if that is all that stands in bold."""
    text = strong.astext().rstrip(".")
    mention = next(numbered(text), None)
    return text if mention and (mention.start, mention.end) == (0, len(text)) else None


def _set_apart(node: nodes.Element) -> bool:
    """Code, math, headings and links; the first line of a statement is its heading."""
    return isinstance(node, _NOT_PROSE) or "statement-title" in node["classes"]


def _section(node: nodes.Node | None) -> str:
    while node is not None and not isinstance(node, nodes.section):
        node = node.parent
    return node["ids"][0] if node is not None else ""


def _stated(env: BuildEnvironment) -> dict[str, Target]:
    if not hasattr(env, "companion_statements"):
        env.companion_statements = {}  # type: ignore[attr-defined]
    known: dict[str, Target] = env.companion_statements  # type: ignore[attr-defined]
    return known


def _chapters(env: BuildEnvironment) -> dict[str, Target]:
    """The numbered pages of the table of contents."""
    found = {}
    for page, numbers in env.toc_secnumbers.items():
        number = numbers.get("") or ()
        if len(number) == 1:
            title = f"Chapter {number[0]}"
            found[name_of("chapter", str(number[0]))] = Target(page, "", "", title)
    return found


def _terms(env: BuildEnvironment) -> dict[str, Target]:
    """The words of the glossary by their anchors."""
    objects = env.get_domain("std").get_objects()
    return {
        anchor: Target(page, anchor, "", word)
        for word, _, kind, page, anchor, _ in objects
        if kind == "term"
    }


class Targets:
    """Everything that a mention can lead to, by its name."""

    def __init__(self, env: BuildEnvironment) -> None:
        terms = _terms(env)
        self._known = _stated(env) | _chapters(env) | terms
        self._glossary = Glossary({term.title: name for name, term in terms.items()})

    def on(self, page: str) -> dict[str, Target]:
        """The targets that stand on a page."""
        return {name: target for name, target in self._known.items() if target.page == page}

    def __getitem__(self, name: str) -> Target:
        """The target of this name."""
        return self._known[name]

    def known(self, text: str) -> list[Mention]:
        """Mentions in ``text`` that lead somewhere, in their order; none overlaps another."""
        first = [m for m in numbered(text) if m.name in self._known]
        taken = {i for m in first for i in range(m.start, m.end)}
        terms = [m for m in self._glossary.find(text) if taken.isdisjoint(range(m.start, m.end))]
        return sorted([*first, *terms], key=lambda mention: mention.start)


def targets(app: Sphinx) -> Targets:
    """The targets of the finished environment, found once."""
    builder: Any = app.builder
    if not hasattr(builder, "companion_targets"):
        builder.companion_targets = Targets(app.env)
    found: Targets = builder.companion_targets
    return found


class LinkMentions(SphinxPostTransform):
    """Turn mentions into links, in prose alone and not to where the reader already is."""

    default_priority = 700  # what the author linked is resolved by then
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Change the document in place."""
        self._seen: set[tuple[str, str]] = set()  # words with the section they were used in
        self._targets = targets(self.app)
        self._index()
        for reference in list(self.document.findall(nodes.reference)):
            self._complete(reference)
        self._walk(self.document, "")

    def _index(self) -> None:
        """Let the search find a statement by its name, in full and short, or its number."""
        for cell in self.document.findall(nodes.container):
            for name in cell["ids"] if STATEMENT in cell["classes"] else ():
                kind, number = self._targets[name].title.split()
                short = {"Proposition": "Prop", "Theorem": "Thm"}.get(kind, kind)
                words = {f"{kind} {number}", f"{short} {number}", number}
                entries = [("single", word, name, "main", None) for word in sorted(words)]
                cell.insert(0, addnodes.index(entries=entries))

    def _complete(self, reference: nodes.reference) -> None:
        """A link inside the book whose text is a mention leads to what the mention means."""
        text = reference.astext()
        found = next(iter(self._targets.known(text)), None)
        whole = found is not None and (found.start, found.end) == (0, len(text))
        if found and whole and reference.get("internal") and not found.name.startswith("term-"):
            reference.attributes |= self._link(found.name).attributes

    def _walk(self, node: nodes.Element, section: str) -> None:
        run: list[nodes.Text] = []
        linked = False  # by a link that is written as HTML
        for child in list(node.children):
            if isinstance(child, nodes.Text):
                if not linked:
                    run.append(child)  # a line break in the source parts one text into several
                continue
            self._replace(run, section)
            run = []
            if isinstance(child, nodes.raw):
                linked = "<a " in child.astext() or (linked and "</a" not in child.astext())
            if isinstance(child, nodes.section):
                self._walk(child, child["ids"][0])
            elif isinstance(child, nodes.Element) and not _set_apart(child):
                self._walk(child, section)
        self._replace(run, section)

    def _replace(self, run: Sequence[nodes.Text], section: str) -> None:
        text = "".join(run)
        found = [m for m in self._targets.known(text) if self._wanted(m.name, section)]
        if found:
            parent = run[0].parent
            place = parent.index(run[0])
            parent[place : place + len(run)] = list(self._pieces(text, found))

    def _pieces(self, text: str, found: Sequence[Mention]) -> Iterator[nodes.Node]:
        end = 0
        for mention in found:
            if mention.start > end:
                yield nodes.Text(text[end : mention.start])
            end = mention.end
            link = self._link(mention.name)
            link += nodes.Text(text[mention.start : end])
            yield link
        if end < len(text):
            yield nodes.Text(text[end:])

    def _wanted(self, name: str, section: str) -> bool:
        """Not on the chapter's own page, not beside the statement; a word once a section."""
        target = self._targets[name]
        here = target.page == self.env.docname
        if name.startswith("term-"):
            known = (name, section) in self._seen
            self._seen.add((name, section))
            return not (known or here)
        return not (here and target.section in ("", section))

    def _link(self, name: str) -> nodes.reference:
        target = self._targets[name]
        uri = self.app.builder.get_relative_uri(self.env.docname, target.page)
        anchor = f"#{target.anchor}" if target.anchor else ""
        kind = ["mention", f"to-{name}"]
        return nodes.reference("", "", internal=True, refuri=uri + anchor, classes=kind)


def setup(app: Sphinx) -> None:
    """Register the two transforms."""
    app.add_transform(Statements)
    app.add_post_transform(LinkMentions)
