"""`picar recording`: list, inspect, repair, export and delete recordings; docs/recording.md describes each.

A recording is named by its file, or by its name in the folder of the car.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from picar.errors import FileError, RecordingError

_FOREIGN = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)  # it has other keys, or no JSON
_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = "the car's configuration, which names the folder; default as for serve"
    parser.add_argument("--config", metavar="FILE", help=about)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        one = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        one.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help=about)
        if action in (_list, _info):
            one.add_argument("--json", action="store_true", help="JSON instead of text")
        if action is not _list:
            one.add_argument("recording", metavar="RECORDING", help="a file, or a name from the list")
        if action is _export:
            kinds = one.add_mutually_exclusive_group(required=True)
            for kind, what in _KINDS.items():
                kinds.add_argument(f"--{kind}", metavar="NEW", type=Path, help=what)
            one.add_argument(
                "--size", metavar="WxH", type=_size, help="scale the pictures, for example 160x120"
            )


def run(options: argparse.Namespace) -> int:
    """Work with recordings of drives: list, info, repair, export, delete."""
    from picar import configfile
    from picar.access.locations import resting
    from picar.recording import folder_of

    folder = folder_of(configfile.load(configfile.find_file(options.config)).recording, resting())
    options.path = folder
    try:
        if options.action != "list":
            options.path = _find(folder, options.recording)
        lines = [*_ACTIONS[options.action](folder, options)]
    except (FileError, RecordingError):
        raise
    except PermissionError as error:
        raise RecordingError(f"{error.filename}: permission denied. Use sudo.") from None
    except OSError as error:
        raise RecordingError(f"{error.filename or options.path}: {error.strerror}.") from None
    print(*lines, sep="\n")
    return 0


def _find(folder: Path, named: str) -> Path:
    """Return the file of a recording, finished or not, by its path or its name.

    Raises:
        RecordingError: there is no such file.
        OSError: the folder cannot be read.
    """
    from picar.recording import NAME, SUFFIX
    from picar.recording.repair import PART

    given = Path(named)
    shelved = folder / f"{named}{SUFFIX}" if NAME.fullmatch(named) else given
    for path in (given, shelved, shelved.with_name(shelved.name + PART)):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.stat()
            return path
    raise RecordingError(f"There is no recording {named}. `picar recording list` shows the names.")


def _list(folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """List the recordings of this car, the newest first."""
    from picar.recording.shelf import entries

    with contextlib.suppress(FileNotFoundError):
        os.scandir(folder).close()  # may this user read it?
    found = entries(folder)
    if options.json:
        yield json.dumps(found)
        return
    if not found:
        yield f"There are no recordings in {folder}."
    for one in found:
        length = "is written now" if one["live"] else "needs repair"
        if one["s"] is not None:
            length = f"{_length(one['s'])}, {one['pictures']} pictures"
        yield f"  {one['name']:<26} {one['bytes'] / 1e6 if one['bytes'] else 0:8.1f} MB  {length}"


def _info(_folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Show what a recording holds."""
    from picar.recording.reader import opened
    from picar.recording.repair import is_live

    with opened(options.path) as recording:
        totals = recording.totals()
        live = not recording.is_finished and is_live(recording.file)
    facts: dict[str, Any] = {
        "file": str(options.path),
        "finished": recording.is_finished,
        "bytes": options.path.stat().st_size,
        "start": totals.first_ns / 1e9,
        "s": totals.length_s,
        "messages": totals.counts,
        "metadata": recording.metadata,
    }
    if options.json:
        yield json.dumps(facts)
        return
    if live:
        yield "This recording is being written."
    elif not recording.is_finished:
        yield "It has no end yet: picar recording repair completes it."
    rows = {
        "file": facts["file"],
        "size": f"{facts['bytes'] / 1e6:.1f} MB",
        "start": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(facts["start"])),
        "length": _length(facts["s"]),
    }
    rows |= {key: value for key, value in recording.metadata.items() if key not in ("config", "walls")}
    rows |= {topic: f"{count} messages" for topic, count in totals.counts.items()}
    yield from (f"  {key:<16} {value}" for key, value in rows.items() if "\n" not in value)


def _repair(_folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Complete a recording whose process was killed."""
    from picar.access.locations import become_owner
    from picar.recording.repair import repair

    become_owner(options.path.absolute().parent)
    options.path = repair(options.path)
    yield from ["Whole now:", *_info(_folder, argparse.Namespace(path=options.path, json=False))]


def _export(_folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Write a recording in the form of another program."""
    from picar.recording import avi, exports
    from picar.recording.reader import opened
    from picar.system.systemd import catch_signals

    kind, target = next((kind, vars(options)[kind]) for kind in _KINDS if vars(options)[kind])
    if target.exists():
        raise FileError(f"{target} exists. Name another one.")
    writers: dict[str, Callable[..., int]] = {
        "tub": exports.write_tub,
        "csv": exports.write_table,
        "frames": exports.write_frames,
        "avi": avi.write_avi,
    }
    catch_signals(_interrupt)
    with opened(options.path) as recording:
        try:
            count = writers[kind](recording, target, options.size)
        except BaseException as error:
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            if isinstance(error, _FOREIGN):
                raise RecordingError(
                    f"{options.path} has messages of another program. Try --frames."
                ) from None
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                error.filename = str(target)
            raise
    yield f"{target}: {count} {'rows' if kind == 'csv' else 'pictures'}."


def _interrupt() -> None:
    """End the command after it has removed what it has written."""
    raise SystemExit(130)


def _delete(_folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Delete a recording."""
    from picar.access.locations import become_owner
    from picar.recording import SUFFIX
    from picar.recording.repair import is_live

    if SUFFIX not in options.path.suffixes:
        raise RecordingError(f"{options.path} is not named like a recording, so it is not deleted.")
    become_owner(options.path.absolute().parent)
    with options.path.open("rb") as file:
        if is_live(file):
            raise RecordingError(f"{options.path} is being written. Stop this recording first.")
    options.path.unlink()
    yield f"Deleted: {options.path}"


def _length(seconds: float) -> str:
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("write width and height like 160x120")
    return int(match[1]), int(match[2])


_KINDS = {
    "tub": "a tub of donkeycar: a record for each picture that was driven by",
    "csv": "a table: a row for each message",
    "frames": "a folder of JPEGs",
    "avi": "a film: Motion JPEG",
}
_ACTIONS = {one.__name__[1:]: one for one in (_list, _info, _repair, _export, _delete)}
