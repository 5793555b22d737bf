"""The common part of every backend: misuse is refused before the library is called.

Libraries permit different misuse: NaN and frequencies below zero, a pin that was never claimed, a second claim
without effect. Here each is an error.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping

from picar.errors import PicarError, PinError
from picar.motor.pins import Pin
from picar.motor.pins.library import refusal
from picar.raspberrypi import NUMBERS, pin_name
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

MAX_HZ = 10_000
MIN_US, MAX_US = 500, 2500  # of servo pulses


class CheckedPins(ABC):
    """A backend: `Pins` for the bridge, a few calls to a library underneath."""

    numbers: Collection[int] = NUMBERS  # of the pins that it has

    def __init__(self) -> None:
        self.closed = False
        self._claimed: dict[int, int | None] = {}  # the level of rest, None for servo pulses

    def output(self, pin: int, rest: int = 0) -> Pin:
        """Claim a pin for levels, at its level of rest."""
        self._admit(pin, rest)
        return _Output(self, pin)

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle, low."""
        if type(hz) is not int or not 1 <= hz <= MAX_HZ:
            raise PinError(f"{pin_name(pin)}: {hz!r} Hz is not a PWM frequency from 1 to {MAX_HZ}")
        self._admit(pin, 0)
        return _Pwm(self, pin, hz)

    def pulse(self, pin: int) -> Pin:
        """Claim a pin for servo pulses, which go on as they are."""
        self._admit(pin, None)
        return _Pulse(self, pin)

    def prepare(self) -> None:  # noqa: B027
        """Do nothing: only a chip has a state of its own."""

    def commit(self, *, afresh: bool = False) -> None:  # noqa: B027
        """Do nothing: every pin was written at once."""

    def close(self) -> None:
        """Drive every claimed pin to its level of rest, leave it an output, and refuse all later calls."""
        if not self.closed:
            self.closed = True
            self.finish({pin: rest for pin, rest in self._claimed.items() if rest is not None})

    @abstractmethod
    def claim(self, pin: int, rest: int) -> None:
        """Make a pin an output of this level; `PinsBusy` when another process has it."""

    @abstractmethod
    def write(self, pin: int, level: int) -> None:
        """Set a level, 0 or 1."""

    @abstractmethod
    def wave(self, pin: int, hz: int, duty: float) -> None:
        """Start or change a wave; a duty of 0 ends it low, 1 high."""

    @abstractmethod
    def finish(self, rests: Mapping[int, int]) -> None:
        """Drive these pins to their levels of rest, as outputs, and close the library."""

    def claim_pulses(self, pin: int) -> None:
        """Prepare a pin for servo pulses; change no level."""
        raise PinError(f"{pin_name(pin)} cannot send servo pulses.")

    def send_pulses(self, pin: int, us: float) -> None:  # noqa: B027
        """Send pulses of this length, or none for 0, on a pin that `claim_pulses` accepted."""

    def rest(self, pin: int, level: int) -> None:
        """End a wave, and leave a level."""
        if level:
            self.write(pin, level)
        else:
            self.wave(pin, 0, 0.0)

    def rest_twice(self, rests: Mapping[int, int], period_s: float) -> None:
        """Bring pins to rest, and again after the longest period: a library's thread ends its wave late."""
        try:
            try_all(lambda item: self.rest(*item), rests.items())
        finally:
            time.sleep(period_s)
            try_all(lambda item: self.write(*item), rests.items())

    def _admit(self, pin: int, rest: int | None) -> None:
        self.expect_open(pin)
        name = pin_name(pin)
        if type(pin) is not int or pin not in self.numbers:
            raise PinError(f"{name} is not on the header")
        if pin in self._claimed:
            raise PinError(f"{name} is claimed already")
        try:
            if rest is None:
                self.claim_pulses(pin)
            else:
                self.claim(pin, rest)
        except PicarError:
            raise
        except Exception as error:  # of any library
            raise refusal(error, name, f"{name} cannot be claimed: {error}") from error
        self._claimed[pin] = rest

    def expect_open(self, pin: int) -> None:
        """Raise when the pins are closed."""
        if self.closed:
            raise PinError(f"{pin_name(pin)}: the pins are closed")


class _Output:
    __slots__ = ("_pin", "_pins")

    def __init__(self, pins: CheckedPins, pin: int) -> None:
        self._pins, self._pin = pins, pin

    def set(self, value: float) -> None:
        if value not in (0, 1):
            raise PinError(f"{pin_name(self._pin)}: {value!r} is not a level, 0 or 1")
        self._pins.expect_open(self._pin)
        self._pins.write(self._pin, int(value))


class _Pwm:
    __slots__ = ("_hz", "_pin", "_pins")

    def __init__(self, pins: CheckedPins, pin: int, hz: int) -> None:
        self._pins, self._pin, self._hz = pins, pin, hz

    def set(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:  # NaN is in no range
            raise PinError(f"{pin_name(self._pin)}: {value!r} is not a duty cycle from 0 to 1")
        self._pins.expect_open(self._pin)
        self._pins.wave(self._pin, self._hz, value)


class _Pulse:
    __slots__ = ("_pin", "_pins")

    def __init__(self, pins: CheckedPins, pin: int) -> None:
        self._pins, self._pin = pins, pin

    def set(self, value: float) -> None:
        check_pulse(self._pin, value)
        self._pins.expect_open(self._pin)
        self._pins.send_pulses(self._pin, value)


def check_pulse(pin: int, us: float) -> None:
    """Raise `PinError` for a value that is neither 0 nor the length of a servo pulse."""
    if us != 0 and not MIN_US <= us <= MAX_US:  # NaN is in no range
        raise PinError(f"{pin_name(pin)}: {us!r} µs is not a pulse from {MIN_US} to {MAX_US}, or 0")


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
