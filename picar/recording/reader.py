"""MCAP, the format of a recording: the reading side, for files of picar and of other writers.

Laws:
- Memory is bounded: at most one chunk is in memory. A record longer than `MOST_BYTES` counts as damage.
- A file without an end (still written, or of a process that was killed) has all its whole chunks.
- A damaged file raises `RecordingError`, with one sentence.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from picar.errors import RecordingError
from picar.recording import mcap

CAMERA = "/camera"
NAMED = "picar"  # the metadata record of picar
MOST_BYTES = 16 << 20
_DATA = (mcap.CHUNK, mcap.MESSAGE)
_FOOT = struct.Struct("<BQQQI8s")
_STATISTICS = struct.Struct("<QHIIIIQQI")
_COUNT = struct.Struct("<HQ")


class Message(NamedTuple):
    """A message: its topic, its times in ns (wall clock, CLOCK_MONOTONIC), its data, and their place in the file."""

    topic: str
    log_ns: int
    publish_ns: int
    data: bytes
    at: int


class Part(NamedTuple):
    """A chunk, or a message outside of chunks: its messages, and where it begins and ends in the file."""

    messages: list[Message]
    at: int
    end: int


class Totals(NamedTuple):
    """The number of messages by topic, and the wall-clock times of the first and the last message in ns."""

    counts: dict[str, int]
    first_ns: int
    last_ns: int

    @property
    def length_s(self) -> float:
        """The time between the first and the last message."""
        return (self.last_ns - self.first_ns) / 1e9


@contextlib.contextmanager
def opened(path: Path, *, with_summary: bool = True) -> Iterator[Recording]:
    """Open a recording; without its summary, `totals` reads the data.

    Raises:
        RecordingError: the file is not MCAP, or is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=64 << 10) as file:
        yield Recording(path, file, with_summary=with_summary)


