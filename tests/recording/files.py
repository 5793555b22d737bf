"""Recordings for the tests of their readers: drives of a few seconds, written as the recorder writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from PIL import Image

from picar.core.shaping import Sticks
from picar.recording import mcap, messages
from picar.recording.channels import topics

START_NS = 1_795_757_852 * 10**9
MS = 10**6
Made = tuple[int, int, bytes]  # channel, milliseconds since the start, data


@cache
def jpeg(number: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a picture of one colour, which its number decides."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (number * 5 % 256, 90, 200)).save(buffer, "JPEG", quality=50)
    return buffer.getvalue()


def drive(length_ms: int = 2000, picture_every_ms: int = 100, armed_from_ms: int = 0) -> Iterator[Made]:
    """Yield the messages of a drive: a command each 50 ms, a status of the wheels with it, pictures between."""
    yield messages.STATE, 0, messages.encode({"state": "armed", "driver": "c1", "speed_limit": 0.6})
    for ms in range(0, length_ms, 10):
        share = ms / length_ms
        if ms % 50 == 0:
            yield messages.COMMAND, ms, messages.command("c1", ms // 50, Sticks(share, -share / 2), 0.6)
            state = "armed" if ms >= armed_from_ms else "disarmed"
            speeds = (share, share / 2)
            yield (
                messages.WHEELS,
                ms,
                messages.wheels(ms // 50, state, True, ("left", "right"), speeds, speeds),
            )
            yield messages.POSE, ms, messages.pose(START_NS + ms * MS, share, 0.0, 0.0)
        if ms % picture_every_ms == 0:
            yield messages.CAMERA, ms, messages.picture(START_NS + ms * MS, jpeg(ms // picture_every_ms))


def beginning(name: str = "blitz") -> tuple[bytes, mcap.Summary]:
    """Return the beginning of a file, and the summary of a file that has no more."""
    named, defined = mcap.metadata("picar", {"version": "1.0", "name": name}), mcap.definitions(topics())
    data = mcap.beginning("picar 1.0", named, defined)
    return data, mcap.Summary(named, data.index(named), defined)


def encoded(made: Iterable[Made] | None = None, chunk_ms: int = 500) -> tuple[bytes, list[int], bytes]:
    """Return a file without its end, the places of its chunks and of the end, and the end."""
    data, summary = beginning()
    places, chunk, since = [len(data)], mcap.Chunk(), 0

    def close() -> None:
        nonlocal data, chunk
        summary.take(len(data), chunk)
        data += chunk.encode()
        places.append(len(data))
        chunk = mcap.Chunk()

    for number, (channel, ms, content) in enumerate(drive() if made is None else made, 1):
        if chunk.indexes and ms - since >= chunk_ms:
            close()
            since = ms
        chunk.add(mcap.message(channel, number, START_NS + ms * MS, ms * MS, content))
    if chunk.indexes:
        close()
    return data, places, summary.end(len(data))


def write(path: Path, made: Iterable[Made] | None = None) -> Path:
    """Write a whole recording."""
    data, _, end = encoded(made)
    path.write_bytes(data + end)
    return path


def values(data: bytes) -> dict[str, object]:
    """Return a JSON message."""
    found: dict[str, object] = json.loads(data)
    return found
