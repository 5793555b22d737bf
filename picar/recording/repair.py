"""Repair of a recording whose process was killed: cut at the last whole chunk, and write the end.

Laws:
- A whole chunk is never lost: the file is cut behind it, or stays beside the repaired one.
- A repair that is interrupted can be repeated. Two processes never repair a file at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

from picar.errors import RecordingError
from picar.recording import mcap
from picar.recording.reader import Recording, inside, opened

PART = ".part"
_UNFINISHED_BYTES = 1 << 20  # at most, of one write: a chunk has 256 kB and one message more


def repair(path: Path) -> Path:
    """Make a whole recording of an unfinished or damaged one, and return its path, without the suffix `.part`.

    If more than an unfinished write is cut off, the original stays beside it as `.damaged`.

    Raises:
        RecordingError: the file is being written, is none of picar's, or has no whole beginning.
        OSError: it cannot be read or written.
    """
    done = path.with_suffix("") if path.suffix == PART else path
    with opened(path, with_summary=False) as recording:
        if done != path and done.exists():
            raise RecordingError(f"{done} exists. Move it elsewhere, then repair {path} again.")
        if is_live(recording.file, fcntl.LOCK_EX):
            raise RecordingError(f"{path} is being written. Stop this recording first.")
        summary, at, has_more = _whole_chunks(recording)
        end = summary.end(at)
        if recording.read(at, len(end) + 1) == end:
            return path.replace(done)
        new = Path(shutil.copyfile(path, done.with_suffix(".new"))) if has_more else path
        with new.open("r+b") as file:
            file.seek(at)
            file.write(end)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        if has_more:
            path.replace(path.with_suffix(".damaged"))
        return new.replace(done)


def repair_all(folder: Path) -> None:
    """Repair each unfinished recording in a folder, and delete those without a message; one that cannot be repaired stays."""
    for path in sorted(folder.glob(f"*.mcap{PART}")):
        with contextlib.suppress(OSError):
            done = repair(path)
            with opened(done) as recording:
                if not recording.totals().counts:
                    done.unlink()


def is_live(file: BinaryIO, lock: int = fcntl.LOCK_SH) -> bool:
    """Return whether another process writes this file: it holds a lock, which ends with its process. Else take one, too."""
    try:
        fcntl.flock(file, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _whole_chunks(recording: Recording) -> tuple[mcap.Summary, int, bool]:
    """Return the summary of the whole chunks, their end, and whether more follows than an unfinished write."""
    if not recording.metadata:
        raise RecordingError(
            f"{recording.path} has no whole beginning of a recording of picar: it cannot be repaired."
        )
    head = recording.read(0, recording.data_at)
    records = [(opcode, head[begin:end], begin) for opcode, begin, end in inside(head, len(mcap.MAGIC))]
    named = next((record, at) for opcode, record, at in records if opcode == mcap.METADATA)
    topics = b"".join(record for opcode, record, _ in records if opcode in (mcap.SCHEMA, mcap.CHANNEL))
    summary, at, written = mcap.Summary(*named, topics), recording.data_at, 0
    with contextlib.suppress(RecordingError, struct.error, LookupError):
        for part in recording.parts():
            chunk, content = mcap.Chunk(), recording.read(part.at, part.end - part.at)
            for _, begin, end in inside(content, mcap.RECORD.size + mcap.CHUNK_HEAD.size):
                chunk.add(content[begin:end])
            encoded = chunk.encode()
            if recording.read(at, len(encoded)) != encoded:
                written = len(encoded)
                break
            summary.take(at, chunk)
            at += len(encoded)
    opcode, size = mcap.RECORD.unpack(recording.read(at, mcap.RECORD.size).ljust(mcap.RECORD.size, b"\0"))
    unfinished = min(max(written, mcap.RECORD.size + size), _UNFINISHED_BYTES - 1)
    rest = recording.read(at, _UNFINISHED_BYTES).rstrip(b"\0")
    return summary, at, opcode != mcap.DATA_END and len(rest) > unfinished
