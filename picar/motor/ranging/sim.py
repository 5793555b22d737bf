"""The distance sensors of the simulated car: three rays from its nose to the walls, and an ECHO for them.

The reader of the HC-SR04 is the real one. The environment variable `PICAR_SIM_RANGE` breaks the sensor: `dead` (no echo),
`high` (ECHO stays high), `far` (it sees nothing), `noisy` (a fifth of the readings see nothing).
"""

from __future__ import annotations

import math
import os
import random

from picar.core.obstacle import ObstacleCap
from picar.motor.ranging.hcsr04 import RANGE_M, SOUND_M_S, HcSr04
from picar.motor.ranging.lines import Edge
from picar.motor.ranging.sensor import Source
from picar.motor.simcar import REACH_M, Wall
from picar.tuples import Protocol

VARIABLE = "PICAR_SIM_RANGE"
CONE = (math.radians(-7.5), 0.0, math.radians(7.5))  # 15° wide, as the data sheet of the HC-SR04 has it
NOISE_M = 0.01
DROPOUT = 0.01  # share of the pings without an echo
DELAY_S = 0.0005  # from the ping to the rise of ECHO
TIMEOUT_S = 0.038  # length of an echo when nothing is within the range
TOUCH_M = 0.01  # a bumper is pressed from here on
BUMPER_S = 0.02  # between two looks at it
SEED = 11


class Place(Protocol):
    """The simulated car."""

    walls: tuple[Wall, ...]

    @property
    def pose(self) -> tuple[float, float, float]:
        """Position in m and heading in rad."""


def distance(place: Place) -> float:
    """Return the distance in m from the car's nose to the nearest wall in the cone, infinity without one."""
    x, y, heading = place.pose
    x, y = x + REACH_M * math.cos(heading), y + REACH_M * math.sin(heading)
    return min(_ray(x, y, heading + angle, wall) for wall in place.walls for angle in CONE)


def _ray(x: float, y: float, angle: float, wall: Wall) -> float:
    """Return the way along a ray to a wall by the slab test (Kay and Kajiya 1986), infinity if the ray misses it."""
    left, bottom, right, top = wall
    near, far = 0.0, math.inf
    for start, step, low, high in ((x, math.cos(angle), left, right), (y, math.sin(angle), bottom, top)):
        if abs(step) < 1e-12:
            if not low <= start <= high:
                return math.inf
            continue
        first, last = sorted(((low - start) / step, (high - start) / step))
        near, far = max(near, first), min(far, last)
    return near if near <= far else math.inf


class SimEcho:
    """TRIG and ECHO of an HC-SR04 at the nose of the car (`hcsr04.Echo`)."""

    def __init__(self, place: Place, seed: int = SEED, fault: str = "") -> None:
        self._place, self._fault = place, fault
        self._rng = random.Random(seed)  # noqa: S311 - noise is no secret
        self._coming: list[Edge] = []

    def fileno(self) -> int:
        """Return -1: `next_event` has the time of the next edge."""
        return -1

    def ping(self, now: float) -> None:
        """Send a pulse; the edges of its echo come later."""
        drops = self._rng.random() < DROPOUT
        if drops or self._fault == "dead" or self._coming:
            return
        self._coming = [Edge(now + DELAY_S, 1)]
        if self._fault != "high":
            self._coming.append(Edge(now + DELAY_S + self._width(), 0))

    def edges(self, now: float) -> list[Edge]:
        """Return the edges until now."""
        due = [edge for edge in self._coming if edge.at <= now]
        self._coming = self._coming[len(due) :]
        return due

    def next_event(self) -> float:
        """Return the time of the next edge."""
        return self._coming[0].at if self._coming else math.inf

    def _width(self) -> float:
        far = self._fault == "far" or (self._fault == "noisy" and self._rng.random() < 0.2)
        m = math.inf if far else distance(self._place)
        if m > RANGE_M:
            return TIMEOUT_S
        return max(0.02, m + self._rng.gauss(0.0, NOISE_M)) * 2 / SOUND_M_S


class SimBumper:
    """A switch at the nose of the car (`ranging.Source`)."""

    def __init__(self, place: Place) -> None:
        self._place, self._next = place, -math.inf

    def fileno(self) -> int:
        """Return -1: `next_event` has the time of the next look."""
        return -1

    def advance(self, judge: ObstacleCap, now: float) -> None:
        """Read the switch."""
        judge.contact = distance(self._place) < TOUCH_M
        self._next = now + BUMPER_S

    def next_event(self) -> float:
        """Return the time of the next look."""
        return self._next


def open_simulated(source: str, place: Place) -> Source:
    """Return the simulated sensor of a kind."""
    if source == "switch":
        return SimBumper(place)
    return HcSr04(SimEcho(place, fault=os.environ.get(VARIABLE, "")))
