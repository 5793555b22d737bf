"""A `Drive` in a known state, and everything it remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from picar.config import DriveConfig
from picar.core.drive import TICK_S, Drive, State
from picar.core.shaping import NEUTRAL, Sticks, Wanted

NOW = 100.0
TIMEOUT_S = 0.5
REARM_S = 1.0
BRAKE_S = 0.25
AHEAD = Sticks(1.0, 0.0)
BACK = Sticks(-1.0, 0.0)
LIMITS = DriveConfig()


def parked(limits: DriveConfig = LIMITS) -> Drive:
    """A car that nobody has driven yet."""
    return Drive(limits, REARM_S, BRAKE_S)


def armed(now: float = NOW, limits: DriveConfig = LIMITS) -> Drive:
    """A car that has just seen neutral."""
    drive = parked(limits)
    assert drive.command(NEUTRAL, now + TIMEOUT_S, now) is None
    return drive


def roll(drive: Drive, wanted: Wanted, start: float, seconds: float) -> float:
    """Hold the sticks, a command with each tick, and return when the last one was."""
    now = start
    for n in range(1, round(seconds / TICK_S) + 1):
        now = start + n * TICK_S
        assert drive.command(wanted, now + TIMEOUT_S, now) is None
    return now


def cruising(wanted: Wanted = AHEAD, limits: DriveConfig = LIMITS) -> tuple[Drive, float]:
    """A car that has come to its speed, and the time of its last command."""
    drive = armed(limits=limits)
    return drive, roll(drive, wanted, NOW, 1.0 / limits.accel + limits.reverse_pause_s + 0.1)


def failsafe() -> tuple[Drive, float]:
    """A car whose driver fell silent at speed, and the time of its failsafe."""
    drive, now = cruising()
    drive.tick(now + TIMEOUT_S)
    return drive, now + TIMEOUT_S


def stopped() -> tuple[Drive, float]:
    """A car that was stopped at speed, and when."""
    drive, now = cruising()
    drive.stop(now)
    return drive, now


def held() -> tuple[Drive, float]:
    """A car that has come to rest for a hold, and the time of the hold's last tick."""
    drive, now = cruising()
    drive.hold(True, now)
    while drive.state is State.ARMED:
        now += TICK_S
        drive.tick(now)
    return drive, now


def slowing() -> tuple[Drive, float]:
    """A car on its ramp to a hold, and the time of the hold."""
    drive, now = cruising(limits=DriveConfig(decel=1.0))
    drive.hold(True, now)
    return drive, now


# A car in each state, and the time of its last call.
STARTS: dict[str, Callable[[], tuple[Drive, float]]] = {
    "disarmed": lambda: (parked(), NOW),
    "resting": lambda: (armed(), NOW),
    "driving": cruising,
    "failsafe": failsafe,
    "stopped": stopped,
    "held": held,
    "slowing": slowing,
}


def memory(drive: Drive) -> dict[str, Any]:
    """Return all that the drive and its two wheels remember."""
    mind = dict(vars(drive))
    for side in ("_left", "_right"):
        wheel = mind.pop(side)
        mind |= {f"{side}.{name}": getattr(wheel, name) for name in type(wheel).__slots__}
    return mind
