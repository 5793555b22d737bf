"""The pins of a car with a PCA9685, or with servo pulses on the header: each pin goes to the backend that has it."""

from __future__ import annotations

from picar.motor.pins import Pin, Pins
from picar.motor.pins.checked import try_all
from picar.motor.pins.kernelpwm import KernelPwm
from picar.motor.pins.pca9685 import Pca9685Pins
from picar.raspberrypi import CHANNELS
from picar.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from picar.wires import Wires


class RoutedPins:
    """The header, which is open, the chip and the kernel's PWM, which are opened when they are first needed."""

    def __init__(self, header: Pins, wires: Wires) -> None:
        pulses = [terminal.pin for terminal in wires.pulses]
        self._kernel = KernelPwm([pin for pin in pulses if pin not in CHANNELS])
        self._header = header
        self._chip: Pins = Pca9685Pins(wires.chip, pulses) if wires.chip else header
        self.prepare, self.commit = self._chip.prepare, self._chip.commit

    def output(self, pin: int, rest: int = 0) -> Pin:
        """Claim a pin for levels."""
        return self._owner(pin).output(pin, rest)

    def pwm(self, pin: int, hz: int) -> Pin:
        """Claim a pin for a duty cycle."""
        return self._owner(pin).pwm(pin, hz)

    def pulse(self, pin: int) -> Pin:
        """Claim a pin for servo pulses."""
        return self._chip.pulse(pin) if pin in CHANNELS else self._kernel.pulse(pin)

    def close(self) -> None:
        """Close all of them; the header first, because a bus may be held."""
        try_all(lambda close: close(), [self._header.close, self._chip.close, self._kernel.close])

    def _owner(self, pin: int) -> Pins:
        return self._chip if pin in CHANNELS else self._header
