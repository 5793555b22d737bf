"""The WebSocket protocol picar.v1: JSON text to frozen messages and back. The only place with key names.

A message is well formed or not; whether a client may send it is decided elsewhere. docs/protocol.md describes the
protocol for clients.

Laws: `parse` returns a message or raises ProtocolError for every text; every number that it returns is finite and in its
range.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from picar.calibration.values import PULSES, Calibration, names_of, option_of
from picar.core.arbiter import TURNS_S, Turn
from picar.core.drive import Refusal
from picar.core.shaping import JOG_DUTY, LEAST_SPEED, Jog, Sticks, Tank, Wanted
from picar.layouts import LAYOUTS, MOTORS
from picar.values import Value

VERSION = 1
SUBPROTOCOL = "picar.v1"
MAX_BYTES = 4096
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # at a quarter of the cost of json.loads
_JSON_SPACE = " \t\r\n"
MAX_INTEGER = 2**53 - 1  # the largest a browser can count to
TICK_BITS = 32  # random bits in a tick: too many to guess a tick, few enough for small clients

MESSAGES = {
    "bad_message": "This is not a picar.v1 message: {}.",
    "unknown_type": "There is no message type {}.",
    "bad_value": "{}.",
    Refusal.STALE: "This was sent on what the car showed too long ago; the link is slow or was cut.",
    "out_of_order": "A newer command was here first; seq must rise.",
    "not_driver": "Somebody else has the wheel, or nobody; ask for it with take.",
    "guest": "A guest drives and stops the car; this takes a paired phone.",
    Refusal.NOT_NEUTRAL: "Let go of the sticks first; the car wants to see neutral before it drives.",
    Refusal.STOPPED: "The car is stopped; its driver must reset it.",
    "picture_old": "The picture on your screen is old, so the car has stopped; let go, and wait for a fresh picture.",
    "battery_low": "The battery is empty; charge it before the car drives again.",
    Refusal.ARMING: "The speed controller starts; it needs two seconds at neutral.",
    Refusal.HELD: "The garage holds this car; wait until it lets the car drive, or lift the hold with the car's PIN.",
    Refusal.MOVING: "The car moves; it is calibrated at standstill only.",
    "not_saved": "It counts until picar ends, but could not be saved.",
    "recording_off": "Recordings are switched off in the car's configuration.",
    "recording_failed": "The recorder cannot start now; the car's log has the reason.",
    "too_fast": "More than 100 messages a second for over a second; send 20 to 30.",
}


class ProtocolError(ValueError):
    """A message that cannot be read: `code` is part of the protocol, the text is a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(MESSAGES[code].format(detail))
        self.code = code


class Drive(NamedTuple):
    """Desired sticks, raw; a tank command or a jog arrives as this too."""

    seq: int
    tick: int
    wanted: Wanted


class Take(Value):
    """Ask for the wheel."""

    tick: int


class Release(Value):
    """Give up the wheel."""


class Grant(Value):
    """Give the wheel to a client."""

    client: str
    tick: int


class Deny(Value):
    """Turn down a client's request."""

    client: str


class SetTurns(Value):
    """Set the length of all drivers' turns, one of `TURNS_S`."""

    for_s: int
    tick: int


class Stop(Value):
    """Stop and stay stopped."""


class Reset(Value):
    """Leave the stop."""

    tick: int


class Limit(Value):
    """Set the speed limit, a share of max_speed."""

    speed: float
    tick: int


class Calibrate(Value):
    """Follow this calibration from now on, or the configuration's without one."""

    calibration: Calibration | None
    tick: int


class Aux(NamedTuple):
    """The value of an output beside the motors, in [-1, 1]."""

    seq: int
    tick: int
    name: str
    value: float


class Override(Value):
    """Drive past the distance sensor for a time."""

    tick: int


class StayOn(Value):
    """Put the countdown to switching off at an empty battery off."""

    tick: int


class Record(Value):
    """Start or end a recording."""

    on: bool
    tick: int


class Clock(Value):
    """The date of a client, in Unix seconds."""

    unix_s: float


Message = (
    Drive
    | Take
    | Release
    | Grant
    | Deny
    | SetTurns
    | Stop
    | Reset
    | Limit
    | Calibrate
    | StayOn
    | Clock
    | Aux
    | Override
    | Record
)


class CarState(NamedTuple):
    """The content of a state message that is the same for all clients; `you` and `waiting` are added for each role.

    `speeds` are the names of the values in `applied` and `target`. `requests` holds the first in line, `requests_total` counts all of them.
    """

    tick: int
    state: str
    driver: str | None
    wanted: Sticks
    speeds: tuple[str, str]
    applied: tuple[float, float]
    target: tuple[float, float]
    speed_limit: float
    speed_cap: float
    age_s: float | None
    link_cap: float
    stale: int
    reason: str | None
    turn: Turn | None
    requests: list[str]
    requests_total: int
    names: dict[str, str]
    clients: int
    pose: tuple[float, float, float] | None
    host: dict[str, float | None]
    lesson: dict[str, Any] | None = None
    video: dict[str, Any] | None = None
    obstacle: dict[str, Any] | None = None
    aux: dict[str, float | None] | None = None
    battery: dict[str, Any] | None = None
    recording: dict[str, Any] | None = None


