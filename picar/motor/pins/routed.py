"""The pins of a car with a PCA9685, or with servo pulses on the header: each pin goes to the backend that has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from picar.motor.pins import Pin, Pins
from picar.motor.pins.checked import try_all
from picar.motor.pins.kernelpwm import KernelPwm
from picar.motor.pins.pca9685 import Pca9685Pins
from picar.raspberrypi import CHANNELS

if TYPE_CHECKING:
    from picar.wires import Wires


class RoutedPins:
    """The header, the chip and the kernel's PWM as one backend. Creating it opens neither the bus nor the PWM.

    Args:
        header: the backend of the header, open.
        wires: of the car.
    """

    def __init__(self, header: Pins, wires: Wires) -> None:
        pulses = [terminal.pin for terminal in wires.pulses]
        self._header = header
        self._chip = Pca9685Pins(wires.chip, pulses) if wires.chip else None
        self._kernel = KernelPwm([pin for pin in pulses if pin not in CHANNELS])

    def output(self, pin: int, rest: int = 0) -> Pin:
        """Claim a pin for levels."""
        return self._owner(pin).output(pin, rest)

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle."""
        return self._owner(pin).pwm(pin, hz)

    def pulse(self, pin: int) -> Pin:
        """Claim a pin for servo pulses."""
        return self._owner(pin).pulse(pin) if pin in CHANNELS else self._kernel.pulse(pin)

    def prepare(self) -> None:
        """Bring the chip to a known state."""
        if self._chip:
            self._chip.prepare()

    def commit(self) -> None:
        """Send the values of the channels."""
        if self._chip:
            self._chip.commit()

    def close(self) -> None:
        """Close all backends; the header first, because a bus may be held."""
        owners: list[Pins | KernelPwm | None] = [self._header, self._chip, self._kernel]
        try_all(lambda owner: owner and owner.close(), owners)

    def _owner(self, pin: int) -> Pins:
        return self._chip if self._chip and pin in CHANNELS else self._header
