"""Pins through lgpio, the kernel's own GPIO interface: the first choice on any Raspberry Pi.

Its traps (source of lgpio 0.2.2):
- `tx_pwm` with frequency 0 ends the wave but leaves the level as it was: a low must be written.
- A released line may become an input; with its pull-down, claimed here, it then falls.
- Chip numbers differ between models and kernels; the label of the header's chip does not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from picar.config import L298NConfig
from picar.errors import BackendError, PinsBusy
from picar.motor.pins.checked import CheckedPins, try_all
from picar.motor.pins.library import not_installed, private_work_dir
from picar.motor.pins.lock import PinsLock, may_use

try:
    with private_work_dir():
        import lgpio
except ImportError:
    raise BackendError(not_installed("python3-lgpio")) from None
if not hasattr(lgpio, "gpiochip_open"):
    raise BackendError(
        f"the module at {getattr(lgpio, '__file__', None) or 'a folder named lgpio'} is empty. "
        "Remove it (pip uninstall lgpio), then: sudo apt install python3-lgpio"
    )

_CHIPS = range(16)
_BUSY = "GPIO busy"


class LgpioPins(CheckedPins):
    """The header's pins, claimed exclusively: another process gets "GPIO busy"."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = PinsLock()
        try:
            self._chip = _open_header()
        except BackendError:
            self._lock.release()
            raise

    def claim(self, bcm: int) -> None:
        """Claim a line with its pull-down, low."""
        try:
            self._claim(bcm, lgpio.SET_PULL_DOWN)
        except lgpio.error as error:
            if _BUSY in str(error):
                raise PinsBusy(
                    f"GPIO {bcm} is in use by another program. Find it: sudo fuser -v /dev/gpiochip*"
                ) from None
            self._claim(bcm, 0)  # a driver without pulls

    def write(self, bcm: int, level: int) -> None:
        """Set a level."""
        lgpio.gpio_write(self._chip, bcm, level)

    def pulse(self, bcm: int, hz: int, duty: float) -> None:
        """Start or change a wave; no wave runs for a duty of 0 or 1."""
        if 0.0 < duty < 1.0:
            lgpio.tx_pwm(self._chip, bcm, hz, duty * 100.0)
        else:
            self._end_wave(bcm)
            self.write(bcm, int(duty))

    def finish(self, claimed: Iterable[int]) -> None:
        """Drive the pins low and close the chip."""
        try:
            try_all(lambda bcm: self.pulse(bcm, 0, 0.0), claimed)
        finally:
            lgpio.gpiochip_close(self._chip)
            self._lock.release()

    def _claim(self, bcm: int, flags: int) -> None:
        lgpio.gpio_claim_output(self._chip, bcm, 0, flags)

    def _end_wave(self, bcm: int) -> None:
        if lgpio.tx_busy(self._chip, bcm, lgpio.TX_PWM):
            lgpio.tx_pwm(self._chip, bcm, 0, 0)


def check() -> None:
    """Raise `BackendError` where this backend cannot work; claims nothing."""
    lgpio.gpiochip_close(_open_header())


def open_pins(_wiring: L298NConfig) -> LgpioPins:
    """Open the backend."""
    return LgpioPins()


def _open_header() -> int:
    """Return the handle of the chip whose lines are on the header."""
    for number in _CHIPS:
        try:
            chip: int = lgpio.gpiochip_open(number)
        except lgpio.error:
            device = f"/dev/gpiochip{number}"
            if os.path.exists(device) and not os.access(device, os.R_OK | os.W_OK):  # noqa: PTH110
                raise BackendError(f"no permission for {device}. {may_use('gpio')}") from None
            continue
        label = lgpio.gpio_get_chip_info(chip)[3]
        if label.startswith("pinctrl-"):
            return chip
        lgpio.gpiochip_close(chip)
    raise BackendError("no GPIO chip of a Raspberry Pi is here (none has a label that begins with pinctrl-).")
