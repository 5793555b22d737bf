"""Pins through RPi.GPIO (up to the Pi 4), or rpi-lgpio, which has its name and works on every Pi.

Its traps (source of RPi.GPIO 0.7.1 and rpi-lgpio 0.6):
- On a Pi 5 RPi.GPIO imports well, and fails when first used.
- It lets any number of processes drive a pin, hence `PinsLock`.
- `PWM.stop` only sets a flag; the thread ends within a period and then writes low. So a wave is never
  ended to go high, and the last word at the end is a low written after a period.
- A PWM object that is started again after a stop runs at 1 kHz: make a new one.
- rpi-lgpio does not write the initial level of a pin that is an output already.
- `cleanup` makes the pins floating inputs: it is not called.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from picar.config import L298NConfig
from picar.errors import BackendError, PinsBusy
from picar.motor.pins.checked import CheckedPins, try_all
from picar.motor.pins.library import not_installed, private_work_dir
from picar.motor.pins.lock import PinsLock, may_use

try:
    with private_work_dir():  # rpi-lgpio imports lgpio
        from RPi import GPIO
except ImportError:
    raise BackendError(not_installed("python3-rpi-lgpio")) from None
except RuntimeError as error:
    raise BackendError(str(error)) from None


class RPiGPIOPins(CheckedPins):
    """The header's pins by BCM number."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = PinsLock()
        self._waves: dict[int, Any] = {}  # GPIO.PWM objects; one that is not kept ends
        self._period_s = 0.0  # the longest
        GPIO.setwarnings(False)  # "already in use" only means that the last picar left its pins low
        GPIO.setmode(GPIO.BCM)

    def claim(self, bcm: int) -> None:
        """Make a pin an output, low before it drives."""
        try:
            GPIO.setup(bcm, GPIO.OUT, initial=GPIO.LOW)
        except RuntimeError as error:
            raise _refusal(error) from None
        self.write(bcm, 0)

    def write(self, bcm: int, level: int) -> None:
        """Set a level."""
        GPIO.output(bcm, level)

    def pulse(self, bcm: int, hz: int, duty: float) -> None:
        """Start, change or end a wave; it goes on for a duty of 1."""
        wave = self._waves.get(bcm)
        if duty == 0.0:
            if wave:
                wave.stop()
                del self._waves[bcm]
            self.write(bcm, 0)
        elif wave:
            wave.ChangeDutyCycle(duty * 100.0)
        else:
            self._period_s = max(self._period_s, 1.0 / hz)
            self._waves[bcm] = GPIO.PWM(bcm, hz)
            self._waves[bcm].start(duty * 100.0)

    def finish(self, claimed: Iterable[int]) -> None:
        """Drive the pins low, and once more when every wave has ended."""
        pins = list(claimed)
        try:
            try_all(lambda bcm: self.pulse(bcm, 0, 0.0), pins)
        finally:
            time.sleep(self._period_s)
            try:
                try_all(lambda bcm: self.write(bcm, 0), pins)
            finally:
                self._lock.release()


def check() -> None:
    """Raise `BackendError` where this backend cannot work; reads one pin's function, changes nothing."""
    GPIO.setwarnings(False)
    GPIO.setmode(GPIO.BCM)
    try:
        GPIO.gpio_function(12)
    except RuntimeError as error:
        raise _refusal(error) from None


def open_pins(_wiring: L298NConfig) -> RPiGPIOPins:
    """Open the backend."""
    return RPiGPIOPins()


def _refusal(error: RuntimeError) -> BackendError:
    """Return what a person can do about the library's error."""
    message = str(error)
    if "busy" in message:
        return PinsBusy(f"{message}: another program has the pins. Find it: sudo fuser -v /dev/gpiochip*")
    if "/dev/mem" in message:
        return BackendError(f"{message.rstrip('.!')}. {may_use('gpio')}")
    if "peripheral base" in message:
        return BackendError(
            "RPi.GPIO does not know this model. Replace it: "
            "sudo apt remove python3-rpi.gpio && sudo apt install python3-rpi-lgpio"
        )
    return BackendError(message)
