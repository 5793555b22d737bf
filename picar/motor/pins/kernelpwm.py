"""Servo pulses on GPIO 12, 13, 18 and 19, by the PWM hardware through the kernel (`/sys/class/pwm`).

The pulses go on when this process dies: a servo holds its place, an ESC goes on driving until neutral is written.

Sources: the overlays pwm and pwm-2chan of Raspberry Pi OS. The number of a PWM chip differs between models and kernels
(raspberrypi/linux#6818), the address of its device does not. An exported channel belongs to root until udev has given it to
the group gpio (99-com.rules).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence

from picar.errors import BackendError, may_use
from picar.motor.pins import Pin
from picar.motor.pins.checked import check_pulse, try_all
from picar.raspberrypi import pin_name

ROOT = "/sys/class/pwm"
FUNCTIONS = {12: 4, 13: 4, 18: 2, 19: 2}  # `func` of the overlays, by pin
UDEV_S = 2.0
_CHANNELS = {  # by the end of the device's name: of a Pi 5, and of all earlier models
    "98000.pwm": {12: 0, 13: 1, 18: 2, 19: 3},
    "20c000.pwm": {12: 0, 18: 0, 13: 1, 19: 1},
}
_CHIP_NUMBERS = range(32)
_PERIOD_NS = 20_000_000


class KernelPwm:
    """The pins with servo pulses. Creating it opens nothing.

    Args:
        pins: all that the car has.
    """

    def __init__(self, pins: Sequence[int]) -> None:
        self._pins = pins
        self._claimed: list[_PulsePin] = []

    def pulse(self, pin: int) -> Pin:
        """Claim a pin; its pulses go on as they are."""
        chip, channel = self._find(pin)
        folder = f"{chip}/pwm{channel}"
        if not os.path.exists(folder):  # noqa: PTH110
            export = _open(f"{chip}/export", os.O_WRONLY)
            try:
                _put(export, channel)
            finally:
                os.close(export)
        self._claimed.append(_PulsePin(pin, folder))
        return self._claimed[-1]

    def close(self) -> None:
        """Close the files; the pulses go on."""
        pins, self._claimed = self._claimed, []
        try_all(_PulsePin.close, pins)

    def _find(self, pin: int) -> tuple[str, int]:
        """Return the folder of a pin's PWM chip, and the number of its channel."""
        for chip in (f"{ROOT}/pwmchip{number}" for number in _CHIP_NUMBERS):
            device = os.path.realpath(f"{chip}/device")
            for name, channels in _CHANNELS.items():
                if device.endswith(name):
                    return chip, channels[pin]
        fix = f"Add this line to config.txt, then reboot: {overlay(self._pins)}"
        raise BackendError(f"The PWM of {pin_name(pin)} is off. {fix}")


class _PulsePin:
    """A claimed pin with its open files."""

    def __init__(self, pin: int, folder: str) -> None:
        self._pin, self._on = pin, False
        period, self._duty, self._enable = (
            _open(f"{folder}/{name}") for name in ("period", "duty_cycle", "enable")
        )
        try:
            _put(period, _PERIOD_NS)
        except OSError:  # the pulses of another program are longer
            _put(self._duty, 0)
            _put(period, _PERIOD_NS)
        finally:
            os.close(period)

    def set(self, value: float) -> None:
        """Set the length of the pulses in µs; 0 ends them."""
        check_pulse(self._pin, value)
        _put(self._duty, round(value * 1000))
        if not (value and self._on):
            _put(self._enable, int(value != 0))
            self._on = value != 0

    def close(self) -> None:
        """Close the files."""
        files, self._duty, self._enable = (self._duty, self._enable), -1, -1
        try_all(os.close, files)


def overlay(pins: Sequence[int]) -> str:
    """Return the line of `config.txt` that gives the PWM hardware to one pin or two."""
    words = (f"pin{n}={pin},func{n}={FUNCTIONS[pin]}" for n, pin in zip(("", "2"), pins, strict=False))
    return ",".join((f"dtoverlay={'pwm-2chan' if len(pins) > 1 else 'pwm'}", *words))


def _open(path: str, flags: int = os.O_RDWR) -> int:
    """Open a file; wait for udev to permit it."""
    until = time.monotonic() + UDEV_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            return os.open(path, flags | os.O_CLOEXEC)
        time.sleep(0.01)
    raise BackendError(f"{path} cannot be opened. {may_use('gpio')}")


def _put(fd: int, number: int) -> None:
    os.pwrite(fd, f"{number}\n".encode(), 0)
