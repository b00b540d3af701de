"""``companion bundle``: pretrained models on a machine without network."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command()
def make(
    target: Annotated[Path, typer.Argument(help="Folder for install.sh and the pieces; emptied.")],
    has: Annotated[
        Path | None, typer.Option(help="`pip list --format=freeze` of the other machine.")
    ] = None,
    python: Annotated[str, typer.Option(help="Python version of the other machine.")] = "3.12",
) -> None:
    """Pack wheels, weights and an installer into pieces of at most 45 MB.

    torch is never packed: the other machine has the build that suits its GPU.
    """
    from companion.studies.bundle import make_bundle

    there = [line.split("==")[0].strip() for line in has.read_text().split()] if has else []
    for file in make_bundle(target, there, python):
        print(f"{file}  {file.stat().st_size / 2**20:.1f} MB")


@app.command()
def run(
    studies: Annotated[list[str], typer.Argument(help="Names of studies.")],
    minutes: Annotated[float, typer.Option(min=1, help="After which all is packed.")],
    root: Annotated[Path, typer.Option(help="Folder of the records.")] = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder for NAME.tar.")] = Path("out"),
    jobs: Annotated[int, typer.Option(min=1, help="Runs side by side on the device.")] = 1,
    starts: Annotated[int | None, typer.Option(min=1, help="Starts of each study.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Pattern of conditions; repeatable.")
    ] = None,
) -> None:
    """Work through studies within a given time, start by start, and pack their tables."""
    from companion.studies.bundle import run_plan

    for file in run_plan(studies, root, out, minutes, jobs, starts, only or ("*",)):
        print(f"{file}  {file.stat().st_size / 2**20:.1f} MB")


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="NAME.tar of `companion bundle run`.")],
    folder: Annotated[Path, typer.Option(help="Folder of the studies.")] = Path("data/studies"),
) -> None:
    """Check the tables made elsewhere and take them into the record."""
    from companion.studies.bundle import import_tables

    for file in files:
        name, added = import_tables(file, folder)
        print(f"{name}: {added} runs added")
