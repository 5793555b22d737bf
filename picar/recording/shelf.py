"""The folder of the recordings: its list, a timeline for the page, and the process that reads both for the server.

A disk may hang, so the server itself touches no recording: `python -m picar.recording.shelf FOLDER` answers its questions. A
question is a line of JSON; an answer is such a line, with the number of the bytes that follow. The process keeps no state: a
long answer is asked for in pieces.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from picar.errors import RecordingError
from picar.recording import NAME, SUFFIX
from picar.recording.messages import NS, jpeg_of
from picar.recording.reader import CAMERA, opened
from picar.recording.repair import PART, is_live

PIECE_BYTES = 256 << 10
READ_BYTES = 16 << 20  # for one piece: an SD card takes a second


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the recordings in a folder, the newest first; a value that cannot be read is None."""
    found = [path for path in (*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{SUFFIX}{PART}")) if _is_own(path)]
    named = sorted(
        ((path.name.removesuffix(PART).removesuffix(SUFFIX), path) for path in found), reverse=True
    )
    return [{"name": name, **_facts(path)} for name, path in named if NAME.fullmatch(name)]


def _is_own(path: Path) -> bool:
    """Return whether this is a file: a link may lead out of the folder, and a pipe or a device never ends."""
    return path.is_file() and not path.is_symlink()


def _facts(path: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"start": None, "s": None, "bytes": None, "pictures": None, "live": False}
    with contextlib.suppress(OSError), opened(path) as recording:  # it is broken, or was deleted just now
        facts |= {
            "bytes": os.fstat(recording.file.fileno()).st_size,
            "live": path.suffix == PART and is_live(recording.file),
        }
        if recording.is_finished:
            counts, first_ns, _ = totals = recording.totals()
            facts |= {"start": first_ns / NS, "s": totals.length_s, "pictures": counts.get(CAMERA, 0)}
    return facts


def timeline(path: Path, topics: Collection[str], at: int) -> tuple[bytes, int]:
    """Return lines about messages from the byte `at` on, and the byte at which the next lines begin, 0 at the end.

    A line has the seconds since the first message, the topic, and the message itself; of a picture its place in the file.
    """
    with opened(path) as recording:
        zero = recording.totals().first_ns
        lines = (
            b"" if at else b'{"t":0,"topic":"metadata","data":%b}\n' % json.dumps(recording.metadata).encode()
        )
        begin = at or recording.data_at
        for part in recording.parts(at):
            for one in part.messages:
                if one.topic in topics:
                    members = b'"data":' + one.data
                    if one.topic == CAMERA:
                        size = len(jpeg_of(one.data))
                        members = b'"at":%d,"bytes":%d' % (one.at + len(one.data) - size, size)
                    t = (one.log_ns - zero) / NS
                    lines += b'{"t":%.3f,"topic":"%b",%b}\n' % (t, one.topic.encode(), members)
            if len(lines) >= PIECE_BYTES or part.end - begin >= READ_BYTES:
                return lines, part.end
    return lines, 0


def answer(
    folder: Path, do: str, name: str = "", at: int = 0, end: int = 0, topics: Collection[str] = ()
) -> tuple[dict[str, Any], bytes]:
    """Return the members and the bytes that answer a question of the server; `next` is the byte at which to ask again, or 0.

    Raises:
        OSError: there is no such recording, or it cannot be read.
        ValueError: it has another content.
    """
    path, data, members = folder / f"{name}{SUFFIX}", b"", {"next": 0}
    if do != "list" and not _is_own(path):
        raise FileNotFoundError
    if do == "list":
        data = json.dumps({"recordings": entries(folder)}).encode()
    elif do == "delete":
        path.unlink()
    elif do == "timeline":
        data, members["next"] = timeline(path, topics, at)
    elif do == "picture":
        with opened(path) as recording:
            has_some = recording.totals().counts.get(
                CAMERA
            )  # a search through all of a long file takes too long
            picture = next(recording.messages({CAMERA}), None) if has_some else None
        if picture is None:
            raise FileNotFoundError
        data = jpeg_of(picture.data)
    else:
        with path.open("rb") as file:
            members["size"] = file.seek(0, os.SEEK_END)
            data = file.read(min(end - at, PIECE_BYTES)) if file.seek(at) < end else b""
        if at < end and not data:
            raise FileNotFoundError
        members["next"] = at + len(data) if at + len(data) < end else 0
    return members, data


if __name__ == "__main__":
    os.nice(10)
    for line in sys.stdin.buffer:
        try:
            members, data = answer(Path(sys.argv[1]), **json.loads(line))
        except FileNotFoundError:
            members, data = {"fault": ""}, b""
        except (OSError, ValueError) as error:
            sentence = (
                str(error) if isinstance(error, RecordingError) else f"The recording cannot be read: {error}."
            )
            members, data = {"fault": sentence}, b""
        sys.stdout.buffer.write(json.dumps(members | {"bytes": len(data)}).encode() + b"\n" + data)
        sys.stdout.buffer.flush()
