"""Write each chapter's Colab edition over the source that Sphinx copies beside the pages."""

from pathlib import Path
from typing import Any

import nbformat
from pybtex.database import Entry, parse_file
from sphinx.application import Sphinx

from companion.publish.colab import References, edition, install_target
from companion.publish.compat import figure_numbers, statement_numbers
from companion.publish.project import Project


def _author(entry: Entry) -> str:
    names = [" ".join(person.last_names) for person in entry.persons.get("author", [])]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names) or entry.fields.get("title", entry.key)


def _citation(entry: Entry) -> str:
    """``Author (year)``, linked where the entry has an address."""
    text = f"{_author(entry)} ({entry.fields.get('year', 'no year')})"
    address = entry.fields.get("url")
    if address is None and "doi" in entry.fields:
        address = f"https://doi.org/{entry.fields['doi']}"
    return f"[{text}]({address})" if address else text


def _labels(app: Sphinx) -> dict[str, str]:
    """Text of every label of the book: sections, then numbered figures, statements, equations."""
    env: Any = app.env
    sections = {name: title for name, (*_, title) in env.get_domain("std").labels.items()}
    equations = env.get_domain("math").equations
    return (
        sections
        | figure_numbers(env)
        | statement_numbers(env)
        | {name: f"({number})" for name, (_, number) in equations.items()}
    )


def references(app: Sphinx) -> References:
    """What the finished environment knows about the book."""
    citations: dict[str, str] = {}
    for name in app.config.bibtex_bibfiles:
        entries = parse_file(str(Path(app.srcdir) / name)).entries
        citations |= {key: _citation(entry) for key, entry in entries.items()}
    pages = {name: title.astext() for name, title in app.env.titles.items()}
    return References(_labels(app), pages, citations, app.config.katex_macros)


def _write(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    repository = Project(Path(app.srcdir).parent).repository
    known = references(app)
    for name in sorted(app.env.found_docs):
        source = Path(app.env.doc2path(name))
        if source.suffix == ".ipynb":
            notebook = nbformat.read(source, as_version=4)
            converted = edition(notebook, install_target(notebook, repository), known)
            nbformat.write(converted, Path(app.outdir) / "_sources" / f"{name}.ipynb")


def setup(app: Sphinx) -> None:
    """Register the writing of editions."""
    app.connect("build-finished", _write)
