"""The Colab edition: plain Markdown, the book's numbers, an install that changes nothing there."""

import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from companion.publish.colab import edition, install_source
from companion.publish.plain import References, plain
from companion.publish.project import Project
from companion.publish.wheel import floors, wheel_name

ROOT = Path(__file__).parents[2]
BOOK = References(
    labels={"prop-x": "Proposition 3", "eq-x": "(7)", "fig-x": "Fig. 2", "sec-x": "A section"},
    pages={"notation": "Notation", "chapters/04_cliff": "The cliff"},
    citations={"xu2025": "[Xu (2025)](https://example.org)", "li2024": "Li (2024)"},
    macros={r"\E": r"\operatorname{\mathbb{E}}"},
)
RAW = re.compile(r"\{[a-z:]+\}`|^\s*(?:`{3,}|:{3,})\{|^:::|^\([\w-]+\)=", re.MULTILINE)


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        ("see {cite}`xu2025`", "see ([Xu (2025)](https://example.org))"),
        (
            "{cite:t}`xu2025` and {cite:p}`xu2025,li2024`",
            "[Xu (2025)](https://example.org) and ([Xu (2025)](https://example.org); Li (2024))",
        ),
        ("by {prf:ref}`prop-x`", "by Proposition 3"),
        ("by {prf:ref}`the claim <prop-x>`", "by the claim"),
        ("{numref}`fig-x`, {numref}`Figure %s <fig-x>`", "Fig. 2, Figure 2"),
        ("from {eq}`eq-x`", "from (7)"),
        ("in {ref}`sec-x`", "in A section"),
        ("in {doc}`../notation` and {doc}`04_cliff`", "in Notation and The cliff"),
        ("[the notation](../notation.md), [](#prop-x)", "the notation, Proposition 3"),
        ("[](../notation)", "Notation"),
        ("[out](https://example.org/a_b)", "[out](https://example.org/a_b)"),
        ("{math}`x^2` H{sub}`2`O", "$x^2$ H<sub>2</sub>O"),
        (r"$\E[R] \Epsilon$", r"${\operatorname{\mathbb{E}}}[R] \Epsilon$"),
        ("(a-target)=\n# Title", "# Title"),
        ("$$\nx\n$$ (eq-x)", "$$\nx\n\\tag{7}$$"),
        ("$$ x $$ (eq-unknown)", "$$ x $$"),
        ("```{math}\n:label: eq-x\nx\n```", "$$\nx\n\\tag{7}\n$$"),
        ("```python\n{cite}`xu2025`\n```", "```python\n{cite}`xu2025`\n```"),
        ("```{code-block} sh\nls\n```", "```sh\nls\n```"),
        ("```{bibliography}\n```", ""),
        ("a line\n% a comment\n+++\nanother", "a line\nanother"),
        (
            ":::{prf:theorem} The cliff\n:label: t\n\nText, {eq}`eq-x`.\n:::",
            "\n> **Theorem (The cliff).**\n>\n> Text, (7).\n",
        ),
        ("```{note}\nCareful.\n```", "\n> **Note.**\n>\n> Careful.\n"),
        (
            "::::{admonition} Mind\n:::{note}\nDeep.\n:::\n::::",
            "\n> **Mind**\n>\n> > **Note.**\n> >\n> > Deep.\n",
        ),
        ("```{figure} x.svg\n:alt: A line\n\nIt rises.\n```", "\n*It rises.*\n"),
    ],
)
def test_myst_becomes_plain_markdown(myst, expected):
    assert plain(myst, BOOK) == expected


def test_edition_has_nothing_raw_and_the_books_numbers(built):
    path = built.html / "_sources" / "chapters" / "01_tiny.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert not RAW.findall(text)
    assert "**Proposition (Proposition 0.1).**" in text
    assert "A note on Proposition 1, the notation and Fig. 1." in text
    assert "[Xu (2025)](https://arxiv.org/abs/2507.20150)" in text
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = [output.data for output in outputs if "<figure>" in str(output.get("data"))]
    assert len(figures) == 1
    assert "text/markdown" not in figures[0]


def chapter(*cells, **metadata):
    return new_notebook(cells=list(cells), metadata=metadata)


def parameters(source):
    return new_code_cell(source, metadata={"tags": ["parameters", "hide-input"]})


