"""Write each chapter's Colab edition over the source that Sphinx copies beside the pages.

Where no public repository is known, Colab can be given no link: there the page offers the edition
for download together with the package that its first cell installs.
"""

from pathlib import Path
from typing import Any

import nbformat
from pybtex.database import Entry, parse_file
from sphinx.application import Sphinx

from companion.publish.colab import edition, install_source
from companion.publish.compat import figure_numbers, statement_numbers
from companion.publish.plain import References
from companion.publish.project import Project
from companion.publish.wheel import build_wheel, floors, wheel_name

_HOW = "Upload both to Colab: the notebook installs the package"


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
    known, oldest = references(app), floors()
    folders = set()
    for name in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(name))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            source = install_source(notebook, repository)
            target = Path(app.outdir) / "_sources" / f"{name}.ipynb"
            nbformat.write(edition(notebook, source, oldest, known), target)
            folders.add(target.parent)
    if repository is None:
        for folder in folders:
            build_wheel(folder)


def _offer_wheel(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Put the package beside the notebook, under the page's button for downloads."""
    notebook = app.env.doc2path(page).endswith(".ipynb") if page in app.env.found_docs else False
    if not notebook or Project(Path(app.srcdir).parent).repository is not None:
        return
    folder = f"{context['pathto']('_sources', 1)}/{page.rpartition('/')[0]}"
    for group in context.get("header_buttons", []):
        if group["label"] == "download-buttons":
            group["buttons"][0] |= {"text": "notebook for Colab", "tooltip": _HOW}
            wheel = {
                "type": "link",
                "url": f"{folder}/{wheel_name()}",
                "text": "package for Colab",
                "tooltip": _HOW,
                "icon": "fas fa-download",
                "label": "download-package-button",
            }
            group["buttons"].insert(1, wheel)


def setup(app: Sphinx) -> None:
    """Register the writing of editions."""
    app.connect("html-page-context", _offer_wheel, priority=600)  # when the theme has its buttons
    app.connect("build-finished", _write)
