"""The motor board of a car: the seam between its wires and the rest of the program.

`kinds.py` has a table for each kind of board, `bridge.py` writes the pins. Emergency, doctor and simulator use a `Board`
without a claimed pin.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from picar.calibration.values import Calibration
from picar.layouts import Layout
from picar.motor.boards.bridge import Channel, Line, Motors
from picar.motor.boards.kinds import BRAKE, COAST, FORWARD, KINDS, REVERSE, Kind
from picar.wires import Motor, wires_of

if TYPE_CHECKING:
    from picar.config import Config
    from picar.core.drive import Output
    from picar.motor.pins import Pins, Supply


class Bridge(Protocol):
    """A board with claimed pins."""

    def apply(self, output: Output) -> None:
        """Drive the motors as this output requires."""

    def calibrate(self, calibration: Calibration) -> None:
        """Follow another calibration; to be called at rest only."""

    def low(self) -> None:
        """Bring the board to rest; trust no remembered value."""

    def close(self) -> None:
        """Bring the board to rest and close the backend."""


class Board:
    """A board and its wires. Creating it claims no pin.

    Args:
        config: the configuration with the board's wires, and with the calibration that is in force.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.wires = config, wires_of(config)

    @property
    def layout(self) -> Layout:
        """The motors of the car."""
        return self.wires.layout

    @property
    def rolls_at_rest(self) -> bool:
        """Whether every motor turns freely while all pins are low; otherwise one is braked."""
        return self.wires.standby is not None or all(
            self._kind_of(motor).rest == COAST for motor in self.wires.motors
        )

    def claim(self, pins: Pins, configured: Calibration | None = None) -> Motors:
        """Claim the pins, low.

        Args:
            pins: the backend.
            configured: the calibration that limits a speed cap; by default the one in force.
        """
        wires, channels = self.wires, dict[str, Channel]()
        standby = [Line(pins.output(wires.standby.pin))] if wires.standby else []
        for motor in wires.motors:
            twin = channels.get(wires.twin_of(motor).name)
            channels[motor.name] = twin or self._claim(pins, motor)
        calibration, max_speed = Calibration.of(self.config), self.config.drive.max_speed
        return Motors(pins, wires.layout, [*channels.values()], calibration, configured, standby, max_speed)

    def supplies(self, levels: Mapping[int, float]) -> tuple[Supply, ...]:
        """Return the supply of each motor, in the order of the layout, at these levels by BCM number; a missing one is low."""
        wires = self.wires
        enabled = levels.get(wires.standby.pin, 0.0) if wires.standby else 1.0
        return tuple(self._supply(motor, levels, enabled) for motor in wires.motors)

    def rest(self, pins: Pins) -> Sequence[Callable[[], object]]:
        """Return the steps that bring the board to rest in an emergency, most important first.

        A step may be repeated after `PinsBusy`. Each terminal is claimed as a plain output and written low: a plain output,
        because a pulse-width thread that was killed may have left its pin high, and a new one would pulse it; an explicit
        write, because claiming does not write on every library.
        """
        numbers = dict.fromkeys(terminal.pin for terminal in self.wires.terminals)
        return [functools.partial(_write_low, pins, bcm) for bcm in numbers]

    def _kind_of(self, motor: Motor) -> Kind:
        kind = KINDS[self.wires.kind]
        return kind if "pwm" in motor.terminals or "pwm" not in kind.terminals else kind.jumpered

    def _claim(self, pins: Pins, motor: Motor) -> Channel:
        """Claim the pins of a motor: PWM where a row has a duty cycle."""
        kind, lines = self._kind_of(motor), dict[str, Line]()
        for role, *levels in zip(kind.terminals, kind.forward, kind.reverse, strict=True):
            bcm = motor.terminals[role].pin
            pin = pins.pwm(bcm, self.config.motors.pwm_hz) if "D" in levels else pins.output(bcm)
            lines[role] = Line(pin)
        return Channel(kind, lines)

    def _supply(self, motor: Motor, levels: Mapping[int, float], enabled: float) -> Supply:
        """Return the mean of what the motor does while the terminals with PWM are high and low in turn."""
        kind = self._kind_of(motor)
        values = [levels.get(motor.terminals[role].pin, 0.0) for role in kind.terminals]
        power = braked = 0.0
        for low, high in _moments(values):
            action = kind.action("".join("1" if value > low else "0" for value in values))
            power += (high - low) * ((action == FORWARD) - (action == REVERSE))
            braked += (high - low) * (action == BRAKE)
        return enabled * power, enabled * braked


def _moments(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the parts of a period in which no level changes: a PWM pin is high until its share of the period is over."""
    edges = sorted({0.0, 1.0, *values})
    return list(itertools.pairwise(edges))


def _write_low(pins: Pins, bcm: int) -> None:
    pins.output(bcm).set(0)
