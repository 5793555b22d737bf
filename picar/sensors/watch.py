"""Reads the machine in threads, because a driver may block the reader of its file.

One thread reads the facts, and a second one the meter of the battery, if there is one. So a bus that hangs makes no other fact
unknown.

Laws:
- The event loop never waits for the thread; it takes the newest reading. An old reading counts as unknown.
- Nothing is read without a request.
- Daemon thread: it blocks signals, its failure does not stop the server, and shutdown does not join it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from picar.sensors.facts import UNKNOWN, Facts

log = logging.getLogger(__name__)

PERIOD_S = 1.25
STALE_S = 4.0  # a reading of this age is unknown


T = TypeVar("T")


class Watch(Generic[T]):
    """The newest reading.

    Args:
        what: that is read, for the log.
        read: reads it; may block.
        unknown: stands for no reading.
        clock: seconds, monotonic.
    """

    def __init__(
        self, what: str, read: Callable[[], T], unknown: T, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._read, self._unknown, self._clock = what, read, unknown, clock
        self._requests: SimpleQueue[None] = SimpleQueue()  # its `put` never waits, not even for a lock
        self._asked_at = float("-inf")
        self._answer = (unknown, float("-inf"))  # replaced as a whole, so it needs no lock

    def start(self) -> None:
        """Start the thread and wait until it runs; call this before anyone drives. Without a thread, all stays unknown."""
        try:
            threading.Thread(target=self._run, name=self._what, daemon=True).start()
        except RuntimeError as error:  # no thread left: TasksMax=, ulimit -u
            log.warning("%s stays unknown (%s); the car drives on", self._what, error)

    def look(self, wanted: bool) -> T:
        """Return the newest reading: the same object until there is a newer one.

        Args:
            wanted: whether to request a newer one, at most once in `PERIOD_S`.
        """
        now = self._clock()
        if wanted and now - self._asked_at >= PERIOD_S and self._requests.empty():
            self._asked_at = now
            self._requests.put(None)
        reading, at = self._answer
        return reading if now - at < STALE_S else self._unknown

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while True:
                self._requests.get()
                self._answer = (self._read(), self._clock())
        except Exception:
            log.exception("%s stays unknown; the car drives on", self._what)


class HostWatch(Watch[Facts]):
    """The newest facts.

    Args:
        read: reads the facts; may block.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], Facts], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__("the state of the machine", read, UNKNOWN, clock)
