"""A real browser on a site served from this machine, with everything it asks for written down."""

import os
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler

import pytest

from companion.errors import CompanionError
from companion.publish.pdf import find_chromium
from companion.publish.serve import answering


def chromium_or_skip():
    """Path of a Chromium; without one the test is skipped, except in CI, where it must not be."""
    try:
        return find_chromium()
    except CompanionError as error:
        pytest.fail(str(error)) if os.environ.get("CI") else pytest.skip(str(error))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


def serve(folder):
    """Address of ``folder`` on the loopback interface, as a context."""
    return answering(folder, _Quiet)


@dataclass
class Record:
    """What a page did while it was open."""

    home: str
    foreign: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, page):
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)

    def _request(self, request):
        if not request.url.startswith((self.home, "blob:", "data:")):
            self.foreign.append(request.url)

    def _response(self, response):
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def assert_clean(self):
        assert not self.foreign, "asked another host"
        assert not self.failed, "asked for something that is not there"
        assert not self.errors, "console"
