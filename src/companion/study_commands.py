"""``companion study``: list the studies, train one, show what its runs say."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from companion.errors import CompanionError

if TYPE_CHECKING:
    from companion.rlhf.experiment import Experiment
    from companion.studies.study import Study

app = typer.Typer(no_args_is_help=True, help="Questions put to trained models, and their records.")

Name = Annotated[str, typer.Argument(help="Name of a study; 'companion study list' lists them.")]


@app.command("list")
def list_studies() -> None:
    """Print a line for each study: chapter, name, runs recorded and asked for, question."""
    from companion.studies.registry import modules

    for name, module in modules().items():
        study = module.STUDY
        print(
            f"{study.chapter:>2}  {name:<18} {_recorded(name):>4} of {len(study.experiments()):>4} "
            f"runs  {study.question}"
        )


@app.command("run")
def run_study(
    name: Name,
    root: Annotated[Path, typer.Option(help="Folder the runs are trained in.")] = Path("runs"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: cores.")] = None,
    into: Annotated[
        Path, typer.Option(help="Folder of the studies' records, each in a folder of its name.")
    ] = Path("data/studies"),
) -> None:
    """Train what a study still lacks, then add it to its record.

    A stopped command goes on where it was: finished runs lie in ROOT until they are recorded. Runs
    that fail or diverge are named at the end, when all others are recorded.
    """
    from companion.studies.registry import find
    from companion.studies.store import recorded_ids

    study = find(name)
    have = recorded_ids(into / name)
    if study.pairs:
        problems = _train_pairs(study, root, into / name)
    else:
        missing = [e for e in study.experiments().values() if e.id not in have]
        problems = _train(study, missing, root, into / name, jobs)
    added = len(recorded_ids(into / name) - have)
    print(f"study {name}: {added} runs added, {len(have)} were there")
    if problems:
        raise CompanionError("; ".join(map(str, problems)))


@app.command("forecast")
def forecast(
    name: Name,
    file: Annotated[Path, typer.Option(help="Table of forecasts.")] = Path("data/claims.csv"),
) -> None:
    """Write down what a study expects to measure; refused once it has been run."""
    from companion.studies.forecasts import write

    print(f"study {name}: {write(name, file)} forecasts in {file}; commit them before the runs")


@app.command("show")
def show(name: Name) -> None:
    """Print a study's conditions with their runs, and its claims with the verdicts."""
    from companion.studies.claims import judge
    from companion.studies.registry import find
    from companion.studies.statistics import signed
    from companion.studies.store import load

    study = find(name)
    runs = load(study) if _recorded(name) else None
    print(f"{name} (chapter {study.chapter}): {study.question}")
    keys = list(study.experiments())
    for condition in study.conditions:
        asked = sum(key.condition == condition for key in keys)
        have = sum(key.condition == condition for key in runs.keys) if runs else 0
        print(f"  {condition}: {have} of {asked} runs")
    if runs is None:
        return
    for verdict in judge(study, runs):
        claim = verdict.claim
        print(f"\n  {claim.id}  {claim.text}")
        print(f"    {claim.of}: {verdict.ours:.3f}")
        print(f"    {claim.against}: {verdict.control:.3f}")
        extra = f", margin {claim.margin:g}" if claim.margin is not None else ""
        reported = claim.reported
        paper = "" if reported is None else f", the paper's number {signed(reported, 'g')}"
        print(f"    difference: {verdict.difference:+.3f}{extra}{paper}")
        p = f"p = {verdict.p:.2g}"
        if claim.confirmatory:
            p += f", {verdict.corrected:.2g} after Holm's correction"
        print(f"    {verdict.words} ({verdict.standing}; {p})")


def _recorded(name: str) -> int:
    from companion.studies.store import has_record, load

    return len(load(name)) if has_record(name) else 0


def _train(
    study: "Study", missing: "list[Experiment]", root: Path, folder: Path, jobs: int | None
) -> list[CompanionError]:
    """Train what is missing and record what is whole; what is wrong with the rest."""
    from companion.rlhf.sweeps import SweepFailed, sweep
    from companion.studies.recording import RunsDiverged, import_records

    problems: list[CompanionError] = []
    try:
        records = sweep(missing, root, jobs)
    except SweepFailed as error:
        records = error.records
        problems.append(error)
    try:
        import_records(records, study, folder)
    except RunsDiverged as error:
        problems.append(error)
    return problems


def _train_pairs(study: "Study", root: Path, folder: Path) -> list[CompanionError]:
    """As ``_train``, for pretrained models: one run at a time, each start's policies compared."""
    from companion.studies.pairs import collect, run_start
    from companion.studies.recording import RunsDiverged

    problems: list[CompanionError] = []
    for start in study.starts:
        run_start(study, start, root)
        try:
            collect(study, root, folder)
        except RunsDiverged as error:
            problems = [error]  # it names all that diverged up to now
    return problems
