"""Offline bundles: what is packed, that the pieces are whole, and that they install alone."""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from companion.cli import main
from companion.errors import CompanionError
from companion.rlhf import weights
from companion.studies import bundle
from companion.studies.bundle import PIECE, make_bundle, needed, run_plan
from companion.studies.study import Study

ROOT = Path(__file__).parents[2]
SENT = ("filelock", "tqdm")  # small, and the same file for every Python


def test_what_is_needed_leaves_out_torch_and_what_is_there():
    everything = needed()
    assert {"numpy", "trl", "transformers", "gguf", "filelock"} <= set(everything)
    assert not {"torch", "policy-cliff-companion"} & set(everything)
    assert not [name for name in everything if name.startswith("nvidia")]  # torch's own
    rest = needed(has=["NumPy", "transformers"])
    assert not {"numpy", "transformers"} & set(rest)
    assert rest.items() <= everything.items()
    assert needed(has=everything) == {}


def packages(monkeypatch, **requires):
    """Let packages be installed that need each other as written."""

    def distribution(name):
        if name.replace("-", "_") not in requires:
            raise PackageNotFoundError(name)
        return SimpleNamespace(version="1.0", requires=requires[name.replace("-", "_")])

    monkeypatch.setattr(bundle, "distribution", distribution)


@pytest.mark.parametrize("order", [1, -1])
def test_extras_count_however_a_package_is_met_first(monkeypatch, order):
    ours = ["plain", "rich[fast]; extra == 'rlhf'", "never; extra == 'book'"]
    packages(
        monkeypatch,
        policy_cliff_companion=ours[::order],
        plain=["rich", "absent"],
        rich=["speed; extra == 'fast'", "colour; extra == 'pretty'"],
        speed=["plain[loop]"],
        colour=None,
        never=None,
    )
    assert set(needed()) == {"plain", "rich", "speed"}


def test_markers_are_those_of_the_other_machine(monkeypatch):
    packages(
        monkeypatch,
        policy_cliff_companion=[
            "old; python_version < '3.12'",
            "new; python_version >= '3.12'",
            "odd; python_full_version >= '3.13.0'",
        ],
        old=None,
        new=None,
        odd=None,
    )
    assert set(needed(python="3.11")) == {"old"}
    assert set(needed(python="3.12")) == {"new"}
    assert set(needed(python="3.13")) == {"new", "odd"}


def test_pieces_are_small_and_joined_they_are_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "PIECE", 1000)
    whole = os.urandom(100_500)
    (tmp_path / "whole").write_bytes(whole)
    (tmp_path / "out").mkdir()
    pieces = bundle._split(tmp_path / "whole", tmp_path / "out")
    assert len(pieces) == 101
    assert max(p.stat().st_size for p in pieces) == 1000
    # as install.sh joins them: in the order of the shell's pattern
    joined = subprocess.run(
        "cat piece-*", shell=True, cwd=tmp_path / "out", capture_output=True, check=True
    )
    assert joined.stdout == whole


def test_a_bundle_is_made_from_a_checkout(tmp_path):
    (tmp_path / "kept").write_text("not emptied")
    with pytest.raises(CompanionError, match="no checkout"):
        make_bundle(tmp_path, source=tmp_path)
    assert (tmp_path / "kept").exists()


def told(capsys, *arguments):
    with pytest.raises(SystemExit):
        main(["bundle", *map(str, arguments)])
    return capsys.readouterr().err


def test_bad_input_is_one_line(tmp_path, capsys):
    for arguments in (
        ("make", tmp_path / "b", "--has", tmp_path / "no-list"),
        ("run", "no_such_study", "--minutes", 1, "--root", tmp_path, "--out", tmp_path),
        ("run", "small_python", "--minutes", 0),
        ("import", tmp_path / "no_such.tar"),
        ("import", tmp_path / "small_python.tar", "--folder", tmp_path),
    ):
        said = told(capsys, *arguments)
        assert said.startswith("error: "), arguments
        assert len(said.splitlines()) == 1, said


