"""Installing and checking out, interrupted or under a user's own settings."""

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def noxfile(module, tmp_path, monkeypatch):
    """The real noxfile with an environment of our own."""
    monkeypatch.setattr(module, "ENVIRONMENT", tmp_path / "environment")
    (tmp_path / "environment").mkdir()
    return module


class Session:
    """Writes down what it is asked to run; stops at the call number ``stop``."""

    def __init__(self, stop=None):
        self.calls, self.stop = [], stop

    def run(self, *command, external=False, env=None):
        if len(self.calls) == self.stop:
            raise KeyboardInterrupt
        self.calls.append((command, env))


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_an_interrupted_installation_is_none(noxfile, stop):
    """The stamp of an earlier, whole one under the same lock must not stand for it."""
    noxfile.environment(Session())
    stamp = noxfile.ENVIRONMENT / "installed.sha256"
    whole = stamp.read_text()
    stamp.write_text("another lock")
    with pytest.raises(KeyboardInterrupt):
        noxfile.environment(Session(stop))
    assert not stamp.exists()
    again = Session()
    noxfile.environment(again)
    assert again.calls
    assert stamp.read_text() == whole


def test_an_unchanged_environment_is_left_alone(noxfile):
    noxfile.environment(Session())
    again = Session()
    noxfile.environment(again)
    assert not again.calls


def test_only_torch_is_looked_for_on_its_own_index(noxfile, monkeypatch):
    monkeypatch.setattr(noxfile.shutil, "which", lambda name: None)
    monkeypatch.setattr(noxfile.sys, "platform", "linux")
    monkeypatch.setattr(noxfile.urllib.request, "urlopen", lambda *_, **__: io.BytesIO())
    session = Session()
    noxfile.environment(session)
    lines = [" ".join(command) for command, _ in session.calls]
    assert not [line for line in lines if "extra-index" in line]
    (line,) = [line for line in lines if noxfile.CPU_WHEELS in line]
    assert "--index-url" in line
    assert "--no-deps" in line
    assert line.rpartition(" ")[2].startswith("torch==")


def test_every_pip_stays_in_the_environment(noxfile):
    session = Session()
    noxfile.environment(session)
    pips = [env for command, env in session.calls if "pip" in command]
    assert len(pips) >= 2
    assert all(env == {"PIP_USER": "0"} for env in pips)


def test_the_first_command_under_pip_user(tmp_path):
    """As README gives it, up to what it installs: here a package that is nothing."""
    text = (ROOT / "README.md").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("python3 -m venv")]
    begin, _ = line.split(" -c constraints.txt nox")
    package = tmp_path / "nothing"
    package.mkdir()
    (package / "nothing-1-py3-none-any.whl").write_bytes(wheel())
    command = f"{begin} --no-index nothing/nothing-1-py3-none-any.whl"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "HOME": str(tmp_path), "PIP_USER": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / ".venv").rglob("nothing-1.dist-info"))


def wheel():
    """The smallest wheel that pip installs."""
    info = "nothing-1.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1\n")
        file.writestr(
            f"{info}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        file.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return buffer.getvalue()


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="no git")
@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.eol=crlf"])
def test_a_checkout_with_converted_line_ends_has_the_same_bytes(tmp_path, setting):
    clone = tmp_path / "clone"
    git = ["git", "-c", setting, "-c", f"safe.directory={ROOT}"]
    subprocess.run([*git, "clone", "--quiet", "--shared", "--no-checkout", ROOT, clone], check=True)
    parts = [".gitattributes", "data/paper", "data/README.md", "notebooks", "constraints.txt"]
    subprocess.run([*git, "checkout", "HEAD", "--", *parts], cwd=clone, check=True)
    files = [file for file in clone.rglob("*") if file.is_file() and ".git" not in file.parts]
    assert len(files) > 20
    for file in files:
        name = file.relative_to(clone).as_posix()
        stored = subprocess.run(
            ["git", "show", f"HEAD:{name}"], cwd=clone, capture_output=True, check=True
        )
        assert file.read_bytes() == stored.stdout, name
