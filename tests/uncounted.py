"""For a process that cannot write down which lines it reaches, and would complain of that."""

import os


def uncounted():
    """The environment without what makes coverage count a process that a test starts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
