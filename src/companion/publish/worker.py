"""Execute one notebook with papermill, in a process of its own.

``python -m companion.publish.worker INPUT OUTPUT PARAMETERS`` (the last as JSON) writes one JSON
object a line to what was its standard output: ``{"done": i, "of": n}`` after each cell, and at the
end ``{"ended": true}`` or ``{"failed": {"cell": i, "source": …, "traceback": …}}``. Nothing else
can be written there: file descriptor 1 leads to standard error before any child is started.

The parent holds the other end of standard input; when that closes, the worker ends its kernel and
itself.
"""

import json
import os
import sys
from typing import Any, NoReturn, TextIO

import papermill
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import strip_color
from traitlets.config import Config

from companion.processes import follow_parent

CELL_TIMEOUT_S = 1800
CELL_OUTPUT_BYTES = 8_000_000
ENGINE = "companion"
KERNEL = "python3"


class Channel:
    """Where reports go: a copy of standard output that no child inherits."""

    stream: TextIO

    @classmethod
    def open(cls) -> None:
        """Take standard output away from everything else in this process."""
        cls.stream = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    @classmethod
    def report(cls, **message: Any) -> None:
        """Tell the parent process."""
        print(json.dumps(message), file=cls.stream, flush=True)

    @classmethod
    def fail(cls, cell: int, source: str, traceback: str) -> NoReturn:
        """Tell the parent that a cell failed, and end; the parent ends the kernel."""
        cls.report(failed={"cell": cell, "source": source, "traceback": strip_color(traceback)})
        os._exit(1)


class Client(PapermillNotebookClient):
    """papermill's client, which says how far it is and what no page can take."""

    printed = 0

    def process_message(self, msg: Any, cell: NotebookNode, cell_index: int) -> Any:
        """Count what a cell puts on the page."""
        self.printed += len(json.dumps(msg["content"], default=str))
        if self.printed > CELL_OUTPUT_BYTES:
            limit = f"{CELL_OUTPUT_BYTES / 1e6:.0f} MB"
            problem = f"the cell puts more than {limit} on the page, which is the most it may"
            Channel.fail(cell_index, cell.source, problem)
        return super().process_message(msg, cell, cell_index)


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
        if sys.platform != "win32":
            # files instead of ports: kernels started at the same moment cannot meet on one
            kwargs["config"] = Config({"KernelManager": {"transport": "ipc"}})
        kwargs.pop("input_path", None)
        timeout = kwargs.pop("execution_timeout")
        startup = kwargs.pop("start_timeout", 60)
        kwargs |= {"timeout": timeout, "startup_timeout": startup, "kernel_name": kernel_name}
        for stream in ("log_output", "stdout_file", "stderr_file"):
            kwargs.pop(stream, None)
        client = Client(nb_man, **kwargs)

        def reported_start(cell: Any, cell_index: int) -> None:
            cls.cell, cls.source, client.printed = cell_index, cell.source, 0
            start(cell, cell_index)

        def reported_complete(cell: Any, cell_index: int) -> None:
            complete(cell, cell_index=cell_index)
            Channel.report(done=cell_index + 1, of=len(nb_man.nb.cells))

        nb_man.cell_start, nb_man.cell_complete = reported_start, reported_complete
        return client.execute()


def unfinished(notebook: NotebookNode) -> tuple[int, str] | None:
    """The first cell that did not run to its end, and why; None if all did.

    papermill lets a cell that raises ``SystemExit`` end the notebook as if it were done.
    """
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        raised = [output for output in cell.outputs if output.output_type == "error"]
        if raised and "raises-exception" not in cell.metadata.get("tags", []):
            return number, "\n".join(raised[0].traceback) or raised[0].ename
        if cell.execution_count is None:
            return number, "the notebook ended before this cell was executed"
    return None


def main(source: str, target: str, parameters: str) -> None:
    """Execute ``source`` into ``target`` and report how it ended."""
    Channel.open()
    follow_parent()
    papermill_engines.register(ENGINE, ReportingEngine)
    try:
        notebook = papermill.execute_notebook(
            source,
            target,
            parameters=json.loads(parameters),
            engine_name=ENGINE,
            kernel_name=KERNEL,
            language="python",
            progress_bar=False,
            request_save_on_cell_execute=False,
            execution_timeout=CELL_TIMEOUT_S,
        )
    except Exception as error:
        trace = "\n".join(getattr(error, "traceback", [])) or f"{type(error).__name__}: {error}"
        Channel.fail(ReportingEngine.cell, ReportingEngine.source, trace)
    stopped = unfinished(notebook)
    if stopped:
        number, trace = stopped
        Channel.fail(number, notebook.cells[number].source, trace)
    Channel.report(ended=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
