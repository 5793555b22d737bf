"""Pins through lgpio, the kernel's own GPIO interface: the first choice on any Raspberry Pi.

Its traps (source of lgpio 0.2.2):
- `tx_pwm` with frequency 0 ends the wave but leaves the level as it was: a low must be written.
- A released line may become an input; with its pull to the level of rest, claimed here, it then goes there.
- Closing a chip sleeps 100 ms: only the header's is opened, and the pins are low before it is closed.
"""

from __future__ import annotations

from collections.abc import Mapping

from picar.errors import BackendError
from picar.motor.pins import Circuit
from picar.motor.pins.checked import CheckedPins, try_all
from picar.motor.pins.library import PinsLock, header_chip, importing, refusal

with importing("python3-lgpio"):
    import lgpio
if not hasattr(lgpio, "gpiochip_open"):
    raise BackendError(
        f"the module at {getattr(lgpio, '__file__', None) or 'a folder named lgpio'} is empty. "
        "Remove it (pip uninstall lgpio), then: sudo apt install python3-lgpio"
    )


class LgpioPins(CheckedPins):
    """The header's pins, claimed exclusively: another process gets "GPIO busy"."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = PinsLock()
        try:
            self._chip = lgpio.gpiochip_open(header_chip())
        except Exception as error:
            self._lock.release()
            raise refusal(error) from None

    def claim(self, pin: int, rest: int) -> None:
        """Claim a line at rest, with its pull to that level."""
        pull = lgpio.SET_PULL_UP if rest else lgpio.SET_PULL_DOWN
        try:
            lgpio.gpio_claim_output(self._chip, pin, rest, pull)
        except lgpio.error as error:
            if "busy" in str(error):
                raise
            lgpio.gpio_claim_output(self._chip, pin, rest, 0)  # a driver without pulls

    def write(self, pin: int, level: int) -> None:
        """Set a level."""
        lgpio.gpio_write(self._chip, pin, level)

    def wave(self, pin: int, hz: int, duty: float) -> None:
        """Start or change a wave; no wave runs for a duty of 0 or 1."""
        if 0.0 < duty < 1.0:
            lgpio.tx_pwm(self._chip, pin, hz, duty * 100.0)
        else:
            if lgpio.tx_busy(self._chip, pin, lgpio.TX_PWM):
                lgpio.tx_pwm(self._chip, pin, 0, 0)  # ends the wave
            self.write(pin, int(duty))

    def finish(self, rests: Mapping[int, int]) -> None:
        """Bring the pins to rest and close the chip."""
        try:
            try_all(lambda item: self.rest(*item), rests.items())
        finally:
            lgpio.gpiochip_close(self._chip)
            self._lock.release()


def check() -> None:
    """Raise `BackendError` where this backend cannot work; claims nothing."""
    header_chip()


def open_pins(_circuit: Circuit) -> LgpioPins:
    """Open the backend."""
    return LgpioPins()
