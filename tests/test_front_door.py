"""The files a newcomer meets first: packaging, lock, licences, citation, conda environment."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from companion.publish.site import DOCUMENTED

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = {
    name.lower().replace("_", "-"): version
    for name, version in re.findall(
        r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE
    )
}


def names(requirements):
    return [re.match(r"[\w.-]+", line).group().lower() for line in requirements]


@pytest.mark.parametrize("extra", [None, "book", "rlhf", "test"])
def test_everything_we_ask_for_is_locked(extra):
    asked = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    assert not [name for name in names(asked) if name not in LOCK]


def test_torch_is_locked_without_naming_a_build():
    assert LOCK["torch"] == "2.13.0"


def test_conda_environment_installs_this_package_under_the_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert conda["name"] == PROJECT["name"]
    assert f"python{PROJECT['requires-python']}" in conda["dependencies"]
    (pip,) = [part["pip"] for part in conda["dependencies"] if isinstance(part, dict)]
    assert "--constraint constraints.txt" in pip
    (package,) = [line for line in pip if line.startswith("--editable .[")]
    extras = set(package.split("[")[1].rstrip("]").split(","))
    assert extras == set(PROJECT["optional-dependencies"]) - {"cluster"}


def validate(file, schema):
    check = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, file]
    return subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)


def test_citation_file_is_valid_and_names_this_version():
    done = validate("CITATION.cff", "vendor.citation-file-format")
    assert done.returncode == 0, done.stdout
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert PROJECT["version"] in (ROOT / "book" / "cite.md").read_text()


def test_workflows_are_valid():
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        done = validate(workflow, "vendor.github-workflows")
        assert done.returncode == 0, done.stdout


def test_two_licences_code_and_text():
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert "Attribution 4.0 International" in (ROOT / "LICENSE-CC-BY-4.0").read_text()
    assert PROJECT["license-files"] == ["LICENSE", "LICENSE-CC-BY-4.0"]


BOOK = (
    "python3 -m venv .venv && .venv/bin/pip install --no-user -c constraints.txt nox"
    " && .venv/bin/nox -s book"
)


def test_readme_book_and_ci_give_the_same_two_commands():
    for page in ("README.md", "book/running.md", ".ci/run"):
        text = (ROOT / page).read_text()
        assert BOOK in text, page
        assert ".venv/bin/nox -s tests" in text, page


def test_every_locked_version_has_hashes_but_torch():
    """If not: ``nox -s lock``. Torch's CPU and CUDA builds are different files."""
    text = (ROOT / "hashes.txt").read_text()
    hashed = dict(re.findall(r"^([\w.-]+)==(\S+) \\\n    --hash=sha256:", text, re.MULTILINE))
    canonical = {re.sub(r"[-_.]+", "-", name): version for name, version in LOCK.items()}
    del canonical["torch"]
    assert hashed == canonical


def test_hooks_are_valid_and_run_programs_of_the_lock():
    file = ROOT / ".pre-commit-config.yaml"
    check = [Path(sys.executable).with_name("pre-commit"), "validate-config", file]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    (local,) = yaml.safe_load(file.read_text())["repos"]
    entries = " ".join(hook["entry"] for hook in local["hooks"])
    programs = set(re.findall(r"\.nox/companion/bin/(\S+)", entries))
    assert programs == {"codespell", "jupytext", "ruff"} <= set(LOCK)


def test_what_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"\b(?:src|tests|data|book|notebooks)/[\w./]+\w", text))
    assert len(paths) > 8
    assert not [path for path in paths if "N" not in path and not (ROOT / path).exists()]
    sessions = set(re.findall(r"nox -s (\w+)", text))
    assert sessions <= set(
        re.findall(r"^def (\w+)", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    )


def test_changelog_knows_this_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == ["Unreleased", PROJECT["version"]]


def test_pages_of_the_package_are_those_whose_docstrings_rebuild_the_site():
    pages = {page.stem: page.read_text() for page in (ROOT / "book" / "api").glob("*.md")}
    assert pages.keys() == set(DOCUMENTED)
    assert all(f"automodule:: companion.{name}\n" in text for name, text in pages.items())
