"""A bridge for two motors: the part of a board that does not depend on its truth table.

A board brings one `Channel` for each motor. This file assigns them to the sides of the car and calculates the duty
cycles.

Laws:
- The standby lines go high after the motors are set, and low before they are released.
- A pin is written only when its value changes, except by `low`, which ignores the remembered values.
- While a speed cap is in force, no motor gets a higher duty cycle than the configured calibration gives at that
  speed, whichever calibration is in force.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from picar.calibration.values import Calibration
from picar.core.shaping import duty_cycle
from picar.motor.pins import Pin, Pins
from picar.motor.pins.checked import try_all

if TYPE_CHECKING:
    from picar.core.drive import Output


class Line:
    """A claimed pin that is written only when its value changes."""

    __slots__ = ("_pin", "value")

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self.value: float | None = 0.0  # claimed low; None when a write failed

    def set(self, value: float) -> None:
        """Write a value, unless it is the one written last."""
        if value != self.value:
            self.write(value)

    def write(self, value: float) -> None:
        """Write a value in any case."""
        self.value = None
        self._pin.set(value)
        self.value = value


class Channel(ABC):
    """The lines of one motor and their truth table. `enables` go low before `inputs`."""

    def __init__(self, enables: Sequence[Line], inputs: Sequence[Line]) -> None:
        self.enables, self.inputs = enables, inputs

    @abstractmethod
    def turn(self, duty: float, forward: bool) -> None:
        """Drive the motor with a duty cycle in (0, 1]."""

    @abstractmethod
    def brake(self) -> None:
        """Short-circuit the motor, if the board can."""

    def coast(self) -> None:
        """Release the motor: all its lines are low."""
        for line in (*self.enables, *self.inputs):
            line.set(0)


class TwoMotors:
    """A `Bridge` made of two channels.

    Args:
        pins: the backend, to be closed at the end.
        channels: of the left and the right motor; the other way round where the calibration has `swap`.
        calibration: the one in force.
        configured: the one that limits a speed cap.
        standby: lines for the whole board, high while a motor turns or brakes.
    """

    def __init__(
        self,
        pins: Pins,
        channels: tuple[Channel, Channel],
        calibration: Calibration,
        configured: Calibration | None = None,
        standby: Sequence[Line] = (),
    ) -> None:
        self._pins, self._channels, self._standby = pins, channels, standby
        self._configured = configured or calibration
        self.calibrate(calibration)

    def apply(self, output: Output) -> None:
        """Write the pins that change with this output."""
        rests = not (output.brake or output.left or output.right)
        if rests:
            self._stand_by(0)
        for (channel, inverted, trim), speed in zip(self._sides, (output.left, output.right), strict=True):
            if output.brake:
                channel.brake()
            elif speed:
                duty = abs(speed) if output.raw else duty_cycle(speed, trim, self._min_duty)
                channel.turn(min(duty, self._most(channel, output.cap)), forward=(speed > 0.0) != inverted)
            else:
                channel.coast()
        if not rests:
            self._stand_by(1)

    def calibrate(self, calibration: Calibration) -> None:
        """Follow another calibration. At rest only: every pin is low, so that no level changes its side."""
        a, b = reversed(self._channels) if calibration.swap else self._channels
        self._sides = (
            (a, calibration.left_invert, calibration.left_trim),
            (b, calibration.right_invert, calibration.right_trim),
        )
        self._min_duty = calibration.min_duty

    def low(self) -> None:
        """Write every pin low: standby lines, enables, inputs; trust no remembered value.

        Raises:
            The first failure, after all pins were tried.
        """
        a, b = (channel for channel, _, _ in self._sides)
        try_all(lambda line: line.write(0), (*self._standby, *a.enables, *b.enables, *a.inputs, *b.inputs))

    def close(self) -> None:
        """Write every pin low and close the backend."""
        try:
            self.low()
        finally:
            self._pins.close()

    def _stand_by(self, level: int) -> None:
        for line in self._standby:
            line.set(level)

    def _most(self, channel: Channel, cap: float) -> float:
        """Return the highest duty cycle of this motor: the configuration's at the speed of the cap."""
        if cap >= 1.0:
            return 1.0
        trim = self._configured.motor_trims[self._channels.index(channel)]
        return duty_cycle(cap, trim, self._configured.min_duty)
