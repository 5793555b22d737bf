"""Lines to standard error without waiting, and the program that writes the pin trace.

`python linewriter.py FILE` is the only process that opens the file of `--pin-trace`, and it touches no pin: a disk that
hangs puts its writer into a sleep that not even SIGKILL ends. It reads lines from its input, appends each to the file with
one write, and ends at end-of-file. A line `lost N` means that N lines did not fit the pipe. It answers with one line:
`open`, or the reason why the file cannot be opened.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # for a FIFO
READ_BYTES = 65536
GATHER_S = 0.02  # between two reads: a reader that waits costs each write of a pin a wake-up
_ALWAYS_FITS = 512  # bytes that fit any pipe with room (POSIX's PIPE_BUF)


def main(path: str) -> int:
    """Copy the input into a file until the input ends. Returns the exit code."""
    for number in _ENDING:  # systemd signals all processes at once, and the last lines follow
        signal.signal(number, signal.SIG_IGN)
    try:
        file = os.open(path, _FLAGS, 0o644)
    except OSError as error:
        _answer(str(error.strerror))
        return 1
    if os.path.samestat(os.fstat(0), os.fstat(file)):  # /dev/stdin: an endless copy
        _answer("that is the pipe of the trace itself")
        return 1
    _answer("open")
    copy(0, file)
    return 0


def copy(reading: int, file: int) -> None:
    """Append each line from one descriptor to another until end-of-file, also if the file fails."""
    rest, lost, works = b"", 0, True
    while data := os.read(reading, READ_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"lost "):
                lost += int(line[5:])
            else:
                works = works and _written(file, line + b"\n")
        if len(data) < READ_BYTES:
            time.sleep(GATHER_S)
    if lost:
        say(f"picar: the pin trace lacks {lost} lines: the disk was too slow")


def _written(file: int, line: bytes) -> bool:
    """Write a line. Returns False and logs the reason if it does not fit."""
    try:
        if os.write(file, line) == len(line):  # one write: lines of two picars never mix
            return True
        why = "the file is full"
    except OSError as error:
        why = str(error.strerror)
    say(f"picar: the pin trace ends here: {why}")
    return False


def say(line: str) -> None:
    """Write a line to standard error without waiting; the rest of a line that does not fit at once is lost."""
    data = f"{line}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError, ValueError):  # closed, gone, full
        for start in range(0, len(data), _ALWAYS_FITS):
            if not select.select([], [2], [], 0)[1]:
                return
            os.write(2, data[start : start + _ALWAYS_FITS])


def _answer(line: str) -> None:
    with contextlib.suppress(OSError):  # the reader has ended
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
