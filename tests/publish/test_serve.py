import socket
from threading import Thread
from urllib.request import urlopen

import pytest

from companion.errors import CompanionError
from companion.publish.serve import open_server


def test_serves_the_built_book(built):
    with open_server(built, 0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with urlopen(f"http://127.0.0.1:{server.server_port}/index.html", timeout=5) as answer:
            assert answer.read() == (built.html / "index.html").read_bytes()
        server.shutdown()


def test_a_port_in_use_is_named(built):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CompanionError, match=f"port {port}: cannot listen on 127.0.0.1"):
            open_server(built, port)


def test_a_port_that_is_none_is_named(built):
    with pytest.raises(CompanionError, match="port 99999: cannot listen"):
        open_server(built, 99999)


def test_without_a_book_it_says_so(project):
    with pytest.raises(CompanionError, match="no book yet"):
        open_server(project, 0)
