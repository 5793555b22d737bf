"""The log: one short line for each event, and never more lines than a person can read.

Tornado's messages contain text from strangers, which must not forge a line, control the terminal, or fill a disk.
Logging never waits: a server that waits to write a line watches nothing.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from picar.errors import is_out_of_memory
from picar.linewriter import say

MAX_CHARACTERS = 300
BURST = 50  # lines of a logger in any WINDOW_S; CRITICAL lines always pass
WINDOW_S = 10.0
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


def to_stderr() -> None:
    """Log to standard error from now on."""
    handler = _Handler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    handler.addFilter(_name_shortage)
    handler.addFilter(Calm())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in ("tornado.access", "tornado.general"):  # bad requests are not worth a line
        logging.getLogger(name).setLevel(logging.ERROR)


def _name_shortage(record: logging.LogRecord) -> bool:
    """Name the exhausted resource instead of logging a traceback through Tornado."""
    error = record.exc_info[1] if record.exc_info else None
    if is_out_of_memory(error):
        record.msg, record.args, record.exc_info = "out of memory", (), None
    elif isinstance(error, OSError) and error.errno in _SHORTAGES:
        record.msg, record.args, record.exc_info = f"out of resources: {error.strerror}", (), None
    return True


class _Handler(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        """Write a line; drop it if there is no memory for it."""
        try:
            return bool(super().handle(record))
        except MemoryError:
            return False

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


class _OneLine(logging.Formatter):
    """Escapes control characters and shortens the message; a traceback stays whole."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        text = record.message
        if len(text) > MAX_CHARACTERS:
            text = text[:MAX_CHARACTERS] + "…"
        record.message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
        return super().formatMessage(record)


class Calm(logging.Filter):
    """Limits the lines of each logger in each window, and then logs the number of lines that were left out.

    Loggers are limited apart, so that Tornado's lines about strangers do not hide why the car stopped.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line may pass."""
        now = self._clock()
        window = self._windows.setdefault(record.name, _Window(now))
        if now - window.since >= WINDOW_S:
            if window.left_out:
                record.msg = f"{record.getMessage()} ({window.left_out} lines before this were left out)"
                record.args = ()
            window = self._windows[record.name] = _Window(now)
        if window.passed < BURST or record.levelno >= logging.CRITICAL:
            window.passed += 1
            return True
        window.left_out += 1
        return False


@dataclass(slots=True, eq=False)
class _Window:
    since: float
    passed: int = 0
    left_out: int = 0
