"""The L298N dual H-bridge: which levels make a motor turn, brake or coast, and in which order.

Truth table of one bridge (ST datasheet, and "Input vs Motor action" there):

    EN   IN1  IN2   motor
    low  any  any   coasts
    PWM  high low   forward
    PWM  low  high  reverse
    high low  low   brakes

With the EN jumper left on, EN is always high: PWM goes to the IN pins, rest is brake, and coasting
does not exist. One pin on both ENA and ENB is a level, high while a side turns or brakes; PWM goes to the IN
pins, and a side that rests while the other turns brakes.

Laws:
- A change of direction is: EN 0, then the IN that goes low, then the IN that goes high, then EN duty.
- The two INs of a bridge are never high together.
- At rest every pin is low: where an EN jumper was forgotten on the board, that brakes.
- A pin is written only when its value changes, except by `low`, which trusts no memory.
- While a speed cap is in force, no motor gets a higher duty cycle than the configured calibration gives at that
  speed, whatever it was calibrated to since.
"""

from __future__ import annotations

from picar.calibration.values import Calibration
from picar.config import L298NConfig, MotorsConfig, SideConfig
from picar.core.drive import Output
from picar.core.shaping import duty_cycle
from picar.motor.pins import Pin, Pins
from picar.motor.pins.checked import try_all


class _Line:
    """A pin that is written only when its value changes."""

    __slots__ = ("_pin", "value")

    def __init__(self, pin: Pin) -> None:
        self._pin = pin
        self.value: float | None = 0.0  # claimed low; None when a write failed

    def set(self, value: float) -> None:
        if value != self.value:
            self.write(value)

    def write(self, value: float) -> None:
        self.value = None
        self._pin.set(value)
        self.value = value


class _EnabledBridge:
    """A bridge with PWM on its EN pin."""

    def __init__(self, pins: Pins, enable: int, in1: int, in2: int, hz: int) -> None:
        self._enable = _Line(pins.pwm(enable, hz))
        self._in1, self._in2 = _Line(pins.output(in1)), _Line(pins.output(in2))
        self.enables, self.inputs = [self._enable], [self._in1, self._in2]

    def turn(self, duty: float, forward: bool) -> None:
        high, low = (self._in1, self._in2) if forward else (self._in2, self._in1)
        if (high.value, low.value) != (1, 0):
            self._enable.set(0)
            low.set(0)
            high.set(1)
        self._enable.set(duty)

    def brake(self) -> None:
        if (self._in1.value, self._in2.value) != (0, 0):
            self.coast()
        self._enable.set(1)

    def coast(self) -> None:
        for line in (*self.enables, *self.inputs):
            line.set(0)


class _JumperBridge:
    """A bridge whose EN is jumpered high, or shared with the other bridge, with PWM on its IN pins."""

    def __init__(self, pins: Pins, in1: int, in2: int, hz: int) -> None:
        self._in1, self._in2 = _Line(pins.pwm(in1, hz)), _Line(pins.pwm(in2, hz))
        self.enables: list[_Line] = []
        self.inputs = [self._in1, self._in2]

    def turn(self, duty: float, forward: bool) -> None:
        high, low = (self._in1, self._in2) if forward else (self._in2, self._in1)
        low.set(0)
        high.set(duty)

    def coast(self) -> None:
        for line in self.inputs:
            line.set(0)

    brake = coast


class L298N:
    """The board: claims its pins, then makes both motors do what each `Output` says.

    Args:
        pins: the backend.
        wiring: which pin goes to which terminal.
        motors: PWM frequency and minimum duty.
        left: the left motor. With `swap` it hangs on OUT3 and OUT4.
        right: the right motor.
        configured: the configuration's calibration, where another one is in force; a speed cap is measured by it.
    """

    def __init__(
        self,
        pins: Pins,
        wiring: L298NConfig,
        motors: MotorsConfig,
        left: SideConfig,
        right: SideConfig,
        configured: Calibration | None = None,
    ) -> None:
        self._pins = pins
        shared = wiring.shares_enable
        self._shared = [_Line(pins.output(int(wiring.ena)))] if shared else []
        a = self._bridge("jumper" if shared else wiring.ena, wiring.in1, wiring.in2, motors.pwm_hz)
        b = self._bridge("jumper" if shared else wiring.enb, wiring.in3, wiring.in4, motors.pwm_hz)
        self._bridges = (a, b)
        given = Calibration(wiring.swap, left.invert, right.invert, left.trim, right.trim, motors.min_duty)
        self.calibrate(given)
        self._configured = configured or given

    def apply(self, output: Output) -> None:
        """Write what has changed since the last output."""
        rests = not (output.brake or output.left or output.right)
        if rests:
            self._enable_both(0)
        for bridge, motor, speed in zip(self._sides, self._motors, (output.left, output.right), strict=True):
            if output.brake:
                bridge.brake()
            elif speed:
                duty = abs(speed) if output.raw else duty_cycle(speed, motor.trim, self._min_duty)
                most = self._most(bridge, output.cap)
                bridge.turn(min(duty, most), forward=(speed > 0.0) != motor.invert)
            else:
                bridge.coast()
        if not rests:
            self._enable_both(1)

    def calibrate(self, calibration: Calibration) -> None:
        """Take other directions, trims and minimum duty. At rest only: every pin is low, so nothing is to be moved over."""
        a, b = self._bridges
        self._sides = (b, a) if calibration.swap else (a, b)
        self._motors = (
            SideConfig(calibration.left_invert, calibration.left_trim),
            SideConfig(calibration.right_invert, calibration.right_trim),
        )
        self._min_duty = calibration.min_duty

    def low(self) -> None:
        """Write every pin low, enables first, whatever was written before.

        Raises:
            The first failure, after all pins were tried.
        """
        a, b = self._sides
        try_all(lambda line: line.write(0), (*self._shared, *a.enables, *b.enables, *a.inputs, *b.inputs))

    def close(self) -> None:
        """Write every pin low and let the backend go."""
        try:
            self.low()
        finally:
            self._pins.close()

    def _enable_both(self, level: int) -> None:
        """Write the pin that goes to both ENA and ENB, where there is one."""
        for line in self._shared:
            line.set(level)

    def _most(self, bridge: _EnabledBridge | _JumperBridge, cap: float) -> float:
        """Return the highest duty cycle of this motor: what the configuration gives at the cap's speed."""
        if cap >= 1.0:
            return 1.0
        trim = self._configured.motor_trims[self._bridges.index(bridge)]
        return duty_cycle(cap, trim, self._configured.min_duty)

    def _bridge(self, enable: int | str, in1: int, in2: int, hz: int) -> _EnabledBridge | _JumperBridge:
        if isinstance(enable, str):
            return _JumperBridge(self._pins, in1, in2, hz)
        return _EnabledBridge(self._pins, enable, in1, in2, hz)
