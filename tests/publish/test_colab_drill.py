"""Every chapter's Colab edition, top to bottom, where Colab's versions are and nothing of ours is.

One environment serves all chapters: Colab's versions of what its image and our chapters share
(colab-image.txt), torch and the rest hard-linked from the environment of the tests. The package
comes from its wheel, through the edition's own first cell. Nothing is stubbed: a notebook without
``google.colab`` runs the same cells, but for the widget manager and Drive.

A chapter takes about a minute of a processor, most of it to load packages and to draw figures. The
first trains two runs at a time, as Colab does; the others, two of which are executed side by side,
one, which spares each a process that loads torch. The drill runs where it is asked for: with
``COMPANION_DRILL=1``.
"""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from packaging.utils import canonicalize_name
from tiny_models import chat_folder

from companion.publish.colab import edition
from companion.publish.plain import References
from companion.publish.project import Project
from companion.publish.wheel import build_wheel, floors

IMAGE = Path(__file__).with_name("colab-image.txt")
UNUSED = {"notebook": "6.5.7"}  # a server that ipywidgets 7 asks for and no kernel imports
ABSENT = {"policy-cliff-companion", "trl", "gguf", "z3-solver", "papermill"}
CHAPTERS = [chapter.name for chapter in Project(Path(__file__).parents[2]).chapters()]
RAW = re.compile(r"\{[a-z:]+\}`|^\s*(?:`{3,}|:{3,})\{", re.MULTILINE)
STEPS = {"steps": 2, "supervised_steps": 2}
WEIGHTS = Path.home() / ".cache" / "policy-cliff-companion" / "SmolLM2-135M-Instruct.Q4_1"
PRETRAINED = "04b_real"
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
source, target = sys.argv[1:]
notebook = nbformat.read(source, as_version=4)
try:
    NotebookClient(notebook, timeout=600, kernel_name="colab").execute()
finally:
    nbformat.write(notebook, target)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif("COMPANION_DRILL" not in os.environ, reason="COMPANION_DRILL=1 asks for it"),
]


def pinned():
    lines = IMAGE.read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def link(own, site):
    """Link the files of this environment's packages that Colab has too into another's."""

    def linked(source, target):
        try:
            os.link(source, target)
        except OSError:  # another disk
            shutil.copy2(source, target)

    left_out = ABSENT | pinned().keys() | {"pip"}
    tops = set()
    for package in importlib.metadata.distributions(path=[str(own)]):
        if canonicalize_name(package.metadata["Name"]) not in left_out:
            tops |= {Path(file).parts[0] for file in package.files or []}
    for top in tops - {"..", "__pycache__", "mpl_toolkits"}:
        found, target = own / top, site / top
        if found.is_dir():
            shutil.copytree(found, target, copy_function=linked, dirs_exist_ok=True)
        elif found.is_file() and found.suffix != ".pth" and not target.exists():
            linked(found, target)


def run(*command, **options):
    given = {"check": True, "text": True, "capture_output": True} | options
    return subprocess.run(command, **given)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Python of the fresh environment, and the variables that a kernel there gets."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site, own = (Path(run(p, "-c", ask).stdout.strip()) for p in (python, sys.executable))
    # torch asks for a newer one than a venv of Python 3.11 brings
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
    link(own, site)
    for name, version in UNUSED.items():
        unused = site / f"{name}-{version}.dist-info"
        unused.mkdir()
        (unused / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    outside = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    outside |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PIP_NO_COMPILE": "1"}
    outside |= {"JUPYTER_PATH": str(folder)}
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "Colab", "language": "python"}
    (folder / "kernels" / "colab").mkdir(parents=True)
    (folder / "kernels" / "colab" / "kernel.json").write_text(json.dumps(kernel))
    image = ("--no-deps", "--quiet", "--requirement", str(IMAGE))
    run(python, "-m", "pip", "install", *image, env=outside)
    return python, outside


def versions(python):
    ask = (
        "import importlib.metadata as m\n"
        "for d in m.distributions(): print(d.metadata['Name'], d.version)"
    )
    pairs = [line.split(" ", 1) for line in run(python, "-c", ask).stdout.splitlines()]
    return {canonicalize_name(name): version for name, version in pairs}


