"""Exports of a recording for other programs: a tub of donkeycar, a table (CSV), the pictures; `avi.py` has the film.

The times of two messages are compared by CLOCK_MONOTONIC; that of a picture is the time of its capture.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from picar.errors import RecordingError
from picar.recording.messages import NS, jpeg_of
from picar.recording.reader import CAMERA, Message, Recording

COMMAND, WHEELS, POSE, STATE, EVENT = "/picar/cmd", "/picar/wheels", "/pose", "/picar/state", "/picar/event"
Size = tuple[int, int]
_HEAD = (
    "t_s,unix_s,topic,client,throttle,steering,speed_limit,state,applied_left,applied_right,applied_throttle,"
    "applied_steering,x_m,y_m,heading_rad,event,picture"
)
COLUMNS = _HEAD.split(",")
_NEWEST = 256  # commands before a picture: those of some seconds
_COMMAND_AGE_NS = NS // 10
_TUB_INPUTS = ["cam/image_array", "user/angle", "user/throttle", "user/mode"]
_TUB_TYPES = ["image_array", "float", "float", "str"]
_CATALOG_LENGTH = 1000


def picture_of(message: Message, size: Size | None = None) -> bytes:
    """Return the JPEG in a message, scaled if a size is given.

    Raises:
        RecordingError: the message has none, or Pillow is missing.
    """
    try:
        jpeg = jpeg_of(message.data)
    except ValueError:
        raise RecordingError(f"The picture at byte {message.at} was not recorded by picar.") from None
    return _scaled(jpeg, size) if size else jpeg


def write_frames(recording: Recording, folder: Path, size: Size | None) -> int:
    """Write each picture into a new folder, named by its number and its milliseconds; return how many."""
    number = 0
    start = recording.totals().first_ns
    folder.mkdir()
    for number, one in enumerate(recording.messages({CAMERA}), 1):
        name = f"{number:06}-{(one.log_ns - start) // 10**6:07}ms.jpg"
        (folder / name).write_bytes(picture_of(one, size))
    return number


def write_table(recording: Recording, file: Path, _size: Size | None = None) -> int:
    """Write a row for each command, status of the wheels, place, event and picture; return how many.

    A cell is empty where the message does not have its value.
    """
    rows = pictures = 0
    start = recording.totals().first_ns
    with file.open("x", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
        table.writeheader()
        for one in recording.messages({COMMAND, WHEELS, POSE, EVENT, CAMERA}):
            pictures += one.topic == CAMERA
            cells = {"picture": pictures} if one.topic == CAMERA else _cells(one)
            times = {"t_s": f"{(one.log_ns - start) / NS:.6f}", "unix_s": f"{one.log_ns / NS:.6f}"}
            table.writerow({"topic": one.topic, **cells, **times})
            rows += 1
    return rows


def write_tub(recording: Recording, folder: Path, size: Size | None) -> int:
    """Write a tub (version 2, as donkeycar 5.3 does) into a new folder; return the number of its records.

    There is a record for each picture with a command at most 0.1 s older, while the car was armed.
    """
    start = recording.totals().first_ns
    session = f"{time.strftime('%y-%m-%d', time.gmtime(start / NS))}_0"
    (folder / "images").mkdir(parents=True)
    lines: list[str] = []
    catalogs: list[str] = []

    def close() -> None:
        name = f"catalog_{len(catalogs)}.catalog"
        manifest = {
            "created_at": start / NS,
            "line_lengths": [len(line) for line in lines],
            "path": f"{name}_manifest",
            "start_index": _CATALOG_LENGTH * len(catalogs),
        }
        _write(folder / name, *lines)
        _write(folder / f"{name}_manifest", _line(manifest))
        catalogs.append(name)
        lines.clear()

    index = 0
    for index, (picture, command) in enumerate(_driven(recording), 1):
        name = f"{index - 1}_cam_image_array_.jpg"
        (folder / "images" / name).write_bytes(picture_of(picture, size))
        record = {
            "_index": index - 1,
            "_session_id": session,
            "_timestamp_ms": picture.log_ns // 10**6,
            "cam/image_array": name,
            "user/angle": float(command["steering"]),
            "user/mode": "user",
            "user/throttle": float(command["throttle"]),
        }
        lines.append(_line(record))
        if len(lines) == _CATALOG_LENGTH:
            close()
    if lines or not catalogs:
        close()
    sessions = {"all_full_ids": [session], "last_id": 0, "last_full_id": session}
    catalog = {"paths": catalogs, "current_index": index, "max_len": _CATALOG_LENGTH, "deleted_indexes": []}
    heads: tuple[Any, ...] = (
        _TUB_INPUTS,
        _TUB_TYPES,
        {},
        {"created_at": start / NS, "sessions": sessions},
        catalog,
    )
    _write(folder / "manifest.json", *(_line(one, sort=False) for one in heads))
    return index


def _driven(recording: Recording) -> Iterator[tuple[Message, dict[str, Any]]]:
    """Yield each picture that was captured while the car was armed, with the newest command of that time."""
    commands: deque[tuple[int, Any]] = deque(maxlen=_NEWEST)
    states: deque[tuple[int, Any]] = deque(maxlen=_NEWEST)
    for one in recording.messages({COMMAND, WHEELS, STATE, CAMERA}):
        if one.topic != CAMERA:
            value = json.loads(one.data)
            if one.topic == COMMAND and "throttle" in value:
                commands.append((one.publish_ns, value))
            elif one.topic != COMMAND:
                states.append((one.publish_ns, value["state"]))
            continue
        at, command = _newest(commands, one.publish_ns)
        _, state = _newest(states, one.publish_ns)
        if command and state == "armed" and one.publish_ns - at <= _COMMAND_AGE_NS:
            yield one, command


def _newest(values: deque[tuple[int, Any]], at: int) -> tuple[int, Any]:
    """Return the newest value that is not younger than a time, with its own time."""
    return next((one for one in reversed(values) if one[0] <= at), (0, None))


def _cells(one: Message) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(one.data)
    if one.topic == EVENT:
        return {"event": value.get("name"), "client": value.get("client")}
    if one.topic == POSE:
        place, turned = value["pose"]["position"], value["pose"]["orientation"]
        return {"x_m": place["x"], "y_m": place["y"], "heading_rad": 2 * math.atan2(turned["z"], turned["w"])}
    return value | {f"applied_{name}": speed for name, speed in value.get("applied", {}).items()}


def _scaled(jpeg: bytes, size: Size) -> bytes:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise RecordingError("--size needs Pillow: pip install pillow, or apt's python3-pil.") from None
    scaled = io.BytesIO()
    try:
        Image.open(io.BytesIO(jpeg)).resize(size).save(scaled, "JPEG", quality=90)
    except OSError as error:
        raise RecordingError(f"A picture cannot be scaled: {error}.") from None
    return scaled.getvalue()


def _line(value: Any, *, sort: bool = True) -> str:
    return json.dumps(value, allow_nan=False, sort_keys=sort) + "\n"


def _write(file: Path, *lines: str) -> None:
    file.write_text("".join(lines), encoding="ascii", newline="\n")
