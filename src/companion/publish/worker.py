"""Execute one notebook with papermill, in a process of its own.

``python -m companion.publish.worker INPUT OUTPUT PARAMETERS`` (the last as JSON) writes one JSON
object a line to standard output: ``{"done": i, "of": n}`` after each cell, and at the end
``{"ended": true}`` or ``{"failed": {"cell": i, "source": …, "traceback": …}}``.
"""

import json
import sys
from typing import Any

import papermill
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import strip_color
from traitlets.config import Config

CELL_TIMEOUT_S = 1800
ENGINE = "companion"


def report(**message: Any) -> None:
    """Tell the parent process."""
    print(json.dumps(message), flush=True)


class ReportingEngine(NBClientEngine):
    """papermill's engine, which also says how far it is and which cell it was in."""

    cell = 0
    source = ""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, **kwargs: Any
    ) -> Any:
        """Execute as papermill does, reporting each cell."""
        start, complete = nb_man.cell_start, nb_man.cell_complete

        def reported_start(cell: Any, cell_index: int) -> None:
            cls.cell, cls.source = cell_index, cell.source
            start(cell, cell_index)

        def reported_complete(cell: Any, cell_index: int) -> None:
            complete(cell, cell_index=cell_index)
            report(done=cell_index + 1, of=len(nb_man.nb.cells))

        nb_man.cell_start, nb_man.cell_complete = reported_start, reported_complete
        if sys.platform != "win32":
            # files instead of ports: kernels started at the same moment cannot meet on one
            kwargs["config"] = Config({"KernelManager": {"transport": "ipc"}})
        return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)


def main(source: str, target: str, parameters: str) -> None:
    """Execute ``source`` into ``target`` and report how it ended."""
    papermill_engines.register(ENGINE, ReportingEngine)
    try:
        papermill.execute_notebook(
            source,
            target,
            parameters=json.loads(parameters),
            engine_name=ENGINE,
            progress_bar=False,
            request_save_on_cell_execute=False,
            execution_timeout=CELL_TIMEOUT_S,
        )
    except Exception as error:
        trace = "\n".join(getattr(error, "traceback", [])) or f"{type(error).__name__}: {error}"
        cell, code = ReportingEngine.cell, ReportingEngine.source
        report(failed={"cell": cell, "source": code, "traceback": strip_color(trace)})
        return
    report(ended=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
