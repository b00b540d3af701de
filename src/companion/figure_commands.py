"""``companion figures`` and ``companion cite``: take a figure of the built book, and cite it."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from companion.errors import CompanionError

if TYPE_CHECKING:
    from companion.publish.catalogue import Catalogue, Shown

app = typer.Typer(no_args_is_help=True, help="The book's figures, to show and to reuse.")
FORMATS = ("slide", "svg", "pdf", "png", "csv")

Id = Annotated[str, typer.Argument(help="Id of a figure; 'companion figures list' lists them.")]


@app.command("list")
def list_figures() -> None:
    """Print a line for each figure: number, id, title, what it rests on."""
    _, catalogue = _built()
    for figure in catalogue.figures:
        where = figure.number or figure.page.rpartition("/")[2]
        print(f"{where:<10} {figure.id:<28} {figure.title}  [{', '.join(figure.results)}]")


@app.command("get")
def get_figure(
    id: Id,
    format: Annotated[str, typer.Option(help=f"One of {', '.join(FORMATS)}.")] = "slide",
    dark: Annotated[bool, typer.Option("--dark", help="For a dark background.")] = False,
    to: Annotated[Path, typer.Option(help="Folder that gets the files.")] = Path("."),
) -> None:
    """Copy a figure's files: one, or for a slide its SVG, PDF and PNG.

    Example: companion figures get cliff-value-and-policy --format slide --dark --to talk
    """
    import shutil

    folder, catalogue = _built()
    figure = _figure(id, catalogue)
    for name in _files(figure, _one_of(format, FORMATS, "format"), dark):
        to.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / figure.id / name, to / name)
        print(to / name)
    print(figure.attribution)


def cite(
    what: Annotated[
        str | None,
        typer.Argument(help="Id of a figure, or a chapter: its number or its page's name."),
    ] = None,
) -> None:
    """Print BibTeX: of the paper and the book, or of one figure or chapter."""
    _, catalogue = _built()
    if what is None:
        print(catalogue.paper.bibtex, catalogue.book.bibtex, sep="\n", end="")
        return
    entries = {figure.id: figure.bibtex for figure in catalogue.figures}
    for chapter in catalogue.chapters:
        number = chapter.name.partition("_")[0].lstrip("0")
        entries |= {chapter.name: chapter.bibtex, number: chapter.bibtex}
    print(entries[_one_of(what, entries, "figure or chapter")], end="")


def _built() -> tuple[Path, "Catalogue"]:
    """The built site's folder of figures, and what it holds."""
    from companion.publish.catalogue import FIGURES, read
    from companion.publish.project import Project

    folder = Project.here().html / FIGURES
    return folder, read(folder)


def _figure(id: str, catalogue: "Catalogue") -> "Shown":
    figures = {figure.id: figure for figure in catalogue.figures}
    return figures[_one_of(id, figures, "figure")]


def _files(figure: "Shown", format: str, dark: bool) -> list[str]:
    theme = "-dark" if dark else ""
    if format == "csv":
        if dark:
            raise CompanionError("--dark: data have no dark version")
        return [f"{figure.id}.csv"]
    if format != "slide":
        return [f"{figure.id}{theme}.{format}"]
    if not figure.slide:
        raise CompanionError(f"figure {figure.id!r}: has no slide")
    return [f"{figure.id}-slide{theme}.{end}" for end in ("svg", "pdf", "png")]


def _one_of(name: str, known: Iterable[str], kind: str) -> str:
    """``name`` if it is known.

    Raises:
        CompanionError: with the nearest names, or all of them where none is near and they are few.
    """
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    near = get_close_matches(name, names, n=3, cutoff=0.4) or [n for n in names if name in n][:3]
    listed = near or (names if len(names) <= 10 else [])
    hint = f"; nearest: {', '.join(listed)}" if listed else "; 'companion figures list' lists them"
    raise CompanionError(f"unknown {kind} {name!r}{hint}")