class Recording:
    """An open MCAP file; see `opened`. Its iterators raise `RecordingError` for damage."""

    def __init__(self, path: Path, file: BinaryIO, *, with_summary: bool) -> None:
        self.path, self.file = path, file
        self.metadata: dict[str, str] = {}
        self._topics: dict[int, str] = {}
        self._totals: Totals | None = None
        size = os.fstat(file.fileno()).st_size
        foot = self.read(max(0, size - _FOOT.size), _FOOT.size)
        opcode, _, summary_at, _, _, magic = _FOOT.unpack(foot.ljust(_FOOT.size, b"\0"))
        self.is_finished = opcode == mcap.FOOTER and magic == mcap.MAGIC
        if self.read(0, len(mcap.MAGIC)) != mcap.MAGIC:
            raise RecordingError(f"{path} is not a recording: it does not begin like an MCAP file.")
        self.data_at = self._learn(len(mcap.MAGIC))  # of the first chunk or message
        if self.is_finished and summary_at and with_summary:
            if summary_at >= size:
                raise self._damaged(size - _FOOT.size)
            self._learn(summary_at)

    def read(self, at: int, size: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        self.file.seek(at)
        return self.file.read(size)

    def messages(self, topics: Collection[str] = ()) -> Iterator[Message]:
        """Yield the messages in the order of the file; of these topics only, if any are given."""
        for part in self.parts():
            yield from (one for one in part.messages if not topics or one.topic in topics)

    def parts(self, at: int = 0) -> Iterator[Part]:
        """Yield the parts of the file from the byte `at` on, which is the end of another part or 0."""
        for opcode, begin, body in self._records(at or self.data_at):
            end = begin + mcap.RECORD.size + len(body)
            with self._checking(begin):
                if opcode not in _DATA:
                    self._take(opcode, body)
                    continue
                records = _unpacked(body) if opcode == mcap.CHUNK else mcap.record(opcode, body)
                part = Part([*self._messages(records, end - len(records))], begin, end)
            yield part

    def totals(self) -> Totals:
        """Return the totals; a file without a summary is read from beginning to end."""
        if self._totals is None:
            counts, first_ns, last_ns = Counter[str](), 1 << 63, 0
            for one in self.messages():
                counts[one.topic] += 1
                first_ns, last_ns = min(first_ns, one.log_ns), max(last_ns, one.log_ns)
            self._totals = Totals(counts, first_ns if counts else 0, last_ns)
        return self._totals

    def _records(self, at: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield opcode, place and content of the records from a place on, until the end of their section or of the file."""
        while len(head := self.read(at, mcap.RECORD.size)) == mcap.RECORD.size:
            opcode, size = mcap.RECORD.unpack(head)
            if opcode in (mcap.DATA_END, mcap.FOOTER) or (not opcode and not self.is_finished):
                return  # zeros: a file system may leave them where the power was cut
            if not opcode or size > MOST_BYTES:
                raise self._damaged(at)
            body = self.read(at + len(head), size)
            if len(body) < size:
                return
            yield opcode, at, body
            at += len(head) + size

    def _learn(self, at: int) -> int:
        """Take the records from a place on; return the place of the first one that is data, or of the end."""
        for opcode, begin, body in self._records(at):
            if opcode in _DATA:
                break
            with self._checking(begin):
                self._take(opcode, body)
            at = begin + mcap.RECORD.size + len(body)
        return at

    def _take(self, opcode: int, body: bytes) -> None:
        """Take what a record says about the others."""
        if opcode == mcap.CHANNEL:
            self._topics[struct.unpack_from("<H", body)[0]] = _text(body, 4)[0]
        elif opcode == mcap.METADATA and _text(body, 0)[0] == NAMED:
            texts = [*_texts(body, 4 + len(NAMED) + 4)]
            self.metadata = dict(zip(texts[::2], texts[1::2], strict=True))
        elif opcode == mcap.STATISTICS:
            *_, first_ns, last_ns, _ = _STATISTICS.unpack_from(body)
            counts = _COUNT.iter_unpack(body[_STATISTICS.size :])
            self._totals = Totals({self._topics[one]: n for one, n in counts if n}, first_ns, last_ns)

    def _messages(self, records: bytes, at: int) -> Iterator[Message]:
        """Yield the messages among records, which begin at the byte `at` of the file."""
        for opcode, begin, end in inside(records):
            if opcode == mcap.MESSAGE:
                _, _, number, _, log_ns, publish_ns = mcap.MESSAGE_HEAD.unpack_from(records, begin)
                data = begin + mcap.MESSAGE_HEAD.size
                yield Message(self._topics[number], log_ns, publish_ns, records[data:end], at + data)
            else:
                self._take(opcode, records[begin + mcap.RECORD.size : end])

    @contextlib.contextmanager
    def _checking(self, at: int) -> Iterator[None]:
        try:
            yield
        except (struct.error, ValueError, LookupError):
            raise self._damaged(at) from None

    def _damaged(self, at: int) -> RecordingError:
        fix = "To keep all before it: picar recording repair FILE."
        return RecordingError(f"{self.path} is damaged at byte {at}, or compressed. {fix}")


def inside(records: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, begin and end of each record from a place on; raises IndexError if the last one is not whole."""
    while at < len(records):
        opcode, size = mcap.RECORD.unpack_from(records, at)
        begin, at = at, at + mcap.RECORD.size + size
        if at > len(records):
            raise IndexError
        yield opcode, begin, at


def _unpacked(chunk: bytes) -> bytes:
    """Return the records in a chunk; raises IndexError for a damaged or compressed one."""
    _, _, size, crc, compression = struct.unpack_from("<QQQII", chunk)
    records = chunk[mcap.CHUNK_HEAD.size :]
    if compression or len(records) != size or (crc and zlib.crc32(records) != crc):
        raise IndexError
    return records


def _text(body: bytes, at: int) -> tuple[str, int]:
    """Return the text that begins with its length at a place, and the place after it."""
    end = at + 4 + struct.unpack_from("<I", body, at)[0]
    if end > len(body):
        raise IndexError
    return body[at + 4 : end].decode(), end


def _texts(body: bytes, at: int) -> Iterator[str]:
    while at < len(body):
        text, at = _text(body, at)
        yield text
