"""The protocol picar-video.v1 between the server and a page that shows the picture. docs/protocol.md describes it.

A viewer sends JSON text, and receives pictures as binary messages with a head of 20 bytes.

Law: `parse` returns a message or raises ValueError for every text.
"""

from __future__ import annotations

import json
import struct
from typing import NamedTuple

SUBPROTOCOL = "picar-video.v1"
VERSION = 1
MAX_BYTES = 256
MOST_FPS = 60
WORST_LEVEL = 5  # of the quality ladder
_HEAD = struct.Struct("!BBHIIHHI")
_MOST_MS = 65535  # "older than can be said", of an age
_MOST_SEQ = 2**32 - 1


class Seen(NamedTuple):
    """The picture with this `seq` is on the screen. Earlier pictures are settled too."""

    seq: int


class Want(NamedTuple):
    """The most pictures a second, 0 pauses; and the best quality level."""

    fps: int
    level: int = 0


class By(NamedTuple):
    """Whether this driver drives by the picture: it fills the screen."""

    camera: bool


Message = Seen | Want | By


def parse(text: str | bytes) -> Message:
    """Read one message of a viewer.

    Raises:
        ValueError: the text is not a message.
    """
    if isinstance(text, bytes):
        raise ValueError("binary")  # noqa: TRY004 - one exception for every unreadable message
    try:
        fields = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    match fields:
        case {"type": "seen", "seq": int(seq), **more} if not more and _is_in(seq, 1, _MOST_SEQ):
            return Seen(seq)
        case {"type": "want", "fps": int(fps), **more} if not more and _is_in(fps, 0, MOST_FPS):
            return Want(fps)
        case {"type": "want", "fps": int(fps), "level": int(level), **more} if (
            not more and _is_in(fps, 0, MOST_FPS) and _is_in(level, 0, WORST_LEVEL)
        ):
            return Want(fps, level)
        case {"type": "by", "camera": bool(camera), **more} if not more:
            return By(camera)
    raise ValueError("no message of picar-video.v1")


def head(level: int, age_s: float, seq: int, trip_s: float, width: int, height: int) -> bytes:
    """Return the head of a picture: 20 bytes, big-endian.

    Args:
        level: of the quality ladder.
        age_s: of the picture, at sending.
        seq: of the picture.
        trip_s: from sending to the answer, of the newest answered picture; 0 before the first.
        width: in pixels.
        height: in pixels.
    """
    age_ms = min(_MOST_MS, max(0, round(age_s * 1000)))
    trip_ms = min(_MOST_SEQ, max(1, round(trip_s * 1000))) if trip_s else 0
    return _HEAD.pack(VERSION, level, age_ms, seq, trip_ms, width, height, 0)


def _is_in(value: int, lo: int, hi: int) -> bool:
    return type(value) is int and lo <= value <= hi  # a bool is an int to `match`
