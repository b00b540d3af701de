"""What a notebook rests on: at least what Python then imports, and not the whole package."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from companion.publish.imports import Package
from companion.publish.project import PACKAGE, Project

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path):
    """``package(files)`` lays a package ``lab`` with these files."""

    def lay(files):
        for name, text in files.items():
            path = tmp_path / "lab" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            (path.parent / "__init__.py").touch()
        return Package(tmp_path / "lab")

    return lay


def reached(package, source):
    return {path.relative_to(package.folder).as_posix() for path in package.reached([source])}


TREE = {
    "__init__.py": "",
    "a.py": "from lab.b import thing",
    "b.py": "def thing():\n    from lab.deep import c",
    "deep/__init__.py": "",
    "deep/c.py": "from . import d\nfrom ..other import x",
    "deep/d.py": "",
    "other.py": "x = 1",
    "alone.py": "",
}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import numpy", []),
        ("import lab.alone", ["__init__", "alone"]),
        ("from lab import alone", ["__init__", "alone"]),
        ("import lab.other as o, os", ["__init__", "other"]),
        (
            "from lab.a import thing",
            ["__init__", "a", "b", "deep/__init__", "deep/c", "deep/d", "other"],
        ),
        ("if True:\n    !ls\n    %run x\n    import lab.alone", ["__init__", "alone"]),
        ("subprocess.run([python, '-m', 'lab.alone'])", ["__init__", "alone"]),
        ("this is no Python", [name.removesuffix(".py") for name in TREE]),
        ("__import__(name)", [name.removesuffix(".py") for name in TREE]),
        ("importlib.import_module(f'lab.deep.{x}')", [n.removesuffix(".py") for n in TREE]),
    ],
)
def test_reached_modules(package, source, names):
    assert reached(package(TREE), source) == {f"{name}.py" for name in names}


def test_a_module_that_loads_by_name_reaches_its_package(package):
    tree = TREE | {"deep/registry.py": "import importlib\nimportlib.import_module(name)"}
    tree |= {"deep/loaded.py": "", "deep/under/e.py": ""}
    found = reached(package(tree), "import lab.deep.registry")
    assert {"deep/loaded.py", "deep/under/e.py"} <= found
    assert "alone.py" not in found


def test_a_name_begun_in_a_string_reaches_all_that_may_follow(package):
    tree = TREE | {"loader.py": "load(f'lab.deep.{name}')"}
    assert {"deep/c.py", "deep/d.py"} <= reached(package(tree), "import lab.loader")


def test_files_beside_a_module_are_reached_with_it(package):
    tree = TREE | {"deep/script.py": "", "deep/d.py": "Path(__file__).with_name('script.py')"}
    lab = package(tree)
    (lab.folder / "deep" / "drawing.js").write_text("")
    (lab.folder / "deep" / "styles").mkdir()
    (lab.folder / "deep" / "styles" / "x.css").write_text("")
    found = reached(lab, "import lab.deep.d")
    assert {"deep/script.py", "deep/drawing.js", "deep/styles/x.css"} <= found
    assert "deep/drawing.js" not in reached(lab, "import lab.alone")


LOADED = """
import sys
for line in {imports!r}:
    exec(line)
print(*(m.__file__ for n, m in sys.modules.items() if n.split(".")[0] == "companion"), sep="\\n")
"""


@pytest.mark.parametrize("name", ["04_cliff", "10_geometry", "paper_index", "results_map"])
def test_python_loads_nothing_else(name):
    """All that the chapter's own import statements load is in its key."""
    (chapter,) = Project(ROOT).chapters([name])
    body = [node for source in chapter.code for node in ast.parse(source).body]
    imports = [ast.unparse(n) for n in body if isinstance(n, ast.Import | ast.ImportFrom)]
    ours = [line for line in imports if "companion" in line]
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(imports=ours)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {Path(line) for line in done.stdout.split()}
    assert loaded
    assert loaded <= set(chapter.inputs())


def test_a_docstring_of_the_laboratory_reaches_no_page_that_does_not_use_it():
    laboratory = PACKAGE / "rlhf" / "training.py"
    using = [c.name for c in Project(ROOT).chapters() if laboratory in c.inputs()]
    for chapter in Project(ROOT).chapters():
        uses = re.search(r"companion\.(rlhf|studies)", "\n".join(chapter.code)) is not None
        assert (chapter.name in using) is uses, chapter.name
    assert "04_cliff" in using
    assert not {"10_geometry", "errata"} & set(using)
