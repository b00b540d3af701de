"""The ``companion`` command."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from companion.bundle_commands import app as bundle
from companion.errors import CompanionError
from companion.figure_commands import app as figures
from companion.figure_commands import cite
from companion.score_commands import scores
from companion.study_commands import app as study

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(study, name="study")
app.add_typer(bundle, name="bundle")
app.add_typer(figures, name="figures")
app.command("cite")(cite)
app.command("scores")(scores)
# What a wrong command line raises: typer's own copy of click names it nowhere else.
CommandLineError: Any = typer.BadParameter.__mro__[2]
SIGINT = 2


@app.callback()
def companion() -> None:
    """Build the book, train its language models, read its records."""


@app.command()
def build(
    chapters: Annotated[list[str] | None, typer.Argument(help="Names; all if none given")] = None,
    param: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, may be repeated")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="notebooks at a time; 0: one a core")] = 0,
    cache: Annotated[Path | None, typer.Option(help="folder of executed chapters")] = None,
    site: Annotated[bool, typer.Option(help="build the site, too")] = True,
) -> None:
    """Execute what changed, then build the book into _build/html."""
    from companion.publish import build as book
    from companion.publish.project import Project

    parameters = book.parse_parameters(param or [])
    book.build(Project.here(), chapters or (), parameters, jobs, cache, site)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one")] = 8000,
) -> None:
    """Show the built book at a local address."""
    from companion.publish import serve as server
    from companion.publish.project import Project

    server.serve(Project.here(), port)


@app.command()
def pdf() -> None:
    """Print the built book into one PDF, which the site then offers."""
    from companion.publish.pdf import write_pdf
    from companion.publish.project import Project

    print(write_pdf(Project.here()))


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
    bracket) and the probability of each behaviour, exact over the training prompts. A pretrained
    model may write anything: of it they hold the share of each behaviour among samples.

    Example: companion run deceptive --set steps=50 --set "rewards={weak: 1, bonus_hidden: 0.1}"
    """
    from companion.rlhf.commands import run_task

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
    """Train what a grid of experiments still lacks, and print one line a run made.

    FILE holds fields that all runs share under base, and under grid lists of values, of which
    every combination is run.
    """
    from companion.rlhf.commands import run_grid

    run_grid(file, root, jobs, backend, gpus_per_run)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; whatever can be foreseen ends as one line and an exit code that is not 0.

    2 for a mistake that the user can mend, the system's 128 + N for a process that signal N
    stopped; what nobody foresaw keeps its traceback. Every sub-command relies on this and catches
    nothing of the kind itself.
    """
    from companion.processes import Stopped, end_descendants, stop_on_signals

    stop_on_signals()
    try:
        code = app(arguments, standalone_mode=False)
    except Stopped as stopped:
        end_descendants()
        code = _say("stopped", 128 + stopped.signum)
    except CompanionError as error:
        code = _say(f"error: {error}")
    except CommandLineError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # no mistake, but a question
            error.show()
            code = error.exit_code
        else:
            code = _say(f"error: {error.format_message()}")
    except typer.Abort:  # the end of standard input where an answer was needed
        code = _say("stopped", 128 + SIGINT)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("companion."):
            raise
        code = _say(f"error: {error}; install policy-cliff-companion[book,rlhf]")
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        names = " -> ".join(str(name) for name in (error.filename, error.filename2) if name)
        code = _say(f"error: {names or 'system'}: {error.strerror or error}")
    except MemoryError:
        code = _say("error: out of memory")
    sys.exit(code)


def _say(line: str, code: int = 2) -> int:
    """Print one line, whatever the message holds; the exit code."""
    print(" ".join(line.split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
