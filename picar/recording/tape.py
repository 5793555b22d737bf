"""The server's end of a recorder: a pipe that takes messages and never waits.

The pipe holds 256 KiB. What does not fit is dropped and counted: pictures at once, messages only when the memory for them is full too.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypedDict

from picar.program import python, python_environment
from picar.recording.mcap import message
from picar.recording.messages import CAMERA

READ_BYTES = PIPE_BYTES = 256 << 10  # the kernel's default is 64 KiB
WAITING_BYTES = (1 << 20) + (64 << 10)  # the rest of a picture, and messages of two seconds
SILENCE_S = 10.0  # an SD card may take seconds for one write
COMMAND = python("picar.journal.recorder")


class Order(TypedDict):
    """The first line for the recorder.

    Args:
        folder: of the recordings.
        suffix: of the name of the file.
        metadata: the texts of the record `picar`.
        max_s: length at which the recording ends.
        keep_free_mb: free space below which it ends, or does not begin.
        keep_mb: size of all recordings above which the oldest is deleted.
        flight: descriptor of a flight recorder, whose last minute is the recording.
        repair: do nothing but repair the recordings that have no end.
    """

    folder: str
    suffix: str
    metadata: dict[str, str]
    max_s: float
    keep_free_mb: int
    keep_mb: int
    flight: int | None
    repair: bool


class Tape:
    """One recorder process. Raises `OSError` if the system starts no process."""

    def __init__(self, order: Order, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=python_environment(),
            pass_fds=[] if order["flight"] is None else [order["flight"]],
            start_new_session=True,  # a Ctrl-C is not for it
        )
        assert self.process.stdin
        assert self.process.stdout
        self._pipe, self._answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        for fd in (self._pipe, self._answers):
            os.set_blocking(fd, False)
        with contextlib.suppress(OSError, AttributeError):  # the user's pipes have too many pages; Linux only
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._waiting = bytearray(json.dumps(order).encode() + b"\n")
        self._unread = b""
        self._counts = [0] * (CAMERA + 1)
        self._wall_ns = (
            time.time_ns() - time.monotonic_ns()
        )  # a clock that is set later makes no jump in the file
        self.bytes = self.dropped = 0
        self.started_at = self._heard_at = clock()
        self._flush()

    def wall_ns(self, at_ns: int) -> int:
        """Return the time of the wall clock at a time of CLOCK_MONOTONIC."""
        return self._wall_ns + at_ns

    def send(self, channel: int, at_ns: int, data: bytes) -> None:
        """Send a message of a time of CLOCK_MONOTONIC, or drop it."""
        self._counts[channel] += 1
        record = message(channel, self._counts[channel], self._wall_ns + at_ns, at_ns, data)
        if self._waiting:
            self._flush()
        if not self._waiting:
            written = self._write(record)
            if channel != CAMERA or written:
                self._waiting += record[written:]
                return
        elif channel != CAMERA and len(self._waiting) + len(record) <= WAITING_BYTES:
            self._waiting += record
            return
        self.dropped += 1

    def check(self) -> dict[str, Any] | None:
        """Read the recorder's answers. Returns the last one, with `ended`, `why` and `name`, when the recording has ended."""
        self._flush()
        try:
            data = os.read(self._answers, READ_BYTES)
        except BlockingIOError:
            if self._clock() - self._heard_at < SILENCE_S:
                return None
            self.process.kill()
            return {"ended": "failed", "why": "the disk hangs", "name": None}
        self._heard_at = self._clock()
        *lines, self._unread = (self._unread + data).split(b"\n")
        try:
            for fields in map(json.loads, lines):
                self.bytes = int(fields.get("bytes", self.bytes))
                if "ended" in fields:
                    return {"ended": None, "why": "", "name": None, **fields}
        except (ValueError, AttributeError, TypeError):  # a library wrote to its standard output
            self.process.kill()
            return {"ended": "failed", "why": "the recorder sent something else than an answer", "name": None}
        return None if data else {"ended": "failed", "why": "the recorder has ended", "name": None}

    def end(self) -> bool:
        """End the recording once everything is in the pipe. Returns whether the process has ended; call it again until then."""
        assert self.process.stdin
        assert self.process.stdout
        if not self.process.stdin.closed:
            self._flush()
        has_ended = self.process.poll() is not None
        if has_ended or not self._waiting:
            self.process.stdin.close()
            self._waiting.clear()  # its descriptor may belong to another file soon
        if has_ended:
            self.process.stdout.close()
        return has_ended

    def _flush(self) -> None:
        del self._waiting[: self._write(self._waiting)]

    def _write(self, data: bytes | bytearray) -> int:
        """Return the number of bytes that fit the pipe; a closed one takes all."""
        try:
            return os.write(self._pipe, data) if data else 0
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)
