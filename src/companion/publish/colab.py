"""The Colab edition of a chapter: the executed notebook in plain Markdown, with cells of its own.

The first installs the package, the parameters become a form, and the last draws what the reader
trained beside the record.
"""

import ast
import copy
from collections.abc import Mapping

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from companion.publish.plain import References, plain
from companion.publish.project import UNCOMMITTED

PARAMETERS = {"tier", "jobs"}  # of a chapter that trains models; all of them have a tier
_FOLDED = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
_FOLDED_WHOLE = {"hide-cell", "hide-output", "remove-cell", "remove-output"}
_WIDGETS = "application/vnd.jupyter.widget-state+json"

# {source}: what pip installs where no wheel lies beside the notebook; {floors}: oldest versions.
INSTALL = """\
# @title Install what this chapter needs
# Packages that are here already stay as they are, unless one is too old for the chapter.
import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile

from packaging.version import InvalidVersion, Version

PACKAGE = "policy-cliff-companion"
SOURCE = {source!r}
OLDEST = {floors!r}


def versions():
    found = {{}}
    for package in importlib.metadata.distributions():
        name = (package.metadata["Name"] or "").lower().replace("_", "-").replace(".", "-")
        try:
            found.setdefault(name, str(Version(package.version)))
        except (InvalidVersion, TypeError):
            pass  # what has no version can be neither kept nor replaced
    return found


def install(what, before):
    kept = [
        f"{{name}}=={{version}}"
        for name, version in before.items()
        if name and Version(version) >= Version(OLDEST.get(name, "0"))
    ]
    with tempfile.TemporaryDirectory() as folder:
        pins = pathlib.Path(folder, "pins.txt")
        pins.write_text("\\n".join(kept))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--constraint", str(pins)]
        done = subprocess.run([*command, what], capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = said[0] if said else "pip failed"
        raise SystemExit(f"Not installed; is there a network? Run this cell again. {{reason}}")
    importlib.invalidate_caches()


before = versions()
if PACKAGE not in before:
    wheels = sorted(pathlib.Path().glob("policy_cliff_companion-*.whl"))
    what = f"{{PACKAGE}}[rlhf] @ {{wheels[-1].resolve().as_uri()}}" if wheels else SOURCE
    if what is None:
        raise SystemExit(
            "Upload the package, policy_cliff_companion-….whl, which is offered beside this "
            "notebook, into this folder (the folder sign at the left), and run this cell again."
        )
    install(what, before)
    after = versions()
    replaced = [n for n in before if after.get(n) != before[n]]
    print("Added:", ", ".join(f"{{n}} {{after[n]}}" for n in sorted(after.keys() - before)))
    print("Too old, replaced:", ", ".join(replaced) or "nothing")
    if any(name.replace("-", "_") in sys.modules for name in replaced):
        raise SystemExit("A replaced package is in use: Runtime > Restart session, then run all.")
if "google.colab" in sys.modules:
    from google.colab import output

    output.enable_custom_widget_manager()"""

FORM = """\
# @title What to train {{ display-mode: "form" }}
# @markdown **size** of the pretrained model: auto trains small where there is a GPU, else none.
size = "auto"  # @param ["auto", "tiny", "small", "large"]
# @markdown Supervised starts for each one that the chapter trains:
seeds = 1  # @param {{type: "integer"}}
# @markdown Steps of reinforcement learning, and of the supervised start; 0 takes the record's:
steps = 0  # @param {{type: "integer"}}
supervised_steps = 0  # @param {{type: "integer"}}
# @markdown Copy finished runs to Google Drive, and go on from those that are there:
keep_on_drive = False  # @param {{type: "boolean"}}

from companion.studies.session import choose

tier, jobs = choose(size, seeds, steps, supervised_steps, keep_on_drive){more}"""

NOTE = """\
> **What you train here is yours.** The text, the tables and the claims of this chapter speak of the
> recorded runs: of models made from nothing (size tiny), and of SmolLM2-135M-Instruct (size small).
> Runs of this session are drawn beside them, and compared only where the recipe is the record's.
> How long they take is printed before they start."""

