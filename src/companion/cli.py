"""The ``companion`` command."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from companion.bundle_commands import app as bundle
from companion.errors import CompanionError
from companion.study_commands import app as study

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(study, name="study")
app.add_typer(bundle, name="bundle")


@app.callback()
def companion() -> None:
    """Build the book, train its language models, read its records."""


@app.command()
def build(
    chapters: Annotated[list[str] | None, typer.Argument(help="Names; all if none given")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, may be repeated")] = None,
    jobs: Annotated[int, typer.Option(help="notebooks at a time; 0: one a core")] = 0,
    cache: Annotated[Path | None, typer.Option(help="folder of executed chapters")] = None,
    site: Annotated[bool, typer.Option(help="build the site, too")] = True,
) -> None:
    """Execute what changed, then build the book into _build/html."""
    from companion.publish import build as book
    from companion.publish.project import Project

    parameters = book.parse_parameters(param or [])
    book.build(Project.here(), chapters or (), parameters, jobs, cache, site)


@app.command()
def serve(port: Annotated[int, typer.Option(help="0: any free one")] = 8000) -> None:
    """Show the built book at a local address."""
    from companion.publish import serve as server
    from companion.publish.project import Project

    server.serve(Project.here(), port)


@app.command()
def run(
    task: Annotated[
        str,
        typer.Argument(
            help="deceptive, instruction or alignment; for a pretrained model python, "
            "instructions or replies."
        ),
    ],
    tier: Annotated[
        str, typer.Option(help="Preset of sizes: tiny, small, large or cluster.")
    ] = "tiny",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="FIELD=VALUE, VALUE as YAML; repeatable. A wrong FIELD is answered by their list.",
        ),
    ] = None,
    root: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("runs"),
) -> None:
    """Train one language model, record the run, and say how far it moved from its start.

    The last lines hold the total variation from the supervised start (TV, with the ends of its
    bracket) and the probability of each behaviour, exact over the training prompts.

    Example: companion run deceptive --set steps=50 --set "rewards={weak: 1, bonus_hidden: 0.1}"
    """
    try:
        from companion.rlhf.commands import run_task
    except ModuleNotFoundError as error:
        raise CompanionError(f"{error}; install policy-cliff-companion[rlhf]") from error
    run_task(task, tier, settings or [], root)


@app.command()
def sweep(
    file: Annotated[Path, typer.Argument(help="YAML with 'base' and 'grid'.")],
    root: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("runs"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: cores.")] = None,
    backend: Annotated[
        Literal["processes", "ray"], typer.Option(help="This machine, or a running Ray cluster.")
    ] = "processes",
    gpus_per_run: Annotated[float, typer.Option(min=0, help="GPUs Ray reserves for a run.")] = 0,
) -> None:
    """Train what a grid of experiments still lacks, and print one line a run.

    FILE holds fields that all runs share under base, and under grid lists of values, of which
    every combination is run.
    """
    try:
        from companion.rlhf.commands import run_grid
    except ModuleNotFoundError as error:
        raise CompanionError(f"{error}; install policy-cliff-companion[rlhf]") from error
    run_grid(file, root, jobs, backend, gpus_per_run)


def main() -> None:
    """Run the command; a mistake the user can mend ends as one line and exit code 2."""
    try:
        app()
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("companion"):
            raise
        print(f"error: {error}; install policy-cliff-companion[book,rlhf]", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
