"""Say something on standard error without ever waiting: its reader may sleep, and its disk be full."""

from __future__ import annotations

import contextlib
import os
import select

_ALWAYS_FITS = 512  # bytes into any pipe that takes anything at all (POSIX's PIPE_BUF)


def say(line: str) -> None:
    """Write a line, as much of it as can be written at once; what cannot is lost."""
    data = f"{line}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError, ValueError):  # closed, gone, full
        for start in range(0, len(data), _ALWAYS_FITS):
            if not select.select([], [2], [], 0)[1]:
                return
            os.write(2, data[start : start + _ALWAYS_FITS])