BESIDE = """\
# @title Your runs beside the recorded ones
from companion.studies.beside import beside_the_record

beside_the_record()"""


def install_source(notebook: NotebookNode, repository: str | None) -> str | None:
    """What pip installs for an executed chapter: the package at the commit it was built from."""
    commit = notebook.metadata.get("companion", {}).get("commit", "unknown")
    if repository is None or commit == "unknown":
        return None
    commit = commit.removesuffix(UNCOMMITTED)
    return f"policy-cliff-companion[rlhf] @ git+{repository}@{commit}"


def edition(
    notebook: NotebookNode,
    source: str | None,
    floors: Mapping[str, str],
    references: References,
) -> NotebookNode:
    """The Colab edition of an executed ``notebook``, outputs included.

    Args:
        notebook: chapter, executed or not.
        source: requirement that the first cell gives to pip if no wheel lies beside the notebook;
            None: it asks for the wheel.
        floors: oldest version of each package that will do, see ``companion.publish.wheel``.
        references: the book's numbers, titles and citations.
    """
    notebook = copy.deepcopy(notebook)
    trains = False
    cells = [new_code_cell(INSTALL.format(source=source, floors=dict(floors)), id="install")]
    _fold(cells[0])
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if "injected-parameters" in tags:
            continue
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = plain(cell.source, references)
        if cell.cell_type == "code" and tags & _FOLDED:
            _fold(cell)
        if cell.cell_type == "code" and tags & _FOLDED_WHOLE:
            _fold_outputs(cell)
        if "parameters" in tags and "tier" in _names(cell.source):
            trains = True
            cell.source = _form(cell.source)
            cells.append(new_markdown_cell(NOTE, id="what-is-yours"))
        for output in cell.get("outputs", []):
            _plain_output(output.get("data", {}), references)
    if trains:
        cells.append(new_code_cell(BESIDE, id="beside"))
        _fold(cells[-1])
    notebook.cells = cells
    _describe(notebook, trains)
    return notebook


def _fold(cell: NotebookNode) -> None:
    """Hide a cell's code, in Colab and in Jupyter."""
    cell.metadata["cellView"] = "form"
    cell.metadata.setdefault("jupyter", {})["source_hidden"] = True
    title = cell.metadata.get("mystnb", {}).get("code_prompt_show")
    if title and "@title" not in cell.source:
        cell.source = f"# @title {title}\n{cell.source}"


def _fold_outputs(cell: NotebookNode) -> None:
    """Hide what a cell shows, by both names that the notebook format has for it."""
    cell.metadata["collapsed"] = True
    cell.metadata.setdefault("jupyter", {})["outputs_hidden"] = True


def _describe(notebook: NotebookNode, trains: bool) -> None:
    """The notebook's metadata: what Colab reads, and no widgets without their state."""
    notebook.metadata["colab"] = {"provenance": [], "toc_visible": True}
    if trains:
        notebook.metadata["accelerator"] = "GPU"
        notebook.metadata["colab"]["gpuType"] = "T4"
    widgets = notebook.metadata.get("widgets", {})
    if not widgets.get(_WIDGETS, {}).get("state"):
        notebook.metadata.pop("widgets", None)


def _names(source: str) -> set[str]:
    return {name for name, _ in _assignments(source)}


def _assignments(source: str) -> list[tuple[str, str]]:
    """Names that a parameters cell assigns, each with its line."""
    lines = source.splitlines()
    return [
        (target.id, "\n".join(lines[node.lineno - 1 : node.end_lineno]))
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def _form(source: str) -> str:
    """The form, and the chapter's other parameters as they are."""
    others = [line for name, line in _assignments(source) if name not in PARAMETERS]
    return FORM.format(more="".join(f"\n{line}" for line in others))


def _plain_output(data: NotebookNode, references: References) -> None:
    """Of a figure keep the HTML, which holds its picture; convert other Markdown."""
    if "text/markdown" in data and "text/html" in data:
        del data["text/markdown"]
    elif "text/markdown" in data:
        data["text/markdown"] = plain(data["text/markdown"], references)
