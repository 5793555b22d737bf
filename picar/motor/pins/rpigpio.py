"""Pins through RPi.GPIO (up to the Pi 4), or rpi-lgpio, which has its name and works on every Pi.

Its traps (source of RPi.GPIO 0.7.1 and rpi-lgpio 0.6):
- On a Pi 5 RPi.GPIO imports well, and fails when first used.
- It lets any number of processes drive a pin, hence `PinsLock`.
- `PWM.stop` only sets a flag; the thread may write high once more, and ends within a period (50 ms at the
  lowest `pwm_hz`) with a low. So a wave is never ended to go high, and the last word at the end is a low
  written after a period.
- A PWM object that is started again after a stop runs at 1 kHz: make a new one.
- rpi-lgpio does not write the initial level of a pin that is an output already.
- `cleanup` makes the pins floating inputs: it is not called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from picar.motor.pins import Circuit
from picar.motor.pins.checked import CheckedPins
from picar.motor.pins.library import PinsLock, importing, refusal

with importing("python3-rpi-lgpio"):
    from RPi import GPIO


class RPiGPIOPins(CheckedPins):
    """The header's pins by BCM number."""

    def __init__(self) -> None:
        super().__init__()
        check()  # before the lock: it may fail
        self._lock = PinsLock()
        self._waves: dict[int, Any] = {}  # GPIO.PWM objects; one that is not kept ends
        self._period_s = 0.0  # the longest

    def claim(self, pin: int, rest: int) -> None:
        """Make a pin an output, at rest before it drives."""
        GPIO.setup(pin, GPIO.OUT, initial=rest)
        self.write(pin, rest)

    def write(self, pin: int, level: int) -> None:
        """Set a level."""
        GPIO.output(pin, level)

    def wave(self, pin: int, hz: int, duty: float) -> None:
        """Start, change or end a wave; it goes on for a duty of 1."""
        wave = self._waves.get(pin)
        if duty == 0.0:
            if wave:
                wave.stop()
                del self._waves[pin]
            self.write(pin, 0)
        elif wave:
            wave.ChangeDutyCycle(duty * 100.0)
        else:
            self._period_s = max(self._period_s, 1.0 / hz)
            self._waves[pin] = GPIO.PWM(pin, hz)
            self._waves[pin].start(duty * 100.0)

    def finish(self, rests: Mapping[int, int]) -> None:
        """Bring the pins to rest, and once more when every wave has ended."""
        try:
            self.rest_twice(rests, self._period_s)
        finally:
            self._lock.release()


def check() -> None:
    """Raise `BackendError` where this backend cannot work; reads one pin's function, changes nothing."""
    try:
        GPIO.setwarnings(False)  # "already in use" only means that the last picar left its pins low
        GPIO.setmode(GPIO.BCM)
        GPIO.gpio_function(12)
    except Exception as error:
        raise refusal(error) from None


def open_pins(_circuit: Circuit) -> RPiGPIOPins:
    """Open the backend."""
    return RPiGPIOPins()