def test_the_other_machines_list_is_read_as_pip_writes_it(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(bundle, "make_bundle", lambda *how: asked.append(how) or [])
    listed = "numpy==2.1.0\nRuamel.YAML==0.18\nours @ file:///some/where\n"
    (tmp_path / "list").write_text(listed)
    with pytest.raises(SystemExit) as ended:
        main(["bundle", "make", str(tmp_path / "b"), "--has", str(tmp_path / "list")])
    assert not ended.value.code
    ((target, has, python),) = asked
    assert (target, python) == (tmp_path / "b", "3.12")
    assert {"numpy", "Ruamel.YAML", "ours"} <= set(has)


FIELDS = {"task": "alignment", "tier": "small", "rewards": {"oracle": 1.0}}


def test_a_plan_without_time_packs_what_is_there(tmp_path):
    files = run_plan(["small_python"], tmp_path / "runs", tmp_path / "out", minutes=0)
    assert [f.name for f in files] == ["small_python.tar"]
    with tarfile.open(files[0]) as archive:
        assert archive.getnames() == []


def test_pieces_of_work_go_start_by_start_and_errors_are_told(tmp_path, monkeypatch, capsys):
    """Studies in turn, each start of theirs once; a piece that fails stops no other."""
    studies = {n: Study(n, 0, "?", {"one": FIELDS}, starts=range(3)) for n in ("a", "b")}
    done = []

    class Pool:
        def __init__(self, jobs, **_):
            assert jobs == 2

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def submit(self, work, name, start, root, until, only):
            future = bundle.Future()
            done.append((name, start))
            if (name, start) == ("a", 1):
                future.set_exception(RuntimeError("out of memory\nand more"))
            else:
                future.set_result(start == 0)
            return future

    monkeypatch.setattr(bundle, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(bundle, "find", studies.__getitem__)
    run_plan(["a", "b"], tmp_path, tmp_path / "out", minutes=5, jobs=2, starts=2)
    assert done == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "a, start 0: done",
        "a, start 1: failed: out of memory",
        "b, start 0: done",
        "b, start 1: not all done in time",
    ]


# What needs the package index or installs.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle for Python 3.12 of which the other machine lacks ``SENT`` alone."""
    folder = tmp_path_factory.mktemp("bundle")
    fake = folder / weights.GGUF
    fake.write_bytes(os.urandom(PIECE + 2**20))
    has = [name for name in needed() if name not in SENT]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "gguf_file", lambda progress=False: fake)
        try:
            files = make_bundle(folder / "made", has, python="3.12", source=ROOT)
        except CompanionError as error:
            if str(error).startswith("pip download"):
                pytest.skip(f"no package index: {error}")
            raise
    return files, fake


