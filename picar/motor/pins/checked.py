"""The common part of every backend: misuse is refused before the library is called.

Libraries permit different misuse: NaN and frequencies below zero, a pin that was never claimed, a second claim
without effect. Here each is an error.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeVar

from picar.errors import PinError
from picar.motor.pins import Pin
from picar.motor.pins.library import refusal
from picar.raspberrypi import NUMBERS

MAX_HZ = 10_000
T = TypeVar("T")


class CheckedPins(ABC):
    """A backend: `Pins` for the bridge, four calls to a library underneath."""

    def __init__(self) -> None:
        self.closed = False
        self._claimed: list[int] = []

    def output(self, bcm: int) -> Pin:
        """Claim a pin for levels, low."""
        self._admit(bcm)
        return _Output(self, bcm)

    def pwm(self, bcm: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle, low."""
        if type(hz) is not int or not 1 <= hz <= MAX_HZ:
            raise PinError(f"GPIO {bcm}: {hz!r} Hz is not a PWM frequency from 1 to {MAX_HZ}")
        self._admit(bcm)
        return _Pwm(self, bcm, hz)

    def close(self) -> None:
        """Drive every claimed pin low, leave it an output, and refuse all later calls."""
        if not self.closed:
            self.closed = True
            self.finish(self._claimed)

    @abstractmethod
    def claim(self, bcm: int) -> None:
        """Make a pin an output that is low; `PinsBusy` when another process has it."""

    @abstractmethod
    def write(self, bcm: int, level: int) -> None:
        """Set a level, 0 or 1."""

    @abstractmethod
    def pulse(self, bcm: int, hz: int, duty: float) -> None:
        """Start or change a wave; a duty of 0 ends it low, 1 high."""

    @abstractmethod
    def finish(self, claimed: Iterable[int]) -> None:
        """Drive these pins low, as outputs, and close the library."""

    def drive_low_twice(self, claimed: Iterable[int], period_s: float) -> None:
        """Drive these pins low, and again after the longest period: a library's thread ends its wave late."""
        pins = list(claimed)
        try:
            try_all(lambda bcm: self.pulse(bcm, 0, 0.0), pins)
        finally:
            time.sleep(period_s)
            try_all(lambda bcm: self.write(bcm, 0), pins)

    def _admit(self, bcm: int) -> None:
        self.expect_open(bcm)
        if type(bcm) is not int or bcm not in NUMBERS:
            raise PinError(f"GPIO {bcm!r} is not on the header")
        if bcm in self._claimed:
            raise PinError(f"GPIO {bcm} is claimed already")
        try:
            self.claim(bcm)
        except Exception as error:  # of any library
            raise refusal(error, f"GPIO {bcm}", f"GPIO {bcm} cannot be claimed: {error}") from error
        self._claimed.append(bcm)

    def expect_open(self, bcm: int) -> None:
        """Raise when the pins are closed."""
        if self.closed:
            raise PinError(f"GPIO {bcm}: the pins are closed")


class _Output:
    __slots__ = ("_bcm", "_pins")

    def __init__(self, pins: CheckedPins, bcm: int) -> None:
        self._pins, self._bcm = pins, bcm

    def set(self, value: float) -> None:
        if value not in (0, 1):
            raise PinError(f"GPIO {self._bcm}: {value!r} is not a level, 0 or 1")
        self._pins.expect_open(self._bcm)
        self._pins.write(self._bcm, int(value))


class _Pwm:
    __slots__ = ("_bcm", "_hz", "_pins")

    def __init__(self, pins: CheckedPins, bcm: int, hz: int) -> None:
        self._pins, self._bcm, self._hz = pins, bcm, hz

    def set(self, value: float) -> None:
        if not (math.isfinite(value) and 0.0 <= value <= 1.0):
            raise PinError(f"GPIO {self._bcm}: {value!r} is not a duty cycle from 0 to 1")
        self._pins.expect_open(self._bcm)
        self._pins.pulse(self._bcm, self._hz, value)


def try_all(action: Callable[[T], object], items: Iterable[T]) -> None:
    """Apply the action to every item, also after a failure, and raise the first failure at the end."""
    failure: Exception | None = None
    for item in items:
        try:
            action(item)
        except Exception as error:
            failure = failure or error
    if failure:
        raise failure