TRAINS = 'tier = "auto"  # size\njobs = 2\nrows = 3  # of a table'


def made(*cells, source=None, **metadata):
    notebook = edition(chapter(*cells, **metadata), source, {"datasets": "4.7"}, References())
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            compile(cell.source, "cell", "exec")
    return notebook


def test_install_names_the_commit_the_chapter_was_built_at():
    notebook = chapter(companion={"commit": "abc+uncommitted"})
    source = install_source(notebook, "https://github.com/someone/book")
    expected = "policy-cliff-companion[rlhf] @ git+https://github.com/someone/book@abc"
    assert source == expected
    assert expected in made(source=source).cells[0].source
    assert install_source(notebook, None) is None


def test_code_is_folded_where_the_page_folds_it_and_the_experiment_is_seen():
    hidden = new_code_cell("x = 1", metadata={"tags": ["hide-input"]})
    named = new_code_cell(
        "y = 1",
        metadata={"tags": ["hide-input"], "mystnb": {"code_prompt_show": "Code: the three runs"}},
    )
    seen = new_code_cell("Experiment()")
    install, *cells = made(hidden, named, seen).cells
    for cell in (install, *cells[:2]):
        assert cell.metadata["cellView"] == "form"
        assert cell.metadata["jupyter"]["source_hidden"] is True
    assert cells[1].source == "# @title Code: the three runs\ny = 1"
    assert "cellView" not in cells[2].metadata
    assert "jupyter" not in cells[2].metadata


def test_a_solution_is_folded_with_what_it_shows():
    solution = new_code_cell(
        "1 + 1",
        metadata={"tags": ["hide-cell"], "mystnb": {"code_prompt_show": "the solution"}},
    )
    code = new_code_cell("2 + 2", metadata={"tags": ["hide-input"]})
    _, solution, code = made(solution, code).cells
    assert solution.source == "# @title the solution\n1 + 1"
    assert solution.metadata["cellView"] == "form"
    assert solution.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert solution.metadata["collapsed"] is True
    assert "collapsed" not in code.metadata
    assert "outputs_hidden" not in code.metadata["jupyter"]


def test_a_chapter_that_trains_gets_a_form_a_gpu_and_its_runs_beside_the_record():
    notebook = made(new_markdown_cell("# Title"), parameters(TRAINS))
    assert notebook.metadata["accelerator"] == "GPU"
    form = notebook.cells[2].source
    for field in ("size", "seeds", "steps", "supervised_steps", "keep_on_drive"):
        assert re.search(rf"^{field} = .*# @param", form, re.MULTILINE)
    assert form.endswith("rows = 3  # of a table")
    assert "jobs = 2" not in form
    assert notebook.cells[3].cell_type == "markdown"
    assert "beside_the_record()" in notebook.cells[-1].source


def test_a_page_that_trains_one_model_at_a_time_gets_the_form_too():
    form = made(new_markdown_cell("# Title"), parameters('tier = "auto"  # size')).cells[2].source
    assert form.endswith("keep_on_drive)")


def test_a_chapter_that_trains_nothing_asks_for_no_gpu():
    notebook = made(parameters("discount = 0.5"))
    assert "accelerator" not in notebook.metadata
    assert [cell.source for cell in notebook.cells[1:]] == ["discount = 0.5"]


def test_parameters_of_one_build_stay_out_of_the_edition():
    injected = new_code_cell('tier = "large"', metadata={"tags": ["injected-parameters"]})
    assert not any(c.source[-6:] == 'large"' for c in made(parameters(TRAINS), injected).cells)


@pytest.mark.parametrize("state", [{}, {"m": {"model_name": "X"}}], ids=["empty", "full"])
def test_widgets_stand_with_their_state_or_not_at_all(state):
    kind = "application/vnd.jupyter.widget-state+json"
    widgets = {
        kind: {"version_major": 2, "version_minor": 0, **({"state": state} if state else {})}
    }
    notebook = made(widgets=widgets)
    assert ("widgets" in notebook.metadata) is bool(state)


def test_every_page_is_plain_markdown():
    """No directive, role or target of any notebook is left to show as raw text."""
    for page in Project(ROOT).chapters():
        notebook = edition(nbformat.from_dict(page.notebook), None, floors(), References())
        nbformat.validate(notebook)
        text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        assert not RAW.findall("\n".join(text)), page.source


