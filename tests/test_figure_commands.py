"""``companion figures`` and ``companion cite`` on a small built book."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pybtex.database import parse_string

from companion import cli
from companion.publish.catalogue import Catalogue, Part, Shown

ENDS = ("svg", "pdf", "png")


def shown(id, slide=True):
    return Shown(
        id=id,
        number="Fig. 4.1",
        title="A line",
        alt="A line.",
        caption="A line.",
        page="chapters/04_cliff",
        chapter="The cliff",
        results=("Proposition 2.10",),
        family="theory alone",
        attribution=f"Fig. 4.1 ({id}), the book",
        bibtex=f"@misc{{policy-cliff-{id},\n  title = {{A line}}\n}}\n",
        code=None,
        slide=slide,
    )


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A checkout with a built site of two figures; the working directory."""
    for name in ("_config.yml", "_toc.yml"):
        (tmp_path / name).touch()
    folder = tmp_path / "_build" / "html" / "figures"
    catalogue = Catalogue(
        Part("book", "The book", "@misc{thebook,\n  title = {The book}\n}\n"),
        Part("paper", "The paper", "@misc{thepaper,\n  title = {The paper}\n}\n"),
        (Part("04_cliff", "The cliff", "@misc{chapter,\n  title = {The cliff}\n}\n"),),
        (shown("cliff-trained"), shown("cliff-bare", slide=False)),
    )
    for figure in catalogue.figures:
        (folder / figure.id).mkdir(parents=True)
        for name in [*figure.files(), f"{figure.id}.csv"]:
            (folder / figure.id / name).write_text(name)
    catalogue.write(folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    def command(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return command


def test_list_names_number_title_and_results(book, run):
    code, out, _ = run("figures", "list")
    assert code == 0
    assert out.splitlines()[0].split() == (
        ["Fig.", "4.1", "cliff-trained", "A", "line", "[Proposition", "2.10]"]
    )


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ((), [f"cliff-trained-slide.{end}" for end in ENDS]),
        (("--format", "slide", "--dark"), [f"cliff-trained-slide-dark.{end}" for end in ENDS]),
        (("--format", "svg"), ["cliff-trained.svg"]),
        (("--format", "pdf", "--dark"), ["cliff-trained-dark.pdf"]),
        (("--format", "csv"), ["cliff-trained.csv"]),
    ],
)
def test_get_copies_the_files_and_says_how_to_attribute(book, run, arguments, files):
    code, out, _ = run("figures", "get", "cliff-trained", *arguments, "--to", "talk/new")
    assert code == 0
    assert sorted(path.name for path in Path("talk/new").iterdir()) == sorted(files)
    assert all((Path("talk/new") / name).read_text() == name for name in files)
    assert out.splitlines()[-1] == "Fig. 4.1 (cliff-trained), the book"


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ((), ["thepaper", "thebook"]),
        (("cliff-trained",), ["policy-cliff-cliff-trained"]),
        (("4",), ["chapter"]),
        (("04_cliff",), ["chapter"]),
    ],
)
def test_cite_prints_entries(book, run, arguments, keys):
    code, out, _ = run("cite", *arguments)
    assert code == 0
    assert list(parse_string(out, "bibtex").entries) == keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("figures", "get", "clif-traind"), "unknown figure 'clif-traind'; nearest: cliff-trained"),
        (("figures", "get", "trained"), "unknown figure 'trained'; nearest: cliff-trained"),
        (("figures", "get", "cliff-trained", "--format", "pgn"), "'pgn'; nearest: png"),
        (
            ("figures", "get", "cliff-trained", "--format", "?"),
            "nearest: slide, svg, pdf, png, csv",
        ),
        (("figures", "get", "cliff-bare"), "figure 'cliff-bare': has no slide"),
        (("figures", "get", "cliff-trained", "--format", "csv", "--dark"), "no dark version"),
        (("cite", "clif"), "unknown figure or chapter 'clif'; nearest: "),
        (("cite", "44"), "unknown figure or chapter '44'; nearest: 4"),
    ],
)
def test_a_wrong_name_is_answered_by_the_nearest(book, run, arguments, message):
    code, out, err = run(*arguments)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not out


def test_without_a_built_book_one_line_says_what_to_run(book, run):
    (book / "_build" / "html" / "figures" / "catalogue.json").unlink()
    for arguments in (("figures", "list"), ("cite",)):
        code, _, err = run(*arguments)
        assert code == 2
        assert "run companion build" in err
        assert len(err.splitlines()) == 1


def test_the_command_is_there_without_what_draws_and_builds():
    heavy = {"matplotlib", "pandas", "pptx", "sphinx", "torch"}
    ask = f"import sys, companion.cli; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", ask], env=os.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
