"""The L298N dual H-bridge: the levels that make a motor turn, brake or coast, and their order.

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
"""

from __future__ import annotations

from collections.abc import Mapping

from picar.calibration.values import Calibration
from picar.motor.boards import Board
from picar.motor.boards.bridge import Channel, Line, TwoMotors
from picar.motor.pins import Pins, Supply


class L298N(Board):
    """The board of the section `[l298n]`: ENA, IN1, IN2 are the left side, unless `swap` is set."""

    def terminals(self) -> dict[str, int]:
        """Return the BCM number of each terminal that has a wire, enables first."""
        w = self.config.l298n
        wires = {"ena": w.ena, "enb": w.enb, "in1": w.in1, "in2": w.in2, "in3": w.in3, "in4": w.in4}
        return {name: bcm for name, bcm in wires.items() if bcm != "jumper"}

    def claim(self, pins: Pins, configured: Calibration | None = None) -> TwoMotors:
        """Claim the pins, low: PWM on EN, or on the INs where EN is jumpered or shared."""
        wiring, hz = self.config.l298n, self.config.motors.pwm_hz
        shares_enable = wiring.ena == wiring.enb != "jumper"

        def channel(enable: int | str, in1: int, in2: int) -> Channel:
            if isinstance(enable, str) or shares_enable:
                return _JumperChannel([], [Line(pins.pwm(pin, hz)) for pin in (in1, in2)])
            return _EnabledChannel(
                [Line(pins.pwm(enable, hz))], [Line(pins.output(pin)) for pin in (in1, in2)]
            )

        shared = [Line(pins.output(int(wiring.ena)))] if shares_enable else []
        a = channel(wiring.ena, wiring.in1, wiring.in2)
        b = channel(wiring.enb, wiring.in3, wiring.in4)
        return TwoMotors(pins, (a, b), Calibration.of(self.config), configured, standby=shared)

    def motors(self, levels: Mapping[int, float]) -> tuple[Supply, Supply]:
        """Return the supply of the motor on OUT1 and OUT2, and of the motor on OUT3 and OUT4."""
        w = self.config.l298n
        return _supply(levels, w.ena, w.in1, w.in2), _supply(levels, w.enb, w.in3, w.in4)


class _EnabledChannel(Channel):
    """A bridge with PWM on its EN pin."""

    def turn(self, duty: float, forward: bool) -> None:
        (enable,), (high, low) = self.enables, self.inputs if forward else reversed(self.inputs)
        if (high.value, low.value) != (1, 0):
            enable.set(0)
            low.set(0)
            high.set(1)
        enable.set(duty)

    def brake(self) -> None:
        if any(line.value != 0 for line in self.inputs):
            self.coast()
        self.enables[0].set(1)


class _JumperChannel(Channel):
    """A bridge with PWM on its IN pins, because its EN is jumpered high or shared with the other bridge."""

    def turn(self, duty: float, forward: bool) -> None:
        high, low = self.inputs if forward else reversed(self.inputs)
        low.set(0)
        high.set(duty)

    def brake(self) -> None:
        self.coast()


def _supply(levels: Mapping[int, float], enable: int | str, forward: int, reverse: int) -> Supply:
    """Return the supply of one motor by the truth table."""
    enabled = 1.0 if isinstance(enable, str) else levels.get(enable, 0.0)
    difference = levels.get(forward, 0.0) - levels.get(reverse, 0.0)
    return enabled * difference, enabled * (1.0 - abs(difference))
