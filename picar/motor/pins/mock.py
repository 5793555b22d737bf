"""Pins that are only remembered: for tests, and for driving the program with nothing attached."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from picar.motor.pins import Circuit
from picar.motor.pins.checked import CheckedPins

HISTORY = 250


class Write(NamedTuple):
    """One change of a pin: `op` is claim, write, pwm or close; `value` a level or a duty cycle."""

    t: float
    pin: int
    op: str
    value: float


class MockPins(CheckedPins):
    """A backend without hardware; remembers its newest writes with their time.

    Args:
        clock: gives the time of each write, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self.writes: deque[Write] = deque(maxlen=HISTORY)
        self.levels: dict[int, float] = {}

    def claim(self, bcm: int) -> None:
        """Remember a claim."""
        self.record(bcm, "claim", 0)

    def write(self, bcm: int, level: int) -> None:
        """Remember a level."""
        self.record(bcm, "write", level)

    def pulse(self, bcm: int, hz: int, duty: float) -> None:  # noqa: ARG002 - as long as it is in range
        """Remember a duty cycle."""
        self.record(bcm, "pwm", duty)

    def finish(self, claimed: Iterable[int]) -> None:
        """Remember that every pin was left low."""
        for bcm in claimed:
            self.record(bcm, "close", 0)

    def record(self, bcm: int, op: str, value: float) -> None:
        """Change the pin's level and remember it."""
        self.levels[bcm] = value
        self.writes.append(Write(self._clock(), bcm, op, value))


def open_pins(_circuit: Circuit) -> MockPins:
    """Open the backend."""
    return MockPins()
