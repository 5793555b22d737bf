"""The recorder: `python -P -m picar.journal.recorder`. It writes one recording, and neither drives nor serves.

Standard input has an `Order` as a line of JSON, then messages as MCAP records. Standard output has a line of JSON after each chunk
with the size of the file in bytes, and a last one with the reason of the end (`limit`, `full`, `failed`, or null for the end of the
input) and the name of the file. A disk that hangs puts this process into a sleep that not even SIGKILL ends; the server never waits for it.

Laws:
- A chunk is one `write()`. A file is `.part` until it has its end, and this process holds a lock on it until then.
- The end of the input ends the recording, also if the server was killed. Signals do not: systemd sends them to all processes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import stat
import struct
import sys
import time
from pathlib import Path
from typing import Any

from picar import __version__
from picar.recording import mcap, messages
from picar.recording.channels import topics
from picar.recording.tape import READ_BYTES, Order

GATHER_S = 0.05  # between two reads of the pipe: each wake-up costs
SYNC_S = 5.0
MB = 10**6
OWN = "????-??-??_??-??-??*.mcap"  # as `_create` names them; other files in the folder are not deleted
FULL = (errno.ENOSPC, errno.EDQUOT)


class Ended(Exception):
    """The recording must end; `reason` is `limit` or `full`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Recorder:
    """One file.

    Raises:
        Ended: there is too little space.
        OSError: the file cannot be made.
    """

    def __init__(self, order: Order) -> None:
        self._order, self._folder = order, Path(order["folder"])
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep_room()
        self._part, self._file = self._create()
        fcntl.flock(self._file, fcntl.LOCK_EX)
        started = {"started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        named = mcap.metadata("picar", order["metadata"] | started)
        channels = mcap.definitions(topics())
        beginning = mcap.beginning(f"picar {__version__}", named, channels)
        self._summary = mcap.Summary(named, beginning.index(named), channels)
        self._chunk, self._due_at = mcap.Chunk(), float("inf")
        self.size = 0
        self._synced_at = time.monotonic()
        self._ends_at = self._synced_at + order["max_s"]
        try:
            self._write(beginning)
        except OSError:
            self._part.unlink()  # nothing can be repaired
            raise

    @property
    def wait_s(self) -> float | None:
        """Seconds until the chunk is due, None without one."""
        return max(0.0, self._due_at - time.monotonic()) if self._chunk.records else None

    def feed(self, data: bytes) -> bytes:
        """Take the whole messages in these bytes, and return the rest."""
        place = 0
        while len(data) - place >= mcap.RECORD.size:
            end = place + mcap.RECORD.size + mcap.RECORD.unpack_from(data, place)[1]
            if end > len(data):
                break
            self.take(data[place:end])
            place = end
        return data[place:]

    def take(self, message: bytes) -> None:
        """Take a message."""
        if self._chunk.records and len(self._chunk.records) + len(message) > mcap.CHUNK_BYTES:
            self.close_chunk()
        if not self._chunk.records:
            self._due_at = time.monotonic() + mcap.CHUNK_S
        self._chunk.add(message)

    def close_chunk(self) -> None:
        """Write the chunk; now and then, sync and look for room.

        Raises:
            Ended: the recording is as long as it may be, or there is too little space.
            OSError: the chunk cannot be written.
        """
        chunk, self._chunk = self._chunk, mcap.Chunk()
        at, now = self.size, time.monotonic()
        self._write(chunk.encode())
        self._summary.take(at, chunk)
        if now - self._synced_at >= SYNC_S:
            self._synced_at = now
            os.fdatasync(self._file)
            self._keep_room()
        answer(bytes=self.size)
        if now >= self._ends_at:
            raise Ended("limit")

    def finish(self) -> str:
        """Write the end, and return the name of the file. Raises OSError if it cannot be written; then it stays `.part`."""
        if self._chunk.records:
            with contextlib.suppress(Ended):
                self.close_chunk()
        os.ftruncate(self._file, self.size)  # the rest of a chunk that did not fit
        self._write(self._summary.end(self.size))
        os.fdatasync(self._file)
        return self._part.rename(self._part.with_suffix("")).name

    def _write(self, data: bytes) -> None:
        if os.pwrite(self._file, data, self.size) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(data)

    def _create(self) -> tuple[Path, int]:
        """Make a file with a new name."""
        start = f"{time.strftime('%Y-%m-%d_%H-%M-%S', time.gmtime())}{self._order['suffix']}"
        number, path = 1, self._folder / f"{start}.mcap.part"
        while path.exists() or path.with_suffix("").exists():
            number += 1
            path = self._folder / f"{start}-{number}.mcap.part"
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)

    def _keep_room(self) -> None:
        """Delete the oldest own recordings above `keep_mb`.

        Raises:
            Ended: there is too little space.
        """
        found = []
        for path in self._folder.glob(OWN):
            with contextlib.suppress(OSError):  # it was deleted just now
                if stat.S_ISREG((one := path.lstat()).st_mode):
                    found.append((one.st_mtime, one.st_size, path))
        total = sum(size for _, size, _ in found) + getattr(self, "size", 0)
        for _, size, path in sorted(found):
            if total <= self._order["keep_mb"] * MB:
                break
            with contextlib.suppress(OSError):  # of another owner
                path.unlink(missing_ok=True)
            total -= size
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < self._order["keep_free_mb"] * MB:
            raise Ended("full")


