"""Pins through gpiozero, with any of its pin factories; `GPIOZERO_PIN_FACTORY` names one.

It uses gpiozero's pins, not its devices (source of gpiozero 2.0.1.post3):
- A device that is closed or collected, and every device at the end, leaves its pin a floating input.
- `Motor(enable=...)` raises the enable pin at once and never lowers it; `PhaseEnableMotor` stutters.
- A factory that cannot be loaded is only warned of, and the next one is taken: here that is an error.
- With lgpio underneath, a duty cycle has steps of one percent, and the end of a wave leaves its level;
  a claim makes the pin an input without a pull first, so that for a moment only the board's own
  resistor holds an enable low; and up to 2.0.1.post2 it may look for a Pi 5's pins on the wrong chip.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

from picar.motor.pins import Circuit
from picar.motor.pins.checked import CheckedPins
from picar.motor.pins.library import PinsLock, importing, private_work_dir, refusal

with importing("python3-gpiozero"):
    from gpiozero import Device, PinFactoryFallback


class GpiozeroPins(CheckedPins):
    """The pins of one gpiozero factory."""

    def __init__(self) -> None:
        super().__init__()
        self._factory = _factory()  # before the lock: it may fail
        self._lock = PinsLock()
        self._pins: dict[int, Any] = {}
        self._period_s = 0.0  # the longest

    def claim(self, pin: int, rest: int) -> None:
        """Make a pin an output, at rest."""
        claimed = self._factory.pin(f"GPIO{pin}")
        claimed.output_with_state(rest)
        claimed.state = rest
        self._pins[pin] = claimed

    def write(self, pin: int, level: int) -> None:
        """Set a level."""
        self._pins[pin].state = level

    def wave(self, pin: int, hz: int, duty: float) -> None:
        """Start, change or end a wave."""
        claimed = self._pins[pin]
        if duty == 0.0:
            claimed.frequency = None
            claimed.state = 0
        else:
            if claimed.frequency is None:
                self._period_s = max(self._period_s, 1.0 / hz)
                claimed.frequency = hz
            claimed.state = duty

    def finish(self, rests: Mapping[int, int]) -> None:
        """Bring the pins to rest, and once more when every wave has ended."""
        try:
            self.rest_twice(rests, self._period_s)
        finally:
            self._lock.release()


def check() -> None:
    """Raise `BackendError` where this backend cannot work."""
    _factory()


def open_pins(_circuit: Circuit) -> GpiozeroPins:
    """Open the backend."""
    return GpiozeroPins()


@functools.cache
def _factory() -> Any:
    """Return the pin factory that was asked for, or gpiozero's first; no other is fallen back to."""
    try:
        with private_work_dir(), warnings.catch_warnings():
            warnings.simplefilter("error", PinFactoryFallback)
            Device.ensure_pin_factory()
    except Exception as error:  # of the library that the factory loads
        sentence = (
            f"its pin factory cannot be used ({error}). Install python3-lgpio, "
            "or name one that works in the environment: GPIOZERO_PIN_FACTORY=rpigpio"
        )
        raise refusal(error, otherwise=sentence) from None
    factory = Device.pin_factory
    Device.pin_factory = None  # the default one is closed at the end, and its pins float
    return factory