class Hello(Value):
    """The content of a hello. `car` has name, backend and version; `limits` the numbers that a client must know."""

    client: str
    car: dict[str, Any]
    command_timeout_s: float
    tick_s: float
    limits: dict[str, float]


def parse(text: str | bytes) -> Message:
    """Read one message.

    Raises:
        ProtocolError: `bad_message`, `unknown_type` or `bad_value`.
    """
    if isinstance(text, bytes):
        raise ProtocolError("bad_message", "it is binary, and JSON text is wanted")
    try:
        text = text.strip(_JSON_SPACE)
        fields, end = _SCAN(text, 0)
    except (StopIteration, ValueError, RecursionError):
        end = -1
    if end != len(text):
        raise ProtocolError("bad_message", "it is not JSON")
    if not isinstance(fields, dict):
        raise ProtocolError("bad_message", "it is not a JSON object")
    kind = fields.pop("type", None)
    if not isinstance(kind, str):
        raise ProtocolError("bad_message", "it has no type")
    if kind not in _READERS:
        raise ProtocolError("unknown_type", json.dumps(kind[:40]))
    keys, build = _READERS[kind]
    if kind == "calibrate":
        keys = {"tick", *names_of(_motors_of(fields)), *(PULSES.keys() & fields.keys())}
    if fields.keys() != keys:
        raise ProtocolError(
            "bad_message", f"{kind} has the keys type, {', '.join(sorted(keys))}".rstrip(", ")
        )
    return build(fields)


def hello(hello: Hello) -> str:
    """Return a hello message."""
    return _text(type="hello", protocol=VERSION, **vars(hello))


def state_fields(state: CarState, you: str, waiting: bool = False) -> dict[str, Any]:
    """Return a state message as a JSON object. `you` is "driver" or "spectator"; `waiting`: whether the client asks for the wheel."""
    first, second = state.speeds
    fields: dict[str, Any] = {
        "type": "state",
        "tick": state.tick,
        "state": state.state,
        "driver": state.driver,
        "you": you,
        "wanted": {"throttle": round(state.wanted.throttle, 3), "steering": round(state.wanted.steering, 3)},
        "applied": {first: round(state.applied[0], 3), second: round(state.applied[1], 3)},
        "target": {first: round(state.target[0], 3), second: round(state.target[1], 3)},
        "speed_limit": state.speed_limit,
        "speed_cap": state.speed_cap,
        "link": {
            "age_s": None if state.age_s is None else round(state.age_s, 3),
            "stale": state.stale,
            "cap": state.link_cap,
        },
        "reason": state.reason,
        "turn": state.turn and {"for_s": state.turn.for_s, "left_s": math.ceil(state.turn.left_s * 10) / 10},
        "requests": state.requests,
        "requests_total": state.requests_total,
        "waiting": waiting,
        "names": state.names,
        "clients": state.clients,
        "host": state.host,
    }
    fields["lesson"] = state.lesson
    fields["obstacle"] = state.obstacle
    fields["recording"] = state.recording
    if state.aux is not None:
        fields["aux"] = state.aux
    if state.video is not None:
        fields["video"] = state.video
    if state.battery is not None:
        fields["battery"] = state.battery
    if state.pose is not None:
        fields["pose"] = dict(zip(("x", "y", "heading"), state.pose, strict=True))
    return fields


def state(state: CarState, you: str, waiting: bool = False) -> str:
    """Return a state message."""
    return _ENCODER.encode(state_fields(state, you, waiting))


def error(code: str, message: str | None = None) -> str:
    """Return an error message, with a sentence or the one that belongs to the code."""
    return _text(type="error", code=str(code), message=message or MESSAGES[code])


def _text(**fields: Any) -> str:
    return _ENCODER.encode(fields)


def _number(fields: dict[str, Any], key: str, lo: float = -1.0, hi: float = 1.0) -> float:
    """Read a number in [lo, hi]. Booleans are not numbers; NaN and Infinity are, to json.loads, and bad ones."""
    value = fields[key]
    if type(value) not in (int, float):
        raise ProtocolError("bad_message", f"{key} must be a number")
    if not lo <= value <= hi:
        raise ProtocolError("bad_value", f"{key} must be a finite number from {lo:g} to {hi:g}")
    return float(value)


