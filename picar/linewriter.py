"""Write the pin trace: the only process that opens the file of `--pin-trace`. It touches no pin.

A program of its own, `python linewriter.py FILE`: a disk that hangs puts whoever writes to it into a sleep that not even
SIGKILL ends, so neither process that sets pins may be the one. It reads lines from its input, appends each to the
file with one write, and ends at end-of-file. A line `lost N` says that N lines did not fit the pipe.

Its output is one line: `open`, or why the file cannot be opened.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # for a FIFO
READ_BYTES = 65536


def main(path: str) -> int:
    """Copy the input into a file until the input ends. Returns the exit code."""
    for number in _ENDING:  # systemd sends SIGTERM to all processes at once; the last lines are still to come
        signal.signal(number, signal.SIG_IGN)
    try:
        file = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        _put(1, str(error.strerror))
        return 1
    if os.path.samestat(os.fstat(0), os.fstat(file)):  # /dev/stdin: it would copy its own lines for ever
        _put(1, "that is the pipe of the trace itself")
        return 1
    _put(1, "open")
    copy(0, file)
    return 0


def copy(reading: int, file: int) -> None:
    """Append each line from one descriptor to another until end-of-file, whatever becomes of the file."""
    rest, lost, works = b"", 0, True
    while data := os.read(reading, READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"lost "):
                lost += int(line[5:])
            else:
                works = works and _written(file, line + b"\n")
    if lost:
        _say(f"picar: the pin trace lacks {lost} lines: the disk was too slow")


def _written(file: int, line: bytes) -> bool:
    """Write a line. Returns False, and says why, where it does not fit."""
    try:
        if os.write(file, line) == len(line):  # one write: lines of two picars never mix
            return True
        why = "the file is full"
    except OSError as error:
        why = str(error.strerror)
    _say(f"picar: the pin trace ends here: {why}")
    return False


def _say(sentence: str) -> None:
    """Write to standard error, unless its reader sleeps."""
    if select.select([], [2], [], 0)[1]:
        _put(2, sentence)


def _put(fd: int, line: str) -> None:
    with contextlib.suppress(OSError):  # whoever started this is gone
        os.write(fd, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
