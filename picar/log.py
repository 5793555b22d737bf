"""The log: one short line for each thing that happened, and never more than a person can read.

What strangers send ends up in messages of Tornado's: it must not forge a line, talk to the terminal, or
fill a disk. And no line is worth waiting for: while the server waits to write one, it watches nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from picar.stderr import say

MAX_CHARACTERS = 300
BURST = 50  # lines in any WINDOW_S; what is CRITICAL always passes
WINDOW_S = 10.0


def to_stderr() -> None:
    """Log to standard error from now on."""
    handler = _Handler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(Calm())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("tornado.access", "tornado.general"):  # each bad request of anybody is no news
        logging.getLogger(name).setLevel(logging.ERROR)


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


class _OneLine(logging.Formatter):
    """Escapes control characters and cuts the message; a traceback of ours stays whole."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        text = record.message
        if len(text) > MAX_CHARACTERS:
            text = text[:MAX_CHARACTERS] + "…"
        record.message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        return super().formatMessage(record)


class Calm(logging.Filter):
    """Lets so many lines pass in each window, and then says how many it left out.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._since = float("-inf")
        self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line may pass."""
        now = self._clock()
        if now - self._since >= WINDOW_S:
            if self._left_out:
                record.msg, record.args = (
                    f"{record.getMessage()} ({self._left_out} lines before this were left out)",
                    (),
                )
            self._since, self._passed, self._left_out = now, 0, 0
        if self._passed < BURST or record.levelno >= logging.CRITICAL:
            self._passed += 1
            return True
        self._left_out += 1
        return False
