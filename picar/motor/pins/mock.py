"""Pins that are only remembered: for tests, and for driving the program with nothing attached.

Records the newest writes with their time, and refuses what a real library refuses or should refuse.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from picar.config import L298NConfig
from picar.errors import PinError
from picar.options import HEADER_PINS

HISTORY = 10_000


@dataclass(frozen=True, slots=True)
class Write:
    """One change of a pin: `op` is claim, write, pwm or close; `value` a level or a duty cycle."""

    t: float
    pin: int
    op: str
    value: float


class MockPins:
    """A backend without hardware.

    Args:
        clock: gives the time of each write, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.writes: deque[Write] = deque(maxlen=HISTORY)
        self.levels: dict[int, float] = {}
        self.closed = False

    def output(self, bcm: int) -> MockPin:
        """Claim a pin for levels, low."""
        self._claim(bcm)
        return MockPin(self, bcm, "write")

    def pwm(self, bcm: int, hz: int) -> MockPin:
        """Claim a pin for a duty cycle, low."""
        if type(hz) is not int or not 1 <= hz <= 10_000:
            raise PinError(f"GPIO {bcm}: {hz!r} Hz is not a PWM frequency from 1 to 10000")
        self._claim(bcm)
        return MockPin(self, bcm, "pwm")

    def close(self) -> None:
        """Drive every claimed pin low and refuse everything from now on."""
        if not self.closed:
            for bcm in self.levels:
                self.record(bcm, "close", 0)
            self.closed = True

    def record(self, bcm: int, op: str, value: float) -> None:
        """Change the pin's level and remember it."""
        if self.closed:
            raise PinError(f"GPIO {bcm}: the pins are closed")
        self.levels[bcm] = value
        self.writes.append(Write(self._clock(), bcm, op, value))

    def _claim(self, bcm: int) -> None:
        if type(bcm) is not int or bcm not in HEADER_PINS:
            raise PinError(f"GPIO {bcm!r} is not on the header")
        if bcm in self.levels:
            raise PinError(f"GPIO {bcm} is claimed already")
        self.record(bcm, "claim", 0)


class MockPin:
    """One claimed pin of `MockPins`."""

    __slots__ = ("_bcm", "_op", "_pins")

    def __init__(self, pins: MockPins, bcm: int, op: str) -> None:
        self._pins, self._bcm, self._op = pins, bcm, op

    def set(self, value: float) -> None:
        """Set the level or duty cycle."""
        if self._op == "write" and value not in (0, 1):
            raise PinError(f"GPIO {self._bcm}: {value!r} is not a level, 0 or 1")
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            raise PinError(f"GPIO {self._bcm}: {value!r} is not a duty cycle from 0 to 1")
        self._pins.record(self._bcm, self._op, value)


def open_pins(_wiring: L298NConfig) -> MockPins:
    """Open the backend."""
    return MockPins()
