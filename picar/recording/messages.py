"""The messages of a recording, as bytes: JSON, and a hand-written protobuf for the pictures. `channels.py` describes every key.

The server makes them while the car drives, so each is one call of the JSON encoder. Nothing is imported for that then.
"""

from __future__ import annotations

import json
import math
from typing import Any

# Ids of the channels, in the order of `channels.topics()`.
COMMAND, WHEELS, STATE, EVENT, POSE, LOG, CAMERA = range(1, 8)
NS = 10**9
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_NOT_RECORDED = ("type", "tick", "you", "waiting")  # of a state: they concern one client
_FRAME, _FORMAT = b"\x22\x06camera", b"\x1a\x04jpeg"  # fields 4 and 3 of foxglove.CompressedImage


def encode(fields: Any) -> bytes:
    """Return a JSON object."""
    return _ENCODER.encode(fields).encode()


def command(client: str, number: int, wanted: tuple[Any, ...], speed_limit: float) -> bytes:
    """Return accepted sticks, a `Sticks`, `Tank` or `Jog`; `number` is that of the command to the motor process."""
    sticks = wanted._asdict()  # type: ignore[attr-defined]
    return encode({"client": client, "n": number, "speed_limit": speed_limit, **_with_axes(sticks)})


def wheels(
    number: int,
    state: str,
    moving: bool,
    speeds: tuple[str, str],
    applied: tuple[float, float],
    target: tuple[float, float],
) -> bytes:
    """Return a status of the motor process; `speeds` are the names of the two values in `applied` and in `target`."""
    (one, two), (a, b), (c, d) = speeds, applied, target
    driving = {"n": number, "state": state, "moving": moving}
    return encode({**driving, "applied": {one: a, two: b}, "target": {one: c, two: d}})


def state(fields: dict[str, Any]) -> bytes:
    """Return a state of picar.v1, given as a JSON object, without the members that concern one client."""
    for name in _NOT_RECORDED:
        del fields[name]
    return encode(fields)


def pose(at_ns: int, x: float, y: float, heading: float) -> bytes:
    """Return a place of the simulated car, in m and rad, as foxglove.PoseInFrame."""
    place = {"x": x, "y": y, "z": 0.0}
    turned = {"x": 0.0, "y": 0.0, "z": math.sin(heading / 2), "w": math.cos(heading / 2)}
    where = {"position": place, "orientation": turned}
    return encode({"timestamp": _time(at_ns), "frame_id": "odom", "pose": where})


def log(at_ns: int, level: int, text: str, logger: str) -> bytes:
    """Return a line of the log as foxglove.Log; `level` is one of `logging`."""
    named = {"name": logger, "file": "", "line": 0}
    return encode({"timestamp": _time(at_ns), "level": level // 10, "message": text, **named})


def picture(at_ns: int, jpeg: bytes) -> bytes:
    """Return a picture as foxglove.CompressedImage: field 1 the time, 4 the frame, 3 the format, 2 the data."""
    seconds, nanoseconds = divmod(at_ns, NS)
    time = b"\x08" + _varint(seconds) + b"\x10" + _varint(nanoseconds)
    head = b"\x0a" + _varint(len(time)) + time + _FRAME + _FORMAT
    return b"%b\x12%b%b" % (head, _varint(len(jpeg)), jpeg)


def jpeg_of(data: bytes) -> bytes:
    """Return the JPEG in a message of `picture`.

    Raises:
        ValueError: it is another message.
    """
    _, tag, rest = data.partition(_FRAME + _FORMAT + b"\x12")
    size = next((at for at, digit in enumerate(rest, 1) if digit < 0x80), 0)
    if not tag or rest[:size] != _varint(len(rest) - size):
        raise ValueError("this is no picture of a recording")
    return rest[size:]


def from_note(note: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the channel and the message of a note of the flight recorder, which it has as an object."""
    by = note.pop("by", "server")
    note.pop("t", None)
    if "pin" in note:
        return EVENT, {"by": by, "name": "pin", "value": note}
    if "client" not in note:
        name, value = next(iter(note.items()), ("", None))
        return EVENT, {"by": by, "name": name, "value": value}
    got = note.get("got") or {}
    kind = got.pop("type", "message") if isinstance(got, dict) else "message"
    client, number = note["client"], note.get("n", 0)
    if "refused" in note:
        return EVENT, {"by": by, "name": kind, "client": client, "code": note["refused"], "value": got}
    if kind in ("drive", "tank"):
        sticks = {name: value for name, value in got.items() if name not in ("seq", "tick")}
        return COMMAND, {"client": client, "n": number, **_with_axes(sticks)}
    return EVENT, {"by": by, "name": kind, "client": client, "value": got}


def _with_axes(sticks: dict[str, Any]) -> dict[str, Any]:
    """Return sticks with throttle and steering, also two sticks for the sides."""
    if "left" not in sticks:
        return sticks
    left, right = sticks["left"], sticks["right"]
    return {**sticks, "throttle": (left + right) / 2, "steering": (left - right) / 2}


def _time(at_ns: int) -> dict[str, int]:
    seconds, nanoseconds = divmod(at_ns, NS)
    return {"sec": seconds, "nsec": nanoseconds}


def _varint(value: int) -> bytes:
    """Return a number in base 128, lowest digit first (protobuf.dev/programming-guides/encoding)."""
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + _varint(value >> 7)
