"""The format of recordings, without other people's readers; tests/peers has those."""

from __future__ import annotations

import struct
import zlib

import pytest

from picar.core.shaping import Jog, Sticks, Tank
from picar.recording import mcap, messages
from picar.recording.channels import topics

NAMED = mcap.metadata("picar", {"version": "1.0"})
DEFINITIONS = mcap.definitions(topics())


def records(data: bytes) -> list[tuple[int, bytes]]:
    """Cut bytes into records."""
    found, place = [], 0
    while place < len(data):
        opcode, size = mcap.RECORD.unpack_from(data, place)
        place += mcap.RECORD.size
        found.append((opcode, data[place : place + size]))
        place += size
    assert place == len(data)
    return found


def a_chunk(first: int = 1) -> mcap.Chunk:
    chunk = mcap.Chunk()
    for number in range(first, first + 5):
        chunk.add(mcap.message(messages.COMMAND, number, 10**18 + number, number, b"{}"))
        chunk.add(mcap.message(messages.CAMERA, number, 10**18 - number, number, b"jpeg"))
    return chunk


def a_file() -> bytes:
    data = mcap.beginning("picar", NAMED, DEFINITIONS)
    summary = mcap.Summary(NAMED, data.index(NAMED), DEFINITIONS)
    for chunk in (a_chunk(), a_chunk(6)):
        summary.take(len(data), chunk)
        data += chunk.encode()
    return data + summary.end(len(data))


def test_a_file_is_records_between_two_magics_and_its_end_describes_all_before_it() -> None:
    data = a_file()
    assert data.startswith(mcap.MAGIC)
    assert data.endswith(mcap.MAGIC)
    kinds = [kind for kind, _ in records(data[8:-8])]
    per_topic = [mcap.SCHEMA, mcap.CHANNEL] * 7
    per_chunk = [mcap.CHUNK, mcap.MESSAGE_INDEX, mcap.MESSAGE_INDEX] * 2
    end = [mcap.STATISTICS, mcap.CHUNK_INDEX, mcap.CHUNK_INDEX, mcap.METADATA_INDEX, mcap.FOOTER]
    assert kinds == [mcap.HEADER, mcap.METADATA, *per_topic, *per_chunk, mcap.DATA_END, *per_topic, *end]
    summary_at, _, crc = struct.unpack("<QQI", data[-28:-8])
    assert crc == zlib.crc32(data[summary_at:-12])
    assert records(data[summary_at:-8])[0][0] == mcap.SCHEMA


def test_the_index_of_a_chunk_points_at_its_messages_and_at_its_message_indexes() -> None:
    data = a_file()
    index = next(content for kind, content in records(data[8:-8]) if kind == mcap.CHUNK_INDEX)
    first, last, at, length, size = struct.unpack_from("<QQQQI", index)
    assert (first, last) == (10**18 - 5, 10**18 + 5)
    (kind, chunk), *_ = records(data[at : at + length])
    assert kind == mcap.CHUNK
    for place in range(36, 36 + size, 10):
        channel, offset = struct.unpack_from("<HQ", index, place)
        opcode, length = mcap.RECORD.unpack_from(data, offset)
        assert opcode == mcap.MESSAGE_INDEX
        content = data[offset + 9 : offset + 9 + length]
        assert struct.unpack_from("<H", content) == (channel,)
        for entry in range(6, length, 16):
            log_ns, inside = struct.unpack_from("<QQ", content, entry)
            head = mcap.MESSAGE_HEAD.unpack_from(chunk, mcap.CHUNK_HEAD.size + inside)
            assert (head[0], head[2], head[4]) == (mcap.MESSAGE, channel, log_ns)


def test_the_same_messages_make_the_same_chunk() -> None:
    again = mcap.Chunk()
    for kind, content in records(bytes(a_chunk().records)):
        again.add(mcap.record(kind, content))
    assert again.encode() == a_chunk().encode()


def test_a_file_without_a_message_has_an_end_too() -> None:
    numbers = next(
        content
        for kind, content in records(mcap.Summary(NAMED, 99, DEFINITIONS).end(500)[:-8])
        if kind == mcap.STATISTICS
    )
    assert struct.unpack_from("<QHIIIIQQ", numbers) == (0, 7, 7, 0, 1, 0, 0, 0)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16384, 1 << 20])
def test_a_picture_comes_out_of_its_message_as_it_went_in(size: int) -> None:
    jpeg = b"\xff\xd8" + b"x" * size
    assert messages.jpeg_of(messages.picture(1_795_757_852_003_988_609, jpeg)) == jpeg


@pytest.mark.parametrize(
    "data", [b"", b"{}", messages.picture(5, b"jpeg")[:-1], messages.picture(5, b"j") + b"x"]
)
def test_other_bytes_are_no_picture(data: bytes) -> None:
    with pytest.raises(ValueError, match="no picture"):
        messages.jpeg_of(data)


def test_two_sticks_are_recorded_with_the_throttle_and_steering_that_mean_the_same() -> None:
    data = messages.command("c1", 3, Tank(1.0, 0.5), 0.6)
    assert data == (
        b'{"client":"c1","n":3,"speed_limit":0.6,"left":1.0,"right":0.5,"throttle":0.75,"steering":0.25}'
    )
    assert b'"throttle":0.5,"steering":-0.1' in messages.command("c1", 3, Sticks(0.5, -0.1), 0.6)
    assert b'"motor":"left","duty":0.2' in messages.command("c1", 3, Jog("left", 0.2), 0.6)


def test_notes_of_the_flight_recorder_become_messages() -> None:
    drive = {"t": 1.0, "by": "server", "client": "c1", "got": {"type": "tank", "seq": 1, "tick": 5, "left": 1.0, "right": 0.5}, "n": 9}  # fmt: skip
    sticks = {"left": 1.0, "right": 0.5, "throttle": 0.75, "steering": 0.25}
    assert messages.from_note(drive) == (messages.COMMAND, {"client": "c1", "n": 9, **sticks})
    assert messages.from_note({"t": 1.0, "by": "server", "driver": "c1"}) == (
        messages.EVENT,
        {"by": "server", "name": "driver", "value": "c1"},
    )
    pin = {"t": 1.0, "by": "motor", "pin": 12, "op": "pwm", "value": 0.5}
    value = {"pin": 12, "op": "pwm", "value": 0.5}
    assert messages.from_note(pin) == (messages.EVENT, {"by": "motor", "name": "pin", "value": value})
    refused = {"client": "c2", "got": {"type": "drive", "seq": 1}, "refused": "not_driver"}
    assert messages.from_note(refused)[1] == {
        "by": "server",
        "name": "drive",
        "client": "c2",
        "code": "not_driver",
        "value": {"seq": 1},
    }
    long = {"client": "c2", "got": None, "n": 4}
    assert messages.from_note(long)[1] == {"by": "server", "name": "message", "client": "c2", "value": {}}
