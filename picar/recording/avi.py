"""The pictures of a recording as a film: AVI with Motion JPEG, which players and ffmpeg read.

An AVI file has a fixed number of frames a second, a camera has not. The film has 60 and shows each picture at the frame
nearest to its time; an empty frame repeats the picture before it. (Microsoft, "AVI RIFF File Reference".)
"""

from __future__ import annotations

import struct
from pathlib import Path

from picar.errors import RecordingError
from picar.recording.exports import Size, picture_of
from picar.recording.messages import NS
from picar.recording.reader import CAMERA, Recording

FPS = 60
_MOST_REPEATS = 3600 * FPS
_MOST_BYTES = 4_000_000_000  # a size has 32 bits
_HAS_INDEX, _KEY_FRAME = 0x10, 0x10
_FRAME = struct.Struct("<4sI")
_ENTRY = struct.Struct("<4sIII")
_OTHER_MARKERS = (0xC4, 0xC8, 0xCC)  # among those of frames (ITU-T T.81, table B.1)


def write_avi(recording: Recording, file: Path, size: Size | None) -> int:
    """Write the film; return the number of its pictures.

    Raises:
        RecordingError: there is no picture, or the film is longer than an AVI file may be.
        OSError: the file exists, or cannot be written.
    """
    number = largest = 0
    start, dimensions, index = 0, (0, 0), bytearray()
    with file.open("xb") as out:
        out.write(_head(dimensions, 0, 0, 0, 0))
        place = out.tell()
        for one in recording.messages({CAMERA}):
            jpeg = picture_of(one, size)
            if not number:
                start, dimensions = one.publish_ns, _dimensions(jpeg, one.at)
            number, largest = number + 1, max(largest, len(jpeg))
            frame = round((one.publish_ns - start) * FPS / NS)
            repeats = frame - len(index) // _ENTRY.size
            if repeats > _MOST_REPEATS:
                raise RecordingError("Two pictures are more than an hour apart. Use --frames.")
            for data in [b""] * repeats + [jpeg]:
                index += _ENTRY.pack(b"00dc", _KEY_FRAME * bool(data), out.tell() - place + 4, len(data))
                out.write(_FRAME.pack(b"00dc", len(data)) + data + bytes(len(data) % 2))
            if out.tell() > _MOST_BYTES:
                raise RecordingError("The film would be longer than 4 GB, which AVI allows. Use --frames.")
        if not number:
            raise RecordingError(f"{recording.path} has no picture.")
        end = out.tell()
        out.write(_FRAME.pack(b"idx1", len(index)) + index)
        whole = out.tell()
        out.seek(0)
        out.write(_head(dimensions, len(index) // _ENTRY.size, largest, end - place, whole))
    return number


def _head(dimensions: tuple[int, int], frames: int, largest: int, movie: int, whole: int) -> bytes:
    """Return the begin of the file, up to its first frame; it has the same length for all numbers."""
    width, height = dimensions
    main = struct.pack(
        "<14I", 10**6 // FPS, 0, 0, _HAS_INDEX, frames, 0, 1, largest, width, height, 0, 0, 0, 0
    )
    times = struct.pack("<IHHIIIIIIII4H", 0, 0, 0, 0, 1, FPS, 0, frames, largest, 0, 0, 0, 0, width, height)
    form = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    stream = _chunk(b"strh", b"vidsMJPG" + times) + _chunk(b"strf", form)
    head = _chunk(b"LIST", b"hdrl" + _chunk(b"avih", main) + _chunk(b"LIST", b"strl" + stream))
    return (
        _FRAME.pack(b"RIFF", max(0, whole - 8)) + b"AVI " + head + _FRAME.pack(b"LIST", movie + 4) + b"movi"
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return _FRAME.pack(kind, len(content)) + content


def _dimensions(jpeg: bytes, at: int) -> tuple[int, int]:
    """Return width and height of a JPEG, from the marker of its frame."""
    place = 2
    while place + 9 <= len(jpeg):
        marker, length = struct.unpack_from(">xBH", jpeg, place)
        if 0xC0 <= marker <= 0xCF and marker not in _OTHER_MARKERS:
            height, width = struct.unpack_from(">HH", jpeg, place + 5)
            return width, height
        place += 2 + length
    raise RecordingError(f"The picture at byte {at} is no JPEG.")
