"""Pins that are only remembered: for tests, and for driving the program with nothing attached."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from picar.motor.pins import Circuit
from picar.motor.pins.checked import CheckedPins
from picar.raspberrypi import CHANNELS, NUMBERS
from picar.tuples import NamedTuple

HISTORY = 250


class Write(NamedTuple):
    """One change of a pin: `op` is claim, write, pwm, pulse or close; `value` a level, a duty cycle or microseconds."""

    t: float
    pin: int
    op: str
    value: float


class MockPins(CheckedPins):
    """A backend without hardware; remembers its newest writes with their time.

    Args:
        clock: gives the time of each write, in seconds.
    """

    numbers = NUMBERS | {*CHANNELS}

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self.writes: deque[Write] = deque(maxlen=HISTORY)
        self.levels: dict[int, float] = {}

    def claim(self, pin: int, rest: int) -> None:
        """Remember a claim."""
        self.record(pin, "claim", rest)

    def write(self, pin: int, level: int) -> None:
        """Remember a level."""
        self.record(pin, "write", level)

    def wave(self, pin: int, hz: int, duty: float) -> None:  # noqa: ARG002 - as long as it is in range
        """Remember a duty cycle."""
        self.record(pin, "pwm", duty)

    def claim_pulses(self, pin: int) -> None:
        """Remember nothing: the pulses are as before."""

    def send_pulses(self, pin: int, us: float) -> None:
        """Remember the length of the pulses."""
        self.record(pin, "pulse", us)

    def finish(self, rests: Mapping[int, int]) -> None:
        """Remember that every pin was left at rest."""
        for pin, rest in rests.items():
            self.record(pin, "close", rest)

    def record(self, bcm: int, op: str, value: float) -> None:
        """Change the pin's level and remember it."""
        self.levels[bcm] = value
        self.writes.append(Write(self._clock(), bcm, op, value))


def open_pins(_circuit: Circuit) -> MockPins:
    """Open the backend."""
    return MockPins()