def main() -> int:
    """Write one recording. Returns the exit code."""
    _step_back()
    line = b""
    while b"\n" not in line:
        if not (data := os.read(0, READ_BYTES)):
            return 0
        line += data
    line, _, rest = line.partition(b"\n")
    order: Order = json.loads(line)
    if order["repair"]:
        from picar.recording.repair import repair_all

        repair_all(Path(order["folder"]))
        return 0
    recorder, reason, why = None, None, ""
    try:
        recorder = Recorder(order)
        answer(bytes=recorder.size)
        if order["flight"] is None:
            _copy(recorder, rest)
        else:
            _copy_flight(recorder, order["flight"])
    except Ended as ended:
        reason = ended.reason
    except OSError as error:
        reason, why = "full" if error.errno in FULL else "failed", str(error.strerror)
    name = None
    if recorder:
        try:
            name = recorder.finish()
        except OSError as error:
            reason, why = reason or "failed", why or str(error.strerror)
    answer(ended=reason, why=why, name=name)
    return int(name is None)


def answer(**fields: Any) -> None:
    """Send a line to the server, which may have ended."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(fields).encode() + b"\n")


def _copy(recorder: Recorder, rest: bytes) -> None:
    """Record the messages of the input until its end."""
    rest = recorder.feed(rest)
    while True:
        if select.select([0], [], [], recorder.wait_s)[0]:
            data = os.read(0, READ_BYTES)
            if not data:
                return
            rest = recorder.feed(rest + data)
            if len(data) < READ_BYTES:
                time.sleep(GATHER_S)
        if recorder.wait_s == 0.0:
            recorder.close_chunk()


def _copy_flight(recorder: Recorder, fd: int) -> None:
    """Record the last minute of a flight recorder."""
    from picar.journal.flight import FlightRecorder

    wall_ns = time.time_ns() - time.monotonic_ns()
    counts: dict[int, int] = {}
    for line in FlightRecorder("server", fd).recent():
        with contextlib.suppress(
            ValueError, LookupError, TypeError, OverflowError, struct.error
        ):  # a note that was overwritten meanwhile
            note = json.loads(line)
            at_ns = int(note["t"] * messages.NS)
            channel, fields = messages.from_note(note)
            counts[channel] = counts.get(channel, 0) + 1
            data = messages.encode(fields)
            recorder.take(mcap.message(channel, counts[channel], wall_ns + at_ns, at_ns, data))


def _step_back() -> None:
    """Let everything else go before this process, and end by the end of the input alone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
