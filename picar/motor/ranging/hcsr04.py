"""An HC-SR04: a pulse on TRIG, and the length of the pulse on ECHO is the way of the sound.

Law: between the end of an echo and the next ping, ECHO wakes nobody. So an ECHO that floats cannot flood the loop.
"""

from __future__ import annotations

import math
import time

from picar.core.obstacle import ObstacleCap
from picar.motor.ranging.lines import EDGES, INPUT, OUTPUT, PULL_DOWN, Edge, Line
from picar.tuples import Protocol

PING_EVERY_S = (
    0.06  # data sheet: "over 60 ms measurement cycle, to prevent trigger signal to the echo signal"
)
TRIGGER_S = 10e-6  # data sheet: at least
SOUND_M_S = 343.0  # at 20 °C; 6 % less at -15 °C
RANGE_M = 4.0  # data sheet; a longer echo is the sensor's own time-out: nothing is within its range
LEAST_ECHO_S = 100e-6  # 1.7 cm; the sensor measures from 2 cm, a shorter pulse is a loose wire


class Echo(Protocol):
    """TRIG and ECHO, of a header or simulated."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is an edge, -1 without one."""

    def ping(self, now: float) -> None:
        """Send a pulse on TRIG."""

    def edges(self, now: float) -> list[Edge]:
        """Return the edges of ECHO that have arrived."""

    def next_event(self) -> float:
        """Return when `edges` must be called next without a readable descriptor."""


class Pins:
    """TRIG and ECHO at pins of the header. ECHO is pulled down: a broken wire is no echo."""

    def __init__(self, trigger: Line, echo: Line) -> None:
        self._trigger, self._echo = trigger, echo

    @classmethod
    def open(cls, trigger: int | str, echo: int | str) -> Pins:
        """Claim the pins; raises BackendError."""
        return cls(Line.claim(trigger, OUTPUT), Line.claim(echo, INPUT | EDGES | PULL_DOWN))

    def fileno(self) -> int:
        """Return the descriptor of ECHO."""
        return self._echo.fileno()

    def ping(self, now: float) -> None:  # noqa: ARG002 - the sensor has its own time
        """Send a pulse on TRIG."""
        self._trigger.set(1)
        until = time.monotonic() + TRIGGER_S
        while time.monotonic() < until:
            pass
        self._trigger.set(0)

    def edges(self, now: float) -> list[Edge]:  # noqa: ARG002 - the kernel has stamped them
        """Return the edges of ECHO."""
        return self._echo.edges()

    def next_event(self) -> float:
        """Return infinity: the descriptor wakes the loop."""
        return math.inf


class HcSr04:
    """The sensor (`ranging.Source`)."""

    def __init__(self, echo: Echo) -> None:
        self._echo = echo
        self._ping_at = -math.inf
        self._rose_at: float | None = None
        self._awaits = False

    def fileno(self) -> int:
        """Return the descriptor of ECHO while an echo is awaited."""
        return self._echo.fileno() if self._awaits else -1

    def advance(self, judge: ObstacleCap, now: float) -> None:
        """Take the edges, and send a ping when it is time."""
        for edge in self._echo.edges(now):
            if edge.level:
                self._rose_at = edge.at
            elif self._rose_at is not None and self._awaits:
                self._take(edge.at - self._rose_at, judge, now)
        if now >= self._ping_at:
            self._ping_at, self._awaits = now + PING_EVERY_S, True
            self._echo.ping(now)

    def next_event(self) -> float:
        """Return the time of the next ping."""
        return min(self._ping_at, self._echo.next_event())

    def _take(self, width_s: float, judge: ObstacleCap, now: float) -> None:
        """Take the first whole pulse after a ping."""
        self._rose_at, self._awaits = None, False
        if width_s >= LEAST_ECHO_S:
            judge.measured(min(RANGE_M, width_s * SOUND_M_S / 2), now)