def chosen(notebook, **values):
    """Fill in the form as a reader does."""
    for cell in notebook.cells:
        for name, value in values.items():
            line = re.compile(rf"^({name} = ).*?(  # @param)", re.MULTILINE)
            if cell.cell_type == "code":
                cell.source = line.sub(rf"\g<1>{value!r}\2", cell.source)
    return notebook


def drill(name, folder, environment, cache, processes=1, **values):
    """Execute a chapter's edition in a folder that holds the wheel alone; the executed notebook."""
    _, outside = environment
    (chapter,) = Project(Path(__file__).parents[2]).chapters([name])
    notebook = nbformat.from_dict(chapter.notebook)
    filled = chosen(edition(notebook, None, floors(), References()), **values)
    nbformat.write(filled, folder / f"{name}.ipynb")
    outside = outside | {"COMPANION_CACHE": str(cache), "LOKY_MAX_CPU_COUNT": str(processes)}
    done = folder / f"{name}-done.ipynb"
    command = (sys.executable, "-c", EXECUTE, f"{name}.ipynb", done.name)
    ended = run(*command, cwd=folder, env=outside, check=False)
    assert ended.returncode == 0, f"{name}: {ended.stderr[-3000:]}"
    return nbformat.read(done, as_version=4)


def printed(notebook):
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    data = [o.get("data", {}).get("text/markdown", "") for o in outputs]
    return "\n".join([*(o.get("text", "") for o in outputs), *map(str, data)])


def complaints(notebook):
    """What a reader need not see: warnings, stack traces, and whatever else goes to stderr."""
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    stray = [o.text for o in outputs if o.get("name") == "stderr"]
    return stray + [o.ename for o in outputs if o.output_type == "error"]


@pytest.fixture(scope="module")
def executed(environment, tmp_path_factory):
    """Every chapter's executed edition, and the versions before and after; two side by side.

    The weights of the pretrained model are out of reach: pages say so in a line and run on.
    """
    python, _ = environment
    folder = tmp_path_factory.mktemp("empty")
    before = versions(python)
    build_wheel(folder)
    away = folder / "no weights"
    # The first chapter installs the package, alone.
    first, *others = CHAPTERS
    choice = {"size": "tiny"} | STEPS
    done = {first: drill(first, folder, environment, away, processes=2, **choice)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = {n: pool.submit(drill, n, folder, environment, away, **choice) for n in others}
    # Each chapter's own failure is shown by its own test.
    return done | tasks, before, versions(python)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_runs_top_to_bottom(executed, name):
    outcome = executed[0][name]
    notebook = outcome if isinstance(outcome, nbformat.NotebookNode) else outcome.result()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip())
    assert not RAW.findall(printed(notebook))
    assert not complaints(notebook)


def test_the_install_changes_nothing_but_what_is_too_old(executed):
    _, before, after = executed
    assert before["ipython"] == "7.34.0"
    assert before["ipywidgets"] == "7.7.1"
    assert not before.keys() & ABSENT
    assert {name for name in before if after[name] != before[name]} == {"datasets", "pyarrow"}
    assert after.keys() >= {"policy-cliff-companion", "trl", "z3-solver"}


def test_a_stand_in_for_the_pretrained_model_is_trained(environment, executed, tmp_path):
    """The cells of the real model, with a model of random weights in its place."""
    cache = tmp_path / "cache"
    cache.mkdir()
    chat_folder(cache / WEIGHTS.name)
    build_wheel(tmp_path)
    notebook = drill(PRETRAINED, tmp_path, environment, cache, size="small", seeds=1, **STEPS)
    said = printed(notebook)
    assert "small_python: 2 supervised steps and 6 by policy gradient" in said
    assert "on a T4 (estimated, not measured)" in said
    assert "No real model was trained" not in said


def test_the_pretrained_model_is_trained(environment, executed, tmp_path):
    if not WEIGHTS.is_dir():
        pytest.skip(f"the weights are not at hand: {WEIGHTS} is missing")
    build_wheel(tmp_path)
    notebook = drill(PRETRAINED, tmp_path, environment, WEIGHTS.parent, size="small", **STEPS)
    assert "No real model was trained" not in printed(notebook)
