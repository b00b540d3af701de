"""How much memory a build takes, all of its processes together."""

from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

INTERVAL_S = 0.5


def resident_bytes() -> int:
    """Resident memory of this process and all its descendants; shared pages count in each."""
    own = psutil.Process()
    total = 0
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total


class PeakMemory:
    """Context that samples the memory while it lasts; afterwards ``bytes`` is the largest seen."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = Event()
        self._thread = Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while True:
            self.bytes = max(self.bytes, resident_bytes())
            if self._done.wait(INTERVAL_S):
                return

    def __enter__(self) -> Self:
        """Start sampling."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()
