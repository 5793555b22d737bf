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
from io import FileIO

from picar.errors import BackendError, may_use
from picar.motor.pins import Pin
from picar.motor.pins.checked import check_pulse, try_all
from picar.raspberrypi import PWM_CHANNELS, overlay, pin_name

ROOT = "/sys/class/pwm"
UDEV_S = 2.0
_CHANNELS = {  # by the end of the device's name: of a Pi 5, and of all earlier models
    "98000.pwm": {12: 0, 13: 1, 18: 2, 19: 3},
    "20c000.pwm": PWM_CHANNELS,
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
        self._files: list[FileIO] = []

    def pulse(self, pin: int) -> Pin:
        """Claim a pin; its pulses go on as they are."""
        chip, channel = self._find(pin)
        folder = f"{chip}/pwm{channel}"
        if not os.path.exists(folder):  # noqa: PTH110
            _put(self._open(f"{chip}/export", "w"), channel)
        enable, polarity = self._open(f"{folder}/enable"), self._open(f"{folder}/polarity")
        if not os.pread(polarity.fileno(), 16, 0).startswith(b"normal"):  # of another program
            _put(enable, 0)
            _put(polarity, "normal")
        _put(self._open(f"{folder}/period"), _PERIOD_NS)
        return _PulsePin(pin, self._open(f"{folder}/duty_cycle"), enable)

    def close(self) -> None:
        """Close the files; the pulses go on."""
        try_all(FileIO.close, self._files)

    def _find(self, pin: int) -> tuple[str, int]:
        """Return the folder of a pin's PWM chip, and the number of its channel."""
        for chip in (f"{ROOT}/pwmchip{number}" for number in _CHIP_NUMBERS):
            device = os.path.realpath(f"{chip}/device")
            for name, channels in _CHANNELS.items():
                if device.endswith(name):
                    return chip, channels[pin]
        fix = f"Add this line to config.txt, then reboot: {overlay(self._pins)}"
        raise BackendError(f"The PWM of {pin_name(pin)} is off. {fix}")

    def _open(self, path: str, mode: str = "r+") -> FileIO:
        """Open a file; wait for udev to permit it."""
        until = time.monotonic() + UDEV_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                self._files.append(FileIO(path, mode))
                return self._files[-1]
            time.sleep(0.01)
        raise BackendError(f"{path} cannot be opened. {may_use('gpio')}")


class _PulsePin:
    def __init__(self, pin: int, duty: FileIO, enable: FileIO) -> None:
        self._pin, self._duty, self._enable, self._on = pin, duty, enable, False

    def set(self, value: float) -> None:
        check_pulse(self._pin, value)
        _put(self._duty, round(value * 1000))
        if not (value and self._on):
            _put(self._enable, int(value != 0))
            self._on = value != 0


def _put(file: FileIO, value: int | str) -> None:
    try:
        os.pwrite(file.fileno(), f"{value}\n".encode(), 0)
    except OSError as error:
        fix = "Does another program use it? Otherwise restart the Pi."
        raise BackendError(f"The kernel refuses {value} for {file.name}: {error.strerror}. {fix}") from None