@pytest.mark.slow
def test_a_bundle_holds_wheels_weights_and_sums_in_small_pieces(made, tmp_path):
    (installer, *pieces), fake = made
    assert installer.name == "install.sh"
    assert len(pieces) == 2
    assert max(p.stat().st_size for p in pieces) <= 45 * 2**20
    packed = tmp_path / "bundle.tar"
    packed.write_bytes(b"".join(p.read_bytes() for p in pieces))
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "in", filter="data")
    sums = (tmp_path / "in" / "SHA256SUMS").read_text().splitlines()
    listed = dict(reversed(line.split("  ")) for line in sums)
    files = [p for p in (tmp_path / "in").rglob("*") if p.is_file() and p.name != "SHA256SUMS"]
    assert listed == {
        p.relative_to(tmp_path / "in").as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in files
    }
    assert (tmp_path / "in" / "weights" / fake.name).read_bytes() == fake.read_bytes()
    names = {parse_wheel_filename(p.name)[0] for p in files if p.suffix == ".whl"}
    assert names == {"policy-cliff-companion", *SENT}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A fresh environment that has everything but ``SENT`` and this package."""
    folder = tmp_path_factory.mktemp("machine")
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
    ours = Path(sysconfig.get_paths()["purelib"])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    theirs = folder / "env" / "lib" / version / "site-packages"
    lacks = {canonicalize_name(name) for name in (*SENT, "companion", "policy-cliff-companion")}
    for entry in ours.iterdir():
        name = canonicalize_name(entry.name.split("-")[0].removeprefix("_"))
        if name.startswith(tuple(lacks)) or entry.suffix == ".pth":  # an editable one, too
            continue
        if not (theirs / entry.name).exists():
            (theirs / entry.name).symlink_to(entry)
    return folder / "env" / "bin"


def offline(machine, script):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP", "HF_"))}
    clean |= {"PATH": f"{machine}:{os.environ['PATH']}"}
    command = ["unshare", "-n", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env=clean, timeout=300)


alone = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0,
    reason="takes the right to make a network namespace",
)


@pytest.mark.slow
@alone
def test_it_installs_and_runs_without_network(made, machine, tmp_path):
    (installer, *_), fake = made
    before = offline(machine, "python3 -c 'import companion'")
    assert before.returncode != 0
    target = tmp_path / "a place"
    done = offline(machine, f"sh '{installer}' '{target}'")
    assert done.returncode == 0, done.stderr
    use = f". '{target}/activate' && "
    told = offline(machine, f"{use} companion bundle run --help")
    assert told.returncode == 0, told.stderr
    assert "--minutes" in told.stdout
    script = "import companion, tqdm, filelock; print(companion.__file__, tqdm.__file__)"
    places = offline(machine, f"{use} python3 -c '{script}'").stdout
    assert places.count(str(target / "site")) == 2
    cache = "from companion.rlhf.weights import gguf_file; print(gguf_file())"
    assert offline(machine, f"{use} python3 -c '{cache}'").stdout.strip() == str(
        target / "weights" / fake.name
    )
    path = offline(machine, f"PATH=/elsewhere:$PATH; {use} echo $PATH").stdout
    assert "/elsewhere" in path  # the shell that uses it keeps its own path


@pytest.mark.slow
@alone
def test_installing_again_replaces_what_was_there(made, machine, tmp_path):
    (installer, *_), _ = made
    for name in ("site", "wheels"):
        (tmp_path / "t" / name).mkdir(parents=True)
        (tmp_path / "t" / name / "stale.py").write_text("")
    for _ in range(2):
        done = offline(machine, f"sh '{installer}' '{tmp_path}/t'")
        assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "t").rglob("stale.py"))


@pytest.mark.slow
@alone
@pytest.mark.parametrize("harm", ["lost", "changed", "cut"])
def test_pieces_that_are_not_whole_are_not_installed(made, machine, tmp_path, harm):
    shutil.copytree(made[0][0].parent, tmp_path / "made")
    piece = tmp_path / "made" / "piece-001"
    if harm == "lost":
        piece.unlink()
    elif harm == "cut":
        os.truncate(piece, piece.stat().st_size // 2)
    else:
        with piece.open("r+b") as file:
            file.seek(1000)
            file.write(b"other")
    done = offline(machine, f"sh '{tmp_path}/made/install.sh' '{tmp_path}/t'")
    assert done.returncode != 0
    assert not (tmp_path / "t" / "activate").exists()


@pytest.mark.slow
def test_every_wheel_that_a_bundle_needs_exists_for_python_3_12(tmp_path):
    """The index is asked which files it would give; compiled ones are told apart by version."""
    compiled = {n: v for n, v in needed(python="3.12").items() if n in ("pyyaml", "regex")}
    assert compiled
    for name, version in compiled.items():
        platforms = [flag for p in bundle._PLATFORMS for flag in ("--platform", p)]
        options = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", *platforms]
        try:
            bundle._pip("download", *options, "-d", str(tmp_path), f"{name}=={version}")
        except CompanionError as error:
            pytest.skip(f"no package index: {error}")
    tags = {str(tag) for f in tmp_path.iterdir() for tag in parse_wheel_filename(f.name)[3]}
    assert len(list(tmp_path.iterdir())) == len(compiled)
    assert all("cp312" in tag and "x86_64" in tag for tag in tags)


def test_requirements_of_this_package_are_all_met_here_or_needed():
    """No package that the extra asks for is left out of a bundle in silence."""
    from importlib.metadata import distribution

    found = needed()
    for line in distribution("policy-cliff-companion").requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": "rlhf"}):
            name = canonicalize_name(requirement.name)
            assert name in found or name == "torch"
