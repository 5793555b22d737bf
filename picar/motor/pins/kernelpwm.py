"""Servo pulses on GPIO 12, 13, 18 and 19, by the PWM hardware through the kernel (`/sys/class/pwm`).

The hardware goes on when this process dies: a servo holds its place, an ESC goes on driving until neutral is written.

Sources: overlays pwm and pwm-2chan of Raspberry Pi OS. The number of a PWM chip differs between models and kernels
(raspberrypi/linux#6818), the address of its device does not. The files of an exported channel belong to root until udev has
given them to the group gpio (99-com.rules).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence

from picar.errors import BackendError, PinError, may_use
from picar.motor.pins import Pin
from picar.motor.pins.checked import check_pulse, try_all
from picar.raspberrypi import pin_name

ROOT = "/sys/class/pwm"
FUNCTIONS = {12: 4, 13: 4, 18: 2, 19: 2}  # the pins that have PWM hardware, and `func` of the overlays
CHANNELS = {  # by the end of the device's address: of the RP1 of a Pi 5, and of all earlier models
    "98000.pwm": {12: 0, 13: 1, 18: 2, 19: 3},
    "20c000.pwm": {12: 0, 18: 0, 13: 1, 19: 1},
}
PERIOD_NS = 20_000_000
UDEV_S = 2.0
_STEP_S = 0.01


class KernelPwm:
    """The pins with servo pulses. Creating it opens nothing.

    Args:
        pins: all that the car has, for the line of `config.txt`.
        root: the folder of the PWM chips.
    """

    def __init__(self, pins: Sequence[int], root: str = "") -> None:
        self._pins, self._root = pins, root or ROOT
        self._claimed: dict[str, _PulsePin] = {}  # by folder

    def pulse(self, pin: int) -> Pin:
        """Claim a pin; its pulses go on as they are.

        Raises:
            BackendError: the PWM hardware is off, in use, or this user may not use it.
        """
        if pin not in FUNCTIONS:
            raise PinError(
                f"{pin_name(pin)} cannot send servo pulses. Use GPIO 12, 13, 18 or 19, or a PCA9685."
            )
        folder = self._export(pin)
        if folder in self._claimed:
            raise PinError(
                f"{pin_name(pin)} has the pulses of another pin on this Pi. Use GPIO 12 or 18 with 13 or 19."
            )
        self._claimed[folder] = _PulsePin(pin, folder)
        return self._claimed[folder]

    def close(self) -> None:
        """Close the files; the pulses go on."""
        pins, self._claimed = list(self._claimed.values()), {}
        try_all(lambda pin: pin.close(), pins)

    def _export(self, pin: int) -> str:
        """Return the folder of a pin's channel; make the kernel show it first, if needed."""
        chip, channel = self._find(pin)
        folder = f"{chip}/pwm{channel}"
        if not os.path.exists(folder):  # noqa: PTH110
            try:
                with open(f"{chip}/export", "w", encoding="ascii") as file:  # noqa: PTH123
                    file.write(f"{channel}\n")
            except OSError as error:
                if error.errno == errno.EBUSY:
                    fix = "Switch analogue audio off: dtparam=audio=off in config.txt, then reboot."
                    raise BackendError(f"The PWM of {pin_name(pin)} is in use. {fix}") from None
                raise BackendError(f"{chip}/export: {error.strerror}. {may_use('gpio')}") from None
        return folder

    def _find(self, pin: int) -> tuple[str, int]:
        """Return the folder of a pin's PWM chip, and the number of its channel."""
        names = sorted(os.listdir(self._root)) if os.path.isdir(self._root) else []  # noqa: PTH112, PTH208
        for chip in (f"{self._root}/{name}" for name in names if name.startswith("pwmchip")):
            device = os.path.realpath(f"{chip}/device")
            for address, channels in CHANNELS.items():
                if device.endswith(address):
                    return chip, channels[pin]
        raise BackendError(
            f"The PWM of {pin_name(pin)} is off. Add this line to config.txt, then reboot: {overlay(self._pins)}"
        )


class _PulsePin:
    """One claimed pin with its open files."""

    def __init__(self, pin: int, folder: str) -> None:
        self._pin = pin
        period = _open(f"{folder}/period")
        self._duty, self._enable = _open(f"{folder}/duty_cycle"), _open(f"{folder}/enable")
        self._on = False
        try:
            before = int(os.pread(period, 32, 0) or b"0")
            if before > PERIOD_NS:  # a period below the length of the pulse is refused
                _put(self._duty, 0)
            if before != PERIOD_NS:
                _put(period, PERIOD_NS)
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


def _open(path: str) -> int:
    """Open a file; wait for udev's permission."""
    until = time.monotonic() + UDEV_S
    while True:
        try:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            if time.monotonic() >= until:
                raise BackendError(f"{path}: {error.strerror}. {may_use('gpio')}") from None
        time.sleep(_STEP_S)


def _put(fd: int, number: int) -> None:
    os.pwrite(fd, f"{number}\n".encode(), 0)
