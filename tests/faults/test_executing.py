"""Cells that end, print or are set up as no author expects."""

import json
import textwrap

import pytest
from tiny_book import add_chapter, command, edit

AFTER = "\n```\n\n```{{code-cell}} python\nprint('after')"


def two_cells(project, source):
    path = add_chapter(project, "02_second", source + AFTER.replace("{{", "{").replace("}}", "}"))
    (project.root / "notebooks" / "01_tiny.md").unlink()
    return path


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit",
        "import sys\nsys.exit(0)",
        "exit()",
        "import os\nos._exit(0)",
        "get_ipython().ask_exit()",
    ],
)
def test_no_cell_is_skipped_by_one_that_ends_the_kernel(project, source):
    two_cells(project, source)
    done = command(project, "--no-site")
    if done.returncode == 0:  # IPython's own exit() may mean nothing to a kernel
        notebook = json.loads((project.executed / "02_second.ipynb").read_text())
        assert notebook["cells"][-1]["outputs"][0]["text"] == ["after\n"]
    else:
        assert done.returncode == 2
        assert "notebooks/02_second.md: cell " in done.stderr
        assert not list(project.executed.glob("*.ipynb"))


def test_what_children_write_is_no_report(project):
    source = """
    import os
    import subprocess
    import sys
    subprocess.run(["echo", "hi"])
    subprocess.run([sys.executable, "-c", "print({})"])
    os.write(1, b'{"failed": 1}\\n')
    """
    two_cells(project, textwrap.dedent(source))
    done = command(project, "--no-site")
    assert done.returncode == 0, done.stderr
    assert "after" in (project.executed / "02_second.ipynb").read_text()


@pytest.mark.parametrize(
    "source",
    [
        "print('x' * 100_000_000)",
        "while True:\n    print('x' * 10_000)",
        "from IPython.display import HTML\nHTML('x' * 100_000_000)",
    ],
    ids=["print", "endless", "html"],
)
def test_a_page_takes_only_so_much(project, source):
    two_cells(project, source)
    done = command(project, "--no-site")
    assert done.returncode == 2
    assert "notebooks/02_second.md: cell 2 failed" in done.stderr
    assert "more than 8 MB on the page" in done.stderr
    assert len(done.stderr) < 10_000


SETTINGS = """
import builtins
import os

import matplotlib

print(matplotlib.rcParams["text.usetex"], matplotlib.rcParams["axes.linewidth"])
print(os.environ["OMP_NUM_THREADS"], os.environ.get("PYTHONWARNINGS"), os.environ.get("TZ"))
print(getattr(builtins, "planted", None))
1
2
"""
PLANT = "import builtins\nbuiltins.planted = True\n"


@pytest.fixture(scope="module")
def untouched(make_project, tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("untouched") / "book")
    two_cells(project, SETTINGS)
    assert command(project, "--no-site").returncode == 0
    return (project.executed / "02_second.ipynb").read_bytes()


def matplotlibrc(home):
    folder = home / ".config" / "matplotlib"
    folder.mkdir(parents=True)
    (folder / "matplotlibrc").write_text("text.usetex: True\naxes.linewidth: 7\n")
    return {"XDG_CONFIG_HOME": str(home / ".config"), "MPLCONFIGDIR": str(folder)}


def ipython_profile(home):
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    config = "c = get_config()\nc.InteractiveShell.ast_node_interactivity = 'all'\n"
    (startup.parent / "ipython_config.py").write_text(config)
    (startup / "00.py").write_text(PLANT)
    return {}


def kernel_of_that_name(home):
    folder = home / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    return {"JUPYTER_PATH": str(home / "jupyter"), "JUPYTER_DATA_DIR": str(home / "jupyter")}


def python_startup(home):
    (home / "site").mkdir()
    (home / "site" / "sitecustomize.py").write_text(PLANT)
    return {"PYTHONSTARTUP": str(home / "site" / "sitecustomize.py"), "PYTHONWARNINGS": "error"}


def variables(home):
    return {"OMP_NUM_THREADS": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}


@pytest.mark.parametrize(
    "plant", [matplotlibrc, ipython_profile, kernel_of_that_name, python_startup, variables]
)
def test_no_setting_of_the_user_enters_the_book(project, untouched, tmp_path, plant):
    home = tmp_path / "home"
    home.mkdir()
    two_cells(project, SETTINGS)
    done = command(project, "--no-site", HOME=str(home), **plant(home))
    assert done.returncode == 0, done.stderr
    assert (project.executed / "02_second.ipynb").read_bytes() == untouched


def test_a_file_changed_while_it_is_used_is_not_cached(project):
    data = project.data / "paper" / "tiny.csv"
    change = f"import pathlib\npathlib.Path({str(data)!r}).write_text('x,y\\n9,9\\n')"
    edit(project.root / "notebooks" / "01_tiny.md", "object()", change)
    done = command(project, "--no-site")
    assert done.returncode == 2
    assert "changed while it was executed" in done.stderr