def _integer(fields: dict[str, Any], key: str) -> int:
    value = fields[key]
    if type(value) is float and not math.isfinite(value):
        raise ProtocolError("bad_value", f"{key} must be a finite whole number")
    if type(value) is not int:
        raise ProtocolError("bad_message", f"{key} must be a whole number")
    if not 0 <= value <= MAX_INTEGER:
        raise ProtocolError("bad_value", f"{key} must be a whole number from 0 to 2^53 - 1")
    return value


def _client(fields: dict[str, Any]) -> str:
    value = fields["client"]
    if not isinstance(value, str):
        raise ProtocolError("bad_message", "client must be a text")
    return value


def _drive(f: dict[str, Any]) -> Drive:
    return Drive(
        _integer(f, "seq"), _integer(f, "tick"), Sticks(_number(f, "throttle"), _number(f, "steering"))
    )


def _tank(f: dict[str, Any]) -> Drive:
    return Drive(_integer(f, "seq"), _integer(f, "tick"), Tank(_number(f, "left"), _number(f, "right")))


def _jog(f: dict[str, Any]) -> Drive:
    side = f["side"]
    if not isinstance(side, str):
        raise ProtocolError("bad_message", "side must be a text")
    if side not in MOTORS:
        raise ProtocolError("bad_value", f"side must be one of {', '.join(MOTORS)}")
    jog = Jog(side, _number(f, "duty", -JOG_DUTY, JOG_DUTY))
    return Drive(_integer(f, "seq"), _integer(f, "tick"), jog)


def _aux(f: dict[str, Any]) -> Aux:
    name = f["name"]
    if not isinstance(name, str):
        raise ProtocolError("bad_message", "name must be a text")
    return Aux(_integer(f, "seq"), _integer(f, "tick"), name, _number(f, "value"))


def _motors_of(f: dict[str, Any]) -> tuple[str, ...]:
    """Return the motors that a calibration names, those of the first layout if it names none."""
    named = [
        layout.motors for layout in LAYOUTS.values() if all(f"{motor}_trim" in f for motor in layout.motors)
    ]
    return named[0] if named else LAYOUTS["sides"].motors


def _calibrate(f: dict[str, Any]) -> Calibrate:
    values: dict[str, Any] = {}
    motors = _motors_of(f)
    for name in names_of(motors):
        option = option_of(name)
        if option.type is not bool:
            values[name] = _number(f, name, option.lo, option.hi)
        elif type(f[name]) is bool:
            values[name] = f[name]
        else:
            raise ProtocolError("bad_message", f"{name} must be true or false")
    for name in PULSES:
        if name not in f:
            continue
        option = option_of(name)
        values[name] = _integer(f, name)
        if not option.lo <= values[name] <= option.hi:
            raise ProtocolError("bad_value", f"{name} must be {option.rule}")
    return Calibrate(Calibration.named(motors, values), _integer(f, "tick"))


def _limit(f: dict[str, Any]) -> Limit:
    return Limit(_number(f, "speed", lo=LEAST_SPEED), _integer(f, "tick"))


def _record(f: dict[str, Any]) -> Record:
    if type(f["on"]) is not bool:
        raise ProtocolError("bad_message", "on must be true or false")
    return Record(f["on"], _integer(f, "tick"))


def _turn(f: dict[str, Any]) -> SetTurns:
    for_s = _number(f, "for_s", 0, TURNS_S[-1])
    if for_s not in TURNS_S:
        raise ProtocolError("bad_value", f"for_s must be one of {', '.join(map(str, TURNS_S))}")
    return SetTurns(int(for_s), _integer(f, "tick"))


_READERS: dict[str, tuple[set[str], Callable[[dict[str, Any]], Message]]] = {
    "drive": ({"seq", "tick", "throttle", "steering"}, _drive),
    "tank": ({"seq", "tick", "left", "right"}, _tank),
    "jog": ({"seq", "tick", "side", "duty"}, _jog),
    "calibrate": (set(), _calibrate),  # its keys depend on the layout
    "uncalibrate": ({"tick"}, lambda f: Calibrate(None, _integer(f, "tick"))),
    "take": ({"tick"}, lambda f: Take(_integer(f, "tick"))),
    "release": (set(), lambda _: Release()),
    "grant": ({"client", "tick"}, lambda f: Grant(_client(f), _integer(f, "tick"))),
    "deny": ({"client"}, lambda f: Deny(_client(f))),
    "turn": ({"for_s", "tick"}, _turn),
    "stop": (set(), lambda _: Stop()),
    "reset": ({"tick"}, lambda f: Reset(_integer(f, "tick"))),
    "limit": ({"speed", "tick"}, _limit),
    "aux": ({"seq", "tick", "name", "value"}, _aux),
    "record": ({"on", "tick"}, _record),
    "override": ({"tick"}, lambda f: Override(_integer(f, "tick"))),
    "stay_on": ({"tick"}, lambda f: StayOn(_integer(f, "tick"))),
    "clock": ({"unix_s"}, lambda f: Clock(_number(f, "unix_s", 0, MAX_INTEGER))),
}
