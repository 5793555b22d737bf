"""A distance sensor and its judge together, for the loop of the motors.

Law: no call raises, whatever the sensor does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from picar.core.obstacle import SLOW_CAP, ObstacleCap
from picar.linewriter import say
from picar.motor.pipe import Obstacle
from picar.tuples import Protocol

_SAY_EVERY_S = 60.0
IS_SLOW = f"Forward speed is limited to {SLOW_CAP:.0%}. Check its wires and [range], then restart picar."


class Source(Protocol):
    """A sensor."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when the sensor has sent something, -1 without one."""

    def advance(self, judge: ObstacleCap, now: float) -> None:
        """Let time pass: start measurements, and give the judge what has arrived. May raise anything."""

    def next_event(self) -> float:
        """Return when `advance` must be called next, at the latest."""


class Sensor:
    """A sensor and its judge, for the loop (`motor.loop.Ranging`).

    Args:
        judge: of its readings.
        source: the sensor, None if it could not be opened.
        tell: writes a line for a person.
    """

    def __init__(self, judge: ObstacleCap, source: Source | None, tell: Callable[[str], None] = say) -> None:
        self._judge, self._source, self._tell = judge, source, tell
        self._was_known = self._overrides = False
        self._tell_at = -math.inf
        self._cap, self._due = judge.cap(-math.inf), -math.inf

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 without one."""
        return self._source.fileno() if self._source else -1

    def read(self, now: float) -> None:
        """Take the readings that have arrived."""
        try:
            if self._source:
                self._source.advance(self._judge, now)
        except Exception as error:  # the task's boundary: no sensor stops the motors
            self._source = self._judge.contact = None
            self._tell(f"picar motor: the distance sensor failed: {error}. {IS_SLOW}")
        self._tell_of_silence(now)
        self._cap, self._due = self._judge.cap(now), self._judge.next_event(now)
        if self._source:
            self._due = min(self._due, self._source.next_event())

    def cap(self, now: float) -> float:
        """Let time pass, and return the cap of forward speed. It costs next to nothing until something is due."""
        if now >= self._due:
            self.read(now)
        return self._cap

    def override(self, now: float) -> None:
        """Let the driver drive past the sensor for a time."""
        self._judge.override(now)
        self._overrides, self._due = True, now

    def end_override(self) -> None:
        """End that."""
        if self._overrides:
            self._judge.end_override()
            self._overrides, self._due = False, -math.inf

    def shown(self, now: float) -> Obstacle:
        """Return what the page shows."""
        judge = self._judge
        distance = judge.distance(now)
        m = None if distance is None else round(distance, 2)
        return Obstacle(m, round(judge.cap(now), 2), judge.overrides(now))

    def next_event(self, now: float) -> float:  # noqa: ARG002 - the time of the last `read` decides
        """Return when `cap` must be called next, at the latest."""
        return self._due

    def _tell_of_silence(self, now: float) -> None:
        known = self._judge.is_known(now)
        if self._was_known and not known and self._source and now >= self._tell_at:
            self._tell_at = now + _SAY_EVERY_S
            self._tell(f"picar motor: the distance sensor does not answer. {IS_SLOW}")
        self._was_known = known
