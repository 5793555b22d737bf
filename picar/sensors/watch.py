"""Reads the facts in picar's only thread, because a driver may block the reader of its file.

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

from picar.sensors.facts import UNKNOWN, Facts

log = logging.getLogger(__name__)

PERIOD_S = 1.25
STALE_S = 4.0  # a reading of this age is unknown


class HostWatch:
    """The newest facts.

    Args:
        read: reads the facts; may block.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], Facts], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._requests: SimpleQueue[None] = SimpleQueue()  # its `put` never waits, not even for a lock
        self._asked_at = float("-inf")
        self._answer = (UNKNOWN, float("-inf"))  # replaced as a whole, so it needs no lock

    def start(self) -> None:
        """Start the thread and wait until it runs; call this before anyone drives. Without a thread, all facts stay unknown."""
        try:
            threading.Thread(target=self._run, name="host", daemon=True).start()
        except RuntimeError as error:  # no thread left: TasksMax=, ulimit -u
            log.warning("the state of the machine stays unknown (%s); the car drives on", error)

    def look(self, wanted: bool) -> Facts:
        """Return the newest facts: the same object until there are newer ones.

        Args:
            wanted: whether to request newer ones, at most once in `PERIOD_S`.
        """
        now = self._clock()
        if wanted and now - self._asked_at >= PERIOD_S and self._requests.empty():
            self._asked_at = now
            self._requests.put(None)
        facts, at = self._answer
        return facts if now - at < STALE_S else UNKNOWN

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while True:
                self._requests.get()
                self._answer = (self._read(), self._clock())
        except Exception:
            log.exception("the state of the machine stays unknown; the car drives on")
