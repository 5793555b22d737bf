"""The flight recorder: notes of both processes about the last minute, in shared memory.

Each process writes its own ring and can read the other's, also after the other's death. Slots have a fixed size and
hold the time and the members of a note; a note keeps no allocated memory, never waits, and writes to no disk.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from picar.errors import PicarError

if TYPE_CHECKING:
    from pathlib import Path

KEEP_S = 60.0
KEEP_FILES = 5
Process = Literal["server", "motor"]
# Number and size: more than a minute at 30 commands/s. Server: 60 * (30 commands + 10 other messages); motor process, with a
# moving stick: 60 * 30 * (a command + 2 pins at the command + 2 pins at a step of the ramp).
_SLOTS: dict[Process, tuple[int, int]] = {"server": (2560, 204), "motor": (9216, 64)}
_HEADER = 64
_GOODBYE = 0  # a byte that the server sets at a regular end
_COUNTS: dict[Process, int] = {"server": 8, "motor": 16}  # positions in the header of the number of notes
_COUNT = struct.Struct("<Q")
_SIZE = _HEADER + sum(slots * size for slots, size in _SLOTS.values())


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
        self._start, self._slots, self._size = _ring_of(by)
        self._n = 0

    def note(self, members: str) -> None:
        """Write a note, given as the members of a JSON object; one that exceeds its slot is replaced by its length."""
        t = time.monotonic()
        line = f"{t:.6f},{members}}}\n".encode()
        if len(line) > self._size:
            line = f'{t:.6f},"too_long":{len(line)}}}\n'.encode()
        at = self._start + self._n % self._slots * self._size
        self._memory[at : at + len(line)] = line
        self._n += 1
        _COUNT.pack_into(self._memory, _COUNTS[self._by], self._n)

    def pin(self, pin: int, op: str, value: float) -> None:
        """Note a pin write."""
        self.note(f'"pin":{pin},"op":"{op}","value":{value:.4g}')

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
        start, slots, size = _ring_of(by)
        (count,) = _COUNT.unpack_from(self._memory, _COUNTS[by])
        for n in range(max(0, count - slots + 1), count):  # the oldest slot may be half overwritten
            at = start + n % slots * size
            line, end, _ = self._memory[at : at + size].partition(b"\n")
            t, _, members = line.partition(b",")
            with contextlib.suppress(ValueError):  # a slot that is half written
                yield float(t), b'{"t":%b,"by":"%b",%b%b' % (t, by.encode(), members, end)

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
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(fd, "wb") as file:  # noqa: PTH123
                file.write(json.dumps(head).encode() + b"\n" + b"".join(self.recent()))
            others = sorted(set(folder.glob("flight-*.jsonl")) - {path})  # the clock may have gone back
            for old in others[: 1 - KEEP_FILES]:
                old.unlink()
        except OSError:
            return None
        return path


def _ring_of(by: Process) -> tuple[int, int, int]:
    """Return the start of a process's ring, its number of slots, and the size of a slot."""
    slots, size = _SLOTS["server"]
    return (_HEADER, slots, size) if by == "server" else (_HEADER + slots * size, *_SLOTS[by])


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
