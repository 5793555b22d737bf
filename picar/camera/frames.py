"""The frames on the pipe from the camera process to the server: a head of 24 bytes, then a JPEG or a notice.

Head, big-endian: `size` of the rest (u32), `kind` (u8: 0 picture, 1 notice), `level` of the quality ladder (u8), `width`,
`height` and 0 (u16 each), `seq` (u32, from 1, rises), `captured` (u64, CLOCK_MONOTONIC in ns). A notice is JSON: `code` and
`message` of a fault (null without a fault), `card`, `upright`; `picar camera --list` has its own keys.

The server believes nothing: bytes that are no frame raise `BadStream`.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from picar.errors import PicarError

PICTURE, NOTICE = 0, 1
MAX_BYTES = 1 << 20
NOTICE_BYTES = 16 << 10  # a larger JSON takes milliseconds to read
MOST_FRAMES = (
    256  # in one read, which is 128 KiB: no picture is so small, and the server must not be busy with garbage
)
_HEAD = struct.Struct("!IBBHHHIQ")
_JPEG = b"\xff\xd8"
# The segment with the orientation, up to its value: Exif 2.32, and TIFF 6.0 in it.
_EXIF = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01"

# Of the quality ladder, best first: largest width and quality. A width of 0 is the configured one.
LADDER = ((0, 50), (0, 25), (480, 30), (320, 35), (320, 15), (240, 15))


class BadStream(PicarError, ValueError):
    """Bytes that are no frame."""


class Frame(NamedTuple):
    """One frame. `body` is a JPEG, or the JSON of a notice."""

    kind: int
    level: int
    width: int
    height: int
    seq: int
    captured_ns: int
    body: bytes

    def pack(self) -> bytes:
        """Return the bytes to send."""
        head = (self.kind, self.level, self.width, self.height, 0, self.seq, self.captured_ns)
        return _HEAD.pack(len(self.body), *head) + self.body

    def notice(self) -> dict[str, Any]:
        """Return the content of a notice.

        Raises:
            BadStream: it is no JSON object.
        """
        try:
            content = json.loads(self.body)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise BadStream("a notice is no JSON object")
        return content


class Frames:
    """Cuts the bytes of the pipe into frames."""

    def __init__(self) -> None:
        self._unread = bytearray()
        self._seq = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete with these bytes.

        Raises:
            BadStream: they are no frames.
        """
        self._unread += data
        found: list[Frame] = []
        while len(self._unread) >= _HEAD.size:
            size, kind, level, width, height, zero, seq, captured_ns = _HEAD.unpack_from(self._unread)
            most = MAX_BYTES if kind == PICTURE else NOTICE_BYTES
            if kind > NOTICE or level >= len(LADDER) or zero or seq <= self._seq or size > most:
                raise BadStream("the camera process sent bytes that are no frame")
            end = _HEAD.size + size
            if len(self._unread) < end:
                break
            body = bytes(self._unread[_HEAD.size : end])
            del self._unread[:end]
            if kind == PICTURE and not (body.startswith(_JPEG) and width and height):
                raise BadStream("the camera process sent a picture that is no JPEG")
            self._seq = seq
            if len(found) == MOST_FRAMES:
                raise BadStream("the camera process sent too many frames at once")
            found.append(Frame(kind, level, width, height, seq, captured_ns, body))
        return found


def oriented(jpeg: bytes, *, rotation: int, mirror: bool) -> bytes:
    """Return a JPEG that asks its viewer to turn it by 0° or 180° and to mirror it, without compressing it anew."""
    orientation = {(0, False): 1, (0, True): 2, (180, False): 3, (180, True): 4}[rotation, mirror]
    exif = _EXIF + struct.pack("!HxxI", orientation, 0) if orientation > 1 else b""
    return jpeg[:2] + exif + jpeg[2:]


def pixels(size: str) -> tuple[int, int]:
    """Return the width and the height of a configured size."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def at_level(level: int, size: tuple[int, int], quality: int) -> tuple[tuple[int, int], int]:
    """Return size and quality of the pictures at a level of the ladder; the configured ones are the largest and the best."""
    (width, best), (wide, high) = LADDER[level], size
    if not width:
        return (wide, high), max(5, round(quality * best / LADDER[0][1]))
    width = min(width, wide)
    return (width, width * high // wide & ~1), min(quality, best)
