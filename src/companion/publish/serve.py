"""Show the built book at a local address."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from companion.errors import CompanionError
from companion.processes import Stopped
from companion.publish.project import Project


def open_server(project: Project, port: int) -> ThreadingHTTPServer:
    """A server of the built site on the loopback interface, listening but not yet answering.

    Raises:
        CompanionError: if there is no built site, or the port cannot be had.
    """
    if not (project.html / "index.html").exists():
        raise CompanionError(f"{project.html}: no book yet; run companion build")
    handler = partial(SimpleHTTPRequestHandler, directory=str(project.html))
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise CompanionError(f"port {port}: cannot listen on 127.0.0.1: {error}") from error


def serve(project: Project, port: int) -> None:
    """Serve until interrupted."""
    with open_server(project, port) as server:
        print(f"http://127.0.0.1:{server.server_port}/ (stop with Ctrl+C)", flush=True)
        try:
            server.serve_forever()
        except Stopped:  # what the line above asks for
            print()


@contextmanager
def answering(folder: Path, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    """Address of a folder on the loopback interface, answered in a thread while this lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
