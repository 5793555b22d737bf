"""The frames on the pipes between the server and the motor process, one JSON line each.

The first line is the `Order`: the configuration of the motor process. Commands are arrays,
`["drive", n, deadline, throttle, steering]`; `n` counts up and comes back in the status. Times are CLOCK_MONOTONIC
seconds, the same clock on both sides. Both sides are this program: a line that cannot be read is a defect, not input,
and raises.

Law: no frame is longer than PIPE_BUF, so that a non-blocking write takes all of it or nothing.
"""

from __future__ import annotations

import json
from types import SimpleNamespace

from picar.calibration.values import Calibration
from picar.core.drive import Reason
from picar.core.shaping import Jog, Sticks, Tank, Wanted
from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from picar.config import Config

_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
_SCAN = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # at half the cost of json.loads
MAX_BYTES = 512  # the least PIPE_BUF of POSIX, and that of macOS


def drive(n: int, wanted: Wanted, deadline: float) -> bytes:
    """Follow these sticks until `deadline`."""
    if isinstance(wanted, Jog):
        return _line("jog", n, deadline, wanted.motor, wanted.duty)
    kind = "drive" if isinstance(wanted, Sticks) else "tank"
    a, b = wanted
    return f'["{kind}",{n},{deadline},{a},{b}]\n'.encode()  # by hand: it is the most frequent frame


def stop(n: int) -> bytes:
    """Stop and stay stopped."""
    return _line("stop", n)


def reset(n: int, seen_at: float, deadline: float) -> bytes:
    """Leave the stop, if the state sent at `seen_at` showed it."""
    return _line("reset", n, deadline, seen_at)


def release(n: int, reason: Reason) -> bytes:
    """Forget the driver."""
    return _line("release", n, reason)


def limit(n: int, speed: float, deadline: float) -> bytes:
    """Set the speed limit."""
    return _line("limit", n, deadline, speed)


def cap(n: int, forward: float, reverse: float) -> bytes:
    """Set the caps of both directions. Without a deadline: a late cap counts too."""
    return _line("cap", n, forward, reverse)


def hold(n: int, on: bool) -> bytes:
    """Hold the car, or end the hold. Without a deadline, as a cap."""
    return _line("hold", n, on)


def calibrate(n: int, calibration: Calibration, deadline: float) -> bytes:
    """Follow another calibration, at standstill."""
    return _line("calibrate", n, deadline, *calibration)


def parse(line: bytes) -> Any:
    """Read a line: of a command, the array."""
    return _SCAN(line.decode(), 0)[0]


def sticks(kind: str, a: Any, b: float) -> Wanted:
    """Return the sticks or the jog of a drive, tank or jog frame."""
    if kind == "jog":
        return Jog(a, b)
    return Sticks(a, b) if kind == "drive" else Tank(a, b)


def aux(n: int, name: str, deadline: float, value: float) -> bytes:
    """Set an output beside the motors; a momentary one until `deadline`."""
    return _line("aux", n, name, deadline, value)


def override(n: int, deadline: float) -> bytes:
    """Drive past the distance sensor."""
    return _line("override", n, deadline)


class Obstacle(NamedTuple):
    """The distance sensor: the distance in m, at most its range and None if it is not known; the cap of forward speed."""

    m: float | None
    cap: float
    override: bool


class Status(NamedTuple):
    """The status of the motor process.

    `n` is the newest command that was handled, `refused` the commands that were not followed, with their codes;
    `aux` are the values of the outputs in their order, None for a broken one;
    `moving` is true while a wheel turns, is about to or is braked, also the simulated car's; `at` is the time.
    """

    n: int
    state: str
    reason: str | None
    wanted: tuple[float, float]
    applied: tuple[float, float]
    target: tuple[float, float]
    speed_limit: float
    moving: bool
    refused: list[tuple[int, str]]
    pose: tuple[float, float, float] | None
    obstacle: Obstacle | None = None
    aux: list[float | None] | None = None
    at: float = 0.0

    def encode(self) -> bytes:
        """Return the line to send."""
        return _line(*self)


def parse_status(line: bytes) -> Status | str:
    """Read a line of the motor process: a status, or the sentence that it cannot start."""
    fields = parse(line)
    if isinstance(fields, str):
        return fields
    n, state, reason, wanted, applied, target, speed_limit, moving, refused, pose, obstacle, aux, at = fields
    refused, pose = [tuple(pair) for pair in refused], tuple(pose) if pose else None
    wheels = tuple(wanted), tuple(applied), tuple(target)
    obstacle = Obstacle(*obstacle) if obstacle else None
    return Status(n, state, reason, *wheels, speed_limit, moving, refused, pose, obstacle, aux, at)


def failure(sentence: str) -> bytes:
    """Return the line with the reason why the motor process cannot start, cut to the length of a frame."""
    while len(line := json.dumps(sentence).encode() + b"\n") > MAX_BYTES:
        sentence = sentence[: -(len(line) - MAX_BYTES) // 6 or -1]
    return line


def _line(*fields: Any) -> bytes:
    return _ENCODER.encode(fields).encode() + b"\n"


class Order(NamedTuple):
    """The backend to open, the descriptors to write to, and the part of the configuration that concerns the motors.

    `trace` is the descriptor of the pin trace's pipe; `flight` that of the server's flight recorder; `bell` that of the
    pipe to which the motor process writes a byte after a status that the server must read at once; `speed_cap` the
    owner's, in [0.05, 1]. `config` has the calibration that is in force (in the motor process, its sections are plain
    namespaces); `configured` is the one of the configuration file, which limits a speed cap.
    """

    backend: str
    trace: int | None
    flight: int | None
    bell: int | None
    speed_cap: float
    configured: Calibration
    config: Config

    @classmethod
    def of(
        cls,
        config: Config,
        backend: str,
        trace: int | None = None,
        flight: int | None = None,
        speed_cap: float = 1.0,
        calibrated: Calibration | None = None,
    ) -> Order:
        """Return the order for a configuration; `calibrated` is in force instead of its calibration, if given."""
        in_force = calibrated.applied_to(config) if calibrated else config
        return cls(backend, trace, flight, None, speed_cap, Calibration.of(config), in_force)

    def encode(self) -> bytes:
        """Return the line to send, without the parts of the configuration that concern the server alone."""
        import dataclasses  # here, because the motor process needs none

        config = dataclasses.asdict(self.config)
        for name in ("server", "access", "camera", "recording", "source", "warnings"):
            del config[name]
        return json.dumps([*self[:-1], config]).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Order:
        """Read the line. `config` is a plain object then, with the attributes of a `Config`."""
        order = cls(*json.loads(line, object_hook=lambda values: SimpleNamespace(**values)))
        configured = Calibration.received(*order.configured)
        return order._replace(configured=configured._replace(pulses=vars(configured.pulses)))
