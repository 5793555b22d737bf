"""The bridge of a car: it writes the pins of all its motors.

Each motor has a `Channel`, which writes the rows of the board's kind. This file also assigns the channels to the motors of the
layout, and calculates the duty cycles.

Laws:
- The standby line goes high after the motors are set, and low before they are released.
- A change of direction is: speed pin 0, then the inputs that go low, then those that go high, then the speed pin. Of two inputs
  that go the same way, the one that falls further or rises less is first: between the two writes the motor is driven in
  no other direction than before or after them. (Where both inputs rise from rest or fall to rest, as for the brake of a
  DRV8833 without a standby line, the motor is driven between the two writes.)
- At rest every pin is low. While a motor turns, a motor at rest has the levels of its `coast` row.
- A pin is written only when its value changes, except by `low`, which ignores the remembered values.
- The values of a chip behind a bus are written together at the end of `apply` and of `low`, after those of all pins of the
  header, so that a bus that does not answer delays no other pin. A motor with terminals at both sides is the exception: the
  chip's speed is 0 before an input at the header changes.
- A servo keeps its place in `low`, and an ESC gets its neutral pulse. OE ends all pulses: it is the first line of a stop, but
  with an ESC the last one, if the neutral pulse could not be sent.
- While a speed cap is in force, no motor gets a higher duty cycle than the configured calibration gives at that
  speed, whichever calibration is in force. A steering motor has no speed cap, unless the
  page has exchanged the motors: then it may be the motor that the configuration calls `drive`, and `max_speed` limits it too.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence

from picar.calibration.values import Calibration
from picar.core.shaping import duty_cycle
from picar.layouts import Layout
from picar.motor.boards.lines import Channel, Line
from picar.motor.pins import Pins
from picar.motor.pins.checked import try_all
from picar.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from picar.core.drive import Output
    from picar.motor.boards.pulses import Esc, Servo


LAST_PULSES_S = 0.1  # five neutral pulses


def _carry_out(steps: Sequence[Callable[[], object]]) -> None:
    """Take all steps, and raise the first failure at the end."""
    try_all(lambda step: step(), steps)


class _Motor(NamedTuple):
    """A motor with its channel and its calibration. `cap_trim` is the trim that limits a speed cap."""

    names: list[str]  # several where motors share their pins
    speed_index: int  # of the speed that it follows
    channel: Channel | Esc
    inverted: bool
    trim: float
    cap_trim: float

    def speed(self, speeds: tuple[float, float], jog: str) -> float:
        """Return the speed of this motor; `jog` names the only motor that turns, if it is not empty."""
        return speeds[self.speed_index] if not jog or jog in self.names else 0.0


class Motors:
    """The `Bridge` of all motors.

    Args:
        pins: the backend, to be closed at the end.
        layout: of the car.
        channels: one for each motor of the layout, in its order; where the calibration has `swap`, a motor has the channel of
            its partner. Motors that share all their pins share a channel.
        calibration: the one in force.
        configured: the one that limits a speed cap.
        standby: lines for the whole board, high while a motor turns or brakes.
        max_speed: of the section `[drive]`.
        oe: the line to OE of a chip, high for off.
        servo: of the steering.
        full_us: of an ESC, the distance of its highest pulse from neutral.
    """

    def __init__(
        self,
        pins: Pins,
        layout: Layout,
        channels: Sequence[Channel | Esc],
        calibration: Calibration,
        configured: Calibration | None = None,
        standby: Sequence[Line] = (),
        max_speed: float = 1.0,
        oe: Sequence[Line] = (),
        servo: Servo | None = None,
        full_us: float = 0.0,
    ) -> None:
        self._pins, self._layout, self._channels, self._standby = pins, layout, channels, standby
        self._max_speed, self._oe, self._servo, self._full_us = max_speed, oe, servo, full_us
        self._configured = configured or calibration
        self.calibrate(calibration)

    def apply(self, output: Output) -> None:
        """Write the pins that change with this output."""
        left, right, brakes, jog, cap = output
        for line in self._oe:
            line.set(0)
        speeds = left, 0.0 if self._servo else right
        rests = not (brakes or any(speeds))
        if rests:
            self._stand_by(0)
        for motor in self._motors:
            channel, speed = motor.channel, motor.speed(speeds, jog)
            if brakes:
                channel.brake()
            elif speed:
                duty = abs(speed) if jog else duty_cycle(speed, motor.trim, self._min_duty)
                channel.turn(duty, self._most(motor, cap), forward=(speed > 0.0) != motor.inverted)
            elif rests:
                channel.rest()
            else:
                channel.coast()
        if not rests and self._standby:
            self._pins.commit()  # the motors are set
            self._stand_by(1)
        if self._servo:
            self._servo.turn(right)
        self._pins.commit()

    def calibrate(self, calibration: Calibration) -> None:
        """Follow another calibration. At rest only: every pin is low, so that no level changes its motor."""
        motors: dict[Channel | Esc, _Motor] = {}
        for name, inverted, trim in zip(
            calibration.motors, calibration.inverts, calibration.trims, strict=True
        ):
            place = self._layout.motors.index(self._layout.partner_of(name) if calibration.swap else name)
            channel, cap_trim = self._channels[place], self._configured.wired_trims[place]
            if channel in motors:
                motors[channel].names.append(name)
            else:
                index = self._layout.speed_of(name)
                motors[channel] = _Motor([name], index, channel, inverted, trim, cap_trim)
        self._motors, self._min_duty = tuple(motors.values()), calibration.least_duty(self._full_us)
        self._is_as_wired = calibration.swap == self._configured.swap
        for user in (*self._channels, *([self._servo] if self._servo else [])):
            user.calibrate(calibration)

    def low(self) -> None:
        """Write the rest level of every pin: OE, standby lines, speeds, inputs; trust no remembered value.

        Raises:
            The first failure, after all pins were tried.
        """
        channels = list(dict.fromkeys(self._channels))
        speeds = [line for channel in channels for line in channel.speed]
        inputs = [line for channel in channels for line in channel.inputs]
        steps: list[Callable[[], object]] = [
            functools.partial(line.write, line.rest) for line in (*self._standby, *speeds, *inputs)
        ]
        off: list[Callable[[], object]] = [functools.partial(line.write, line.rest) for line in self._oe]
        commit = functools.partial(self._pins.commit, afresh=True)
        if not self._full_us:
            _carry_out([*off, *steps, commit])
            return
        try:
            _carry_out([*steps, commit])
        except Exception:
            _carry_out(off)
            raise

    def close(self) -> None:
        """Bring the board to rest and close the backend."""
        try:
            self.low()
            if self._full_us and self._oe:
                time.sleep(LAST_PULSES_S)  # then OE rises, and the pulses end
        finally:
            self._pins.close()

    def _stand_by(self, level: int) -> None:
        for line in self._standby:
            line.set(level)

    def _most(self, motor: _Motor, cap: float) -> float:
        """Return the highest duty cycle of a motor: the configuration's at the speed of the cap."""
        if self._layout.steers and motor.speed_index == 1:
            cap = 1.0 if self._is_as_wired else min(cap, self._max_speed)
        if cap >= 1.0:
            return math.inf  # the pins refuse a duty cycle above 1
        return duty_cycle(cap, motor.cap_trim, self._configured.least_duty(self._full_us))
