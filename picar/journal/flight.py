"""The flight recorder: notes of both processes about the last minute, in shared memory.

Each process writes its own ring and can read the other's, also after the other's death. A ring is text: each note is a
line that begins with a newline and the time; the newest overwrites the oldest. A note keeps no allocated memory, never
waits, and writes to no disk.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator

from picar.errors import PicarError
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    Process = Literal["server", "motor"]

KEEP_S = 60.0
KEEP_FILES = 5
# Start and end of the rings: a minute at 30 commands/s. Server: 60 * (30 commands of 145 bytes + 10 other messages of 216); motor process, with
# a moving stick: 60 * 30 * (a command of 43 + 2 pins at the command and 2 pins at a step of the ramp, 34 each).
_RINGS: dict[Process, tuple[int, int]] = {"server": (64, 384 * 1024), "motor": (384 * 1024, 704 * 1024)}
_SIZE = _RINGS["motor"][1]
_MOST_BYTES = 256  # of a note
_SPARE_BYTES = 4096  # the oldest of a ring, which its process may overwrite while the other one reads
_GOODBYE = 0  # a byte that the server sets at a regular end
_ENDS: dict[Process, int] = {"server": 8, "motor": 16}  # places of the end of the newest note
_END = struct.Struct("<Q")


class FlightRecorder:
    """One process's view of the shared memory.

    Args:
        by: this process.
        fd: of an inherited recorder; a new one if `None`.
    """

    def __init__(self, by: Process, fd: int | None = None) -> None:
        self.fd = _shared_memory() if fd is None else fd
        self._memory = mmap.mmap(self.fd, _SIZE)
        self._by = by
        self._start, self._stop = _RINGS[by]
        self._at = self._start

    def note(self, members: str) -> None:
        """Write a note, given as the members of a JSON object; one that is too long is replaced by its length."""
        line = f"\n{time.monotonic():.6f},{members}".encode()
        size = len(line)
        if size > _MOST_BYTES:
            self.note(f'"too_long":{size}')
            return
        end = self._at + size
        if end > self._stop:  # the rest is at the start of the ring
            room = self._stop - self._at
            self._memory[self._at : self._stop] = line[:room]
            line, self._at, end = line[room:], self._start, self._start + size - room
        self._memory[self._at : end] = line
        self._at = end
        _END.pack_into(self._memory, _ENDS[self._by], end)

    def pin(self, pin: int, op: str, value: float) -> None:
        """Note a pin write, in short: it is the most frequent note."""
        self.note(f"{pin} {op} {value:.4g}")

    def goodbye(self) -> None:
        """Mark the end of the server as regular."""
        self._memory[_GOODBYE] = 1

    @property
    def said_goodbye(self) -> bool:
        """Whether the server ended regularly."""
        return self._memory[_GOODBYE] == 1

    def recent(self) -> Iterator[bytes]:
        """Return the lines of the last minute of both processes, oldest first, each with its newline."""
        import heapq  # rarely needed

        since = time.monotonic() - KEEP_S
        both = heapq.merge(self._lines("server"), self._lines("motor"))
        return (line for t, line in both if t >= since)

    def _lines(self, by: Process) -> Iterator[tuple[float, bytes]]:
        start, stop = _RINGS[by]
        end = _END.unpack_from(self._memory, _ENDS[by])[0] or start
        ring = self._memory[end:stop] + self._memory[start:end]
        for line in ring[_SPARE_BYTES:].split(b"\n")[1:]:
            t, _, members = line.partition(b",")
            with contextlib.suppress(ValueError):  # overwritten nevertheless
                if not members.startswith(b'"'):
                    pin, op, value = members.split(b" ")
                    members = b'"pin":%b,"op":"%b","value":%b' % (pin, op, value)
                yield float(t), b'{"t":%b,"by":"%b",%b}\n' % (t, by.encode(), members)

    def save(self, why: str, folder: Path | None) -> Path | None:
        """Write the last minute to a folder in memory, and keep the newest few there.

        Returns:
            The file; `None` without a folder, or if it cannot be written, which stops nothing else.
        """
        if folder is None:
            return None
        head = {"t": time.monotonic(), "by": self._by, "why": why}
        path = folder / f"flight-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}.jsonl"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            part = path.with_suffix(".part")
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(fd, "wb") as file:  # noqa: PTH123
                file.write(json.dumps(head).encode() + b"\n" + b"".join(self.recent()))
            part.rename(path)  # a reader finds the whole file or none
            others = sorted(set(folder.glob("flight-*.jsonl")) - {path})  # the clock may have gone back
            for old in others[: 1 - KEEP_FILES]:
                old.unlink()
        except OSError:
            return None
        return path


def _shared_memory() -> int:
    """Return the descriptor of zeroed memory that a child can inherit."""
    make: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    if make:
        fd = make("picar-flight")
    else:  # macOS
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    try:
        os.ftruncate(fd, _SIZE)
    except OSError as error:
        os.close(fd)
        problem = f"No memory for the flight recorder, {_SIZE / 1e6:.1f} MB: {error.strerror}."
        raise PicarError(f"{problem} Raise the limit (ulimit -a).") from None
    return fd
