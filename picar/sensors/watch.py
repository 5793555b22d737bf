"""Asks how the machine is, in the only thread that picar has: a driver may let the reader of its file wait.

Laws:
- The event loop never waits for the thread; it takes what is there. What is old is unknown.
- Nothing is read while nobody wants to know.
- The thread is no reason to stop, nor to stay: it takes no signal, and the end does not wait for it.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from picar.sensors.host import UNKNOWN, Host

log = logging.getLogger(__name__)

PERIOD_S = 1.0
STALE_S = 4.0  # no answer for so long: unknown


class HostWatch:
    """How the machine is.

    Args:
        read: reads it; may take as long as it wants.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], Host], clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        # Putting something into this one never waits, not even for a lock.
        self._requests: SimpleQueue[None] = SimpleQueue()
        self._asked_at = float("-inf")
        self._answer = (UNKNOWN, float("-inf"))  # replaced as a whole, so that no lock is needed

    def start(self) -> None:
        """Start the thread, and wait until it runs: to be done before anybody drives. Without one, all stays unknown."""
        try:
            threading.Thread(target=self._run, name="host", daemon=True).start()
        except RuntimeError as error:  # no more threads to be had: TasksMax=, ulimit -u
            log.warning("how the machine is stays unknown (%s); the car drives on", error)

    def look(self, wanted: bool) -> Host:
        """Return the newest facts, the same object until there are newer ones.

        Args:
            wanted: whether anybody wants newer ones; they are asked for, once in `PERIOD_S`.
        """
        now = self._clock()
        if wanted and now - self._asked_at >= PERIOD_S and self._requests.empty():
            self._asked_at = now
            self._requests.put(None)
        host, at = self._answer
        return host if now - at < STALE_S else UNKNOWN

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            while True:
                self._requests.get()
                self._answer = (self._read(), self._clock())
        except Exception:
            log.exception("how the machine is stays unknown; the car drives on")
