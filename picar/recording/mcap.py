"""MCAP, the format of a recording (mcap.dev/spec): the writing side. It makes bytes, and opens no file.

A file is `beginning`, then chunks, then the end of a `Summary`. A chunk is uncompressed, because JPEG does not compress, and is
written with its indexes by one `write()`: a file that was cut holds whole chunks, and `Chunk` makes the same bytes again from
the same messages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, METADATA, METADATA_INDEX, DATA_END = 0x0B, 0x0C, 0x0D, 0x0F

CHUNK_BYTES, CHUNK_S = 256 << 10, 1.0  # a chunk is closed above either
RECORD = struct.Struct("<BQ")  # opcode and length of any record
MESSAGE_HEAD = struct.Struct(
    "<BQHIQQ"
)  # with the channel, the sequence, the log time and the publish time, in ns
CHUNK_HEAD = struct.Struct("<QQQIIQ")  # times of the first and last message, size, CRC, no compression, size
_MESSAGE_AFTER_LENGTH = MESSAGE_HEAD.size - RECORD.size
_ENTRY = struct.Struct("<QQ")
_COUNT = struct.Struct("<HQ")
_CHUNK_INDEX = struct.Struct("<QQQQ")
_STATISTICS = struct.Struct("<QHIIIIQQ")


class Topic(NamedTuple):
    """A channel with its schema, which both have the same id, from 1.

    `schema` is the name of the schema, `definition` its bytes in `schema_encoding`; `encoding` is that of the messages.
    """

    topic: str
    schema: str
    encoding: str
    schema_encoding: str
    definition: bytes


def record(opcode: int, content: bytes) -> bytes:
    """Return a record."""
    return RECORD.pack(opcode, len(content)) + content


def text(value: str) -> bytes:
    """Return a string."""
    return sized(value.encode())


def sized(data: bytes) -> bytes:
    """Return bytes after their length."""
    return struct.pack("<I", len(data)) + data


def message(channel: int, sequence: int, log_ns: int, publish_ns: int, data: bytes) -> bytes:
    """Return a message; the times are of the wall clock and of CLOCK_MONOTONIC, in ns."""
    length = _MESSAGE_AFTER_LENGTH + len(data)
    return MESSAGE_HEAD.pack(MESSAGE, length, channel, sequence, log_ns, publish_ns) + data


def definitions(topics: Iterable[Topic]) -> bytes:
    """Return the schemas and the channels."""
    found = b""
    for number, one in enumerate(topics, 1):
        schema = text(one.schema) + text(one.schema_encoding) + sized(one.definition)
        channel = struct.pack("<H", number) + text(one.topic) + text(one.encoding) + sized(b"")
        found += record(SCHEMA, struct.pack("<H", number) + schema)
        found += record(CHANNEL, struct.pack("<H", number) + channel)
    return found


def metadata(name: str, values: dict[str, str]) -> bytes:
    """Return a metadata record."""
    pairs = b"".join(text(key) + text(value) for key, value in values.items())
    return record(METADATA, text(name) + sized(pairs))


def beginning(library: str, named: bytes, topics: bytes) -> bytes:
    """Return the start of a file: its header, the metadata record `named`, and the `definitions`."""
    return MAGIC + record(HEADER, text("") + text(library)) + named + topics


class Chunk:
    """The messages of one chunk."""

    def __init__(self) -> None:
        self.records = bytearray()
        self.indexes: dict[int, bytearray] = {}  # of each channel: the time and the place of each message
        self.first_ns, self.last_ns = 1 << 63, 0

    def add(self, message: bytes | bytearray | memoryview) -> None:
        """Add a message, a whole record."""
        _, _, channel, _, log_ns, _ = MESSAGE_HEAD.unpack_from(message)
        self.indexes.setdefault(channel, bytearray()).extend(_ENTRY.pack(log_ns, len(self.records)))
        self.first_ns, self.last_ns = min(self.first_ns, log_ns), max(self.last_ns, log_ns)
        self.records += message

    def encode(self) -> bytes:
        """Return the chunk and its message indexes. A chunk has at least one message."""
        size, crc = len(self.records), zlib.crc32(self.records)
        head = CHUNK_HEAD.pack(self.first_ns, self.last_ns, size, crc, 0, size)
        chunk = RECORD.pack(CHUNK, len(head) + size) + head + self.records
        return chunk + b"".join(self._index(channel) for channel in self.indexes)

    def _index(self, channel: int) -> bytes:
        return record(MESSAGE_INDEX, struct.pack("<H", channel) + sized(bytes(self.indexes[channel])))

    def describe(self, at: int) -> bytes:
        """Return the chunk index record of this chunk, which begins at the byte `at` of the file."""
        size = len(self.records)
        length = RECORD.size + CHUNK_HEAD.size + size
        place, offsets = at + length, b""
        for channel in self.indexes:
            offsets += _COUNT.pack(channel, place)
            place += len(self._index(channel))
        head = _CHUNK_INDEX.pack(self.first_ns, self.last_ns, at, length) + sized(offsets)
        return record(CHUNK_INDEX, head + struct.pack("<QIQQ", place - at - length, 0, size, size))


class Summary:
    """What the end of a file says about all before it.

    Args:
        named: the metadata record in the `beginning`.
        named_at: its place.
        topics: the `definitions`.
    """

    def __init__(self, named: bytes, named_at: int, topics: bytes) -> None:
        self._topics, self._chunks = topics, b""
        _, size = RECORD.unpack_from(named)
        name = named[RECORD.size : RECORD.size + 4 + struct.unpack_from("<I", named, RECORD.size)[0]]
        self._named = record(METADATA_INDEX, struct.pack("<QQ", named_at, RECORD.size + size) + name)
        self.chunks, self.counts = 0, dict.fromkeys(range(1, _channels(topics) + 1), 0)
        self.first_ns, self.last_ns = 1 << 63, 0

    def take(self, at: int, chunk: Chunk) -> None:
        """Take a chunk that begins at the byte `at`."""
        self._chunks += chunk.describe(at)
        self.chunks += 1
        for channel, index in chunk.indexes.items():
            self.counts[channel] += len(index) // _ENTRY.size
        self.first_ns, self.last_ns = min(self.first_ns, chunk.first_ns), max(self.last_ns, chunk.last_ns)

    def end(self, at: int) -> bytes:
        """Return the end of the file, which begins at the byte `at`."""
        total, channels = sum(self.counts.values()), len(self.counts)
        first_ns = self.first_ns if total else 0
        numbers = _STATISTICS.pack(total, channels, channels, 0, 1, self.chunks, first_ns, self.last_ns)
        counts = sized(b"".join(_COUNT.pack(*one) for one in self.counts.items()))
        summary = self._topics + record(STATISTICS, numbers + counts) + self._chunks + self._named
        data_end = record(DATA_END, struct.pack("<I", 0))
        foot = RECORD.pack(FOOTER, 20) + struct.pack("<QQ", at + len(data_end), 0)
        return data_end + summary + foot + struct.pack("<I", zlib.crc32(summary + foot)) + MAGIC


def _channels(topics: bytes) -> int:
    """Return the number of channels in the `definitions`."""
    place = found = 0
    while place < len(topics):
        opcode, size = RECORD.unpack_from(topics, place)
        found += opcode == CHANNEL
        place += RECORD.size + size
    return found