def test_install_floors_are_those_of_the_package():
    assert floors().keys() >= {"ipython", "ipywidgets", "pandas", "trl", "torch"}
    assert Version("7.34") in SpecifierSet(f">={floors()['ipython']}")


def run_install(folder, notebook, **environment):
    """The first cell in a process whose pip only notes what it was asked for."""
    (folder / "pip").mkdir()
    (folder / "pip" / "__init__.py").touch()
    (folder / "pip" / "__main__.py").write_text(PIP)
    cell = folder / "cell.py"
    cell.write_text(notebook.cells[0].source)
    return subprocess.run(
        [sys.executable, "cell.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)} | environment,
        capture_output=True,
        text=True,
    )


# A pip that installs nothing: it keeps its pins, and fails where it is told to.
PIP = """
import os, pathlib, shutil, sys
shutil.copy(sys.argv[sys.argv.index("--constraint") + 1], "pins.txt")
pathlib.Path("what.txt").write_text(sys.argv[-1])
if "NO_NETWORK" in os.environ:
    sys.exit("WARNING: Retrying\\nERROR: Could not find a version\\nERROR: No matching")
"""
ABSENT = {'PACKAGE = "policy-cliff-companion"': 'PACKAGE = "not-installed-anywhere"'}


def uninstalled(notebook):
    """The edition as where the package is missing, whatever this environment holds."""
    for old, new in ABSENT.items():
        assert old in notebook.cells[0].source
        notebook.cells[0].source = notebook.cells[0].source.replace(old, new)
    return notebook


def test_all_that_is_installed_is_kept_but_what_is_too_old(tmp_path):
    notebook = edition(chapter(), "it @ git+x", {"numpy": "999", "pandas": "1"}, References())
    done = run_install(tmp_path, uninstalled(notebook))
    assert done.returncode == 0, done.stderr
    pins = (tmp_path / "pins.txt").read_text().splitlines()
    names = {pin.partition("==")[0] for pin in pins}
    assert {"ipython", "torch", "pandas", "matplotlib", "traitlets"} <= names
    assert "numpy" not in names
    assert f"pandas=={version('pandas')}" in pins
    assert (tmp_path / "what.txt").read_text() == "it @ git+x"


def test_an_uploaded_wheel_is_installed(tmp_path):
    wheel = tmp_path / "policy_cliff_companion-0.1.0-py3-none-any.whl"
    wheel.touch()
    done = run_install(tmp_path, uninstalled(made()))
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "what.txt").read_text()
    assert asked == f"not-installed-anywhere[rlhf] @ {wheel.as_uri()}"


def test_without_wheel_and_repository_the_wheel_is_asked_for(tmp_path):
    done = run_install(tmp_path, uninstalled(made()))
    assert done.returncode == 1
    assert done.stderr.startswith("Upload the package, policy_cliff_companion-")
    assert done.stderr.count("\n") == 1


def test_without_a_network_one_line_says_so(tmp_path):
    done = run_install(tmp_path, uninstalled(made(source="it @ git+x")), NO_NETWORK="1")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Not installed; is there a network? Run this cell again. ERROR: Could not find a version"
    ]


@pytest.mark.parametrize("known", [True, False], ids=["repository", "none"])
def test_colab_link_stands_only_with_a_repository(project, monkeypatch, known):
    from companion.publish.build import build

    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    if known:
        monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
        monkeypatch.setenv("GITHUB_REPOSITORY", "someone/book")
    build(project)
    page = (project.html / "chapters" / "01_tiny.html").read_text()
    link = "https://colab.research.google.com/github/someone/book/blob/editions/_sources/"
    assert (f"{link}chapters/01_tiny.ipynb" in page) is known
    assert ("colab.research" in page) is known


def test_without_a_repository_the_page_offers_notebook_and_package(built):
    page = (built.html / "chapters" / "01_tiny.html").read_text()
    wheel = built.html / "_sources" / "chapters" / wheel_name()
    assert f'href="../_sources/chapters/{wheel_name()}"' in page
    assert 'href="../_sources/chapters/01_tiny.ipynb"' in page
    with zipfile.ZipFile(wheel) as packed:
        assert "companion/studies/session.py" in packed.namelist()
        assert "companion/_data/constraints.txt" in packed.namelist()
    assert "colab.research" not in page
